"""What a JWT says when an issuer this installation trusts signed it; for those who only ask about a token.

Nothing is exchanged for it and nothing is written. Whom the token is for is not judged: the gateway that
asks knows its own audience and is told what the token says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.kernel.context import Context
from scim_bridge.oauth.assertion import check_signature, read_assertion
from scim_bridge.oauth.keys import key_for
from scim_bridge.oauth.model import OAuthError, Trust, instant, untimely
from scim_bridge.oauth.trusts import trusts


async def believed(ctx: Context, token: str) -> Mapping[str, Any] | None:
    """The claims of a JWT that is signed, in time and of a trusted issuer; None for every other text.

    OAuthError temporarily_unavailable while the issuer's keys are being fetched: nobody can tell yet.
    """
    try:
        assertion = read_assertion(token)
        claims = assertion.claims
        trust = _trusted(claims, await trusts(ctx.store.reads))
        if trust is None or untimely(claims, ctx.store.clock.now()) is not None:
            return None
        check_signature(assertion, await key_for(ctx, trust.keys_url, assertion.kid))
    except OAuthError as error:
        if error.status == 503:
            raise
        return None
    return claims if instant(claims.get("exp")) is not None else None


def _trusted(claims: Mapping[str, Any], known: list[Trust]) -> Trust | None:
    """A trust of the issuer, and of the tenant: Entra signs the tokens of all its tenants with the same keys."""
    issuer = claims.get("iss")
    for trust in known:
        if isinstance(issuer, str) and issuer in trust.issuers and trust.tenant in (None, claims.get("tid")):
            return trust
    return None
