"""What security events are called (RISC 1.0, CAEP 1.0, SSF 1.0, RFC 9967), for those who hear and who tell them."""

from __future__ import annotations

RISC = "https://schemas.openid.net/secevent/risc/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
SCIM = "urn:ietf:params:scim:event:"
OKTA = "https://schemas.okta.com/secevent/okta/event-type/"
VERIFICATION = f"{SSF}verification"
STREAM_UPDATED = f"{SSF}stream-updated"
PUSH_METHOD = "urn:ietf:rfc:8935"
POLL_METHOD = "urn:ietf:rfc:8936"
# The media type of a SET (RFC 8417 section 2.3), and what its header says it is.
SET_MEDIA = "application/secevent+jwt"
SET_TYP = "secevent+jwt"
