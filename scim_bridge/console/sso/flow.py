"""One sign-in under way: state, nonce and PKCE verifier, sealed into a cookie of the browser that began it. Pure.

Nothing is stored for somebody who only looks at the sign-in page, and an answer counts only in the browser
that asked (RFC 6749 section 10.12, RFC 9700 section 4.7).
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.crypto import MasterKey, Tampered

PLAIN, SECURE = "sb_sign_in", "__Host-sb_sign_in"
PLACE = "console:sign-in"
LASTS = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that began at `begun`; `again`: somebody signed in proves anew who they are."""

    state: str
    nonce: str
    verifier: str
    issuer: str
    begun: int
    then: str
    again: bool

    @property
    def challenge(self) -> str:
        """The S256 challenge (RFC 7636 section 4.2)."""
        return _letters(hashlib.sha256(self.verifier.encode()).digest())


def _letters(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def begin(issuer: str, now: int, then: str, again: bool) -> Flow:
    """A fresh sign-in, each of its secrets 256 random bits."""
    state, nonce, verifier = (_letters(os.urandom(32)) for _ in range(3))
    return Flow(state, nonce, verifier, issuer, now, then, again)


def sealed(master: MasterKey, flow: Flow) -> str:
    """The cookie's value."""
    said = [flow.state, flow.nonce, flow.verifier, flow.issuer, flow.begun, flow.then, flow.again]
    # Without padding: an equals sign would make browsers' and proxies' quoting of cookies matter.
    return _letters(master.seal(PLACE, orjson.dumps(said)))


def unsealed(master: MasterKey, value: str, now: int) -> Flow | None:
    """The sign-in a cookie holds; None when it is not ours, was altered, or is over."""
    try:
        raw = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        flow = Flow(*orjson.loads(master.unseal(PLACE, raw)))
    except (Tampered, ValueError, TypeError):
        return None
    return flow if 0 <= now - flow.begun < LASTS else None


def asking(flow: Flow, client_id: str, redirect_uri: str, scopes: tuple[str, ...]) -> str:
    """The query of the authorization request (OpenID Connect Core 1.0 section 3.1.2.1)."""
    asked = {
        "response_type": "code",
        "response_mode": "query",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": flow.challenge,
        "code_challenge_method": "S256",
    }
    if flow.again:
        # Both: providers differ in which of the two they follow, and auth_time tells whether they did.
        asked |= {"prompt": "login", "max_age": "0"}
    return urlencode(asked)
