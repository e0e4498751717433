"""Values of the OAuth room, and the pure rules: which assertion a trust stands for, which scopes are given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.clock import HOUR, MINUTE, SECOND
from scim_bridge.kernel.errors import BridgeError

CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHM = "RS256"
# Some profiles ask for one scope that means SCIM as a whole.
WHOLE = "scim"

CLOCK_SKEW = MINUTE
# Entra's live about 65 minutes, those of managed identities a day. Replays are remembered that long.
LONGEST_LIFE = 25 * HOUR

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ENTRA_HOSTS = ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn")
ENTRA_ISSUER = re.compile(
    rf"(https://(?:{'|'.join(map(re.escape, ENTRA_HOSTS))})/(?P<tenant>{GUID.pattern}))(?:/v2\.0)?"
)
STATUS = {"invalid_client": 401, "temporarily_unavailable": 503}


class OAuthError(BridgeError):
    """A refusal as RFC 6749 section 5.2 names it. `why` is for the audit and finer than what is told.

    `seen` are the values the audit keeps so that an admin can mend a trust; never a secret.
    """

    def __init__(
        self,
        error: str,
        message: str,
        fix: str = "",
        *,
        why: str = "",
        seen: Mapping[str, str] | None = None,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(error, message, fix, retry_after=retry_after)
        self.status = status or STATUS.get(error, 400)
        self.why = why or error
        self.seen = dict(seen or {})


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for access tokens, on behalf of one connection. `id` is the client_id."""

    id: str
    connection_id: str
    connection: str
    label: str
    scopes: tuple[str, ...]
    created: int
    last_used: int | None


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose assertions stand for a client. Everything is compared exactly, letter by letter."""

    id: str
    client_id: str
    issuer: str
    tenant: str | None
    subject: str
    audience: str
    keys_url: str
    single_use: bool
    created: int
    last_used: int | None

    @property
    def issuers(self) -> frozenset[str]:
        """The issuers that are this one: Entra's own pages give it with and without /v2.0."""
        entra = ENTRA_ISSUER.fullmatch(self.issuer)
        if entra is None or entra["tenant"] != self.tenant:
            return frozenset((self.issuer,))
        return frozenset((entra[1], entra[1] + "/v2.0"))

    @property
    def audiences(self) -> frozenset[str]:
        """The audiences that are this one: Entra documents api://<id> and sends the bare id."""
        bare = self.audience.removeprefix("api://")
        return frozenset((bare, f"api://{bare}") if GUID.fullmatch(bare) else (self.audience,))


Claims = Mapping[str, Any]


def flaw(claims: Claims, trust: Trust, now: int) -> tuple[str, str] | None:
    """(why, what to say) when claims that were truly signed are not those of this trust now; else None.

    `now` in microseconds. RFC 7523 section 3, except that the subject is whom the trust names: Entra
    puts the object id of its service principal there and not our client_id.
    """
    if not _is_one(claims.get("iss"), trust.issuers):
        return "assertion-issuer", "The issuer of the assertion is not the one that is trusted."
    if claims.get("sub") != trust.subject:
        return "assertion-subject", "The subject of the assertion is not the one that is trusted."
    if not _is_one(_audience(claims.get("aud")), trust.audiences):
        return "assertion-audience", "The audience of the assertion is not the one that is trusted."
    # Entra signs the tokens of all its tenants with the same keys: the tenant is what tells them apart.
    if trust.tenant is not None and claims.get("tid") != trust.tenant:
        return "assertion-tenant", "The tenant of the assertion is not the one that is trusted."
    return untimely(claims, now)


def _is_one(said: Any, known: frozenset[str]) -> bool:
    return isinstance(said, str) and said in known


def _audience(said: Any) -> Any:
    """The one audience. An assertion meant for several receivers could be replayed by any of them."""
    return said[0] if isinstance(said, list) and len(said) == 1 else said


def untimely(claims: Claims, now: int) -> tuple[str, str] | None:
    """(why, what to say) when claims are not of this time: expired, not begun, or valid for too long."""
    expires = instant(claims.get("exp"))
    if expires is None:
        return "assertion-claims", "The assertion does not say when it expires."
    if expires + CLOCK_SKEW <= now:
        return "assertion-expired", "The assertion has expired."
    if expires > now + LONGEST_LIFE + CLOCK_SKEW:
        return "assertion-long", "The assertion is valid for too long."
    for name in ("nbf", "iat"):
        if name not in claims:
            continue
        begins = instant(claims[name])
        if begins is None:
            return "assertion-claims", f"The {name} of the assertion is not a time."
        if begins > now + CLOCK_SKEW:
            return "assertion-early", "The assertion is not valid yet."
    return None


def instant(said: Any) -> int | None:
    """A NumericDate (RFC 7519 section 2) in microseconds; None when it is not a sensible one."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < 2**40:
        return None
    return int(said * SECOND)


def granted(client: Client, asked: str | None) -> tuple[str, ...]:
    """The scopes a token gets: those asked for, or all of the client's. OAuthError for any other."""
    if asked is None or asked.split() == [WHOLE]:
        return client.scopes
    wanted = set(asked.split())
    if not wanted <= set(client.scopes):
        raise OAuthError(
            "invalid_scope",
            f"This client may ask for {' '.join(client.scopes)}.",
            "Leave the scope out to get all of it.",
        )
    return tuple(scope for scope in client.scopes if scope in wanted)
