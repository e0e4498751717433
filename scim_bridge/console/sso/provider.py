"""The OpenID provider as it describes itself: its addresses and keys, fetched ahead by a duty and kept in memory."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import orjson
import structlog

from scim_bridge.kernel.clock import HOUR, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.settings.sign_in import LOCAL, SignInSettings

log = structlog.get_logger("scim_bridge.console")

REFRESH = HOUR
ASK_AGAIN = MINUTE
PATIENCE = 5.0
MAX_BYTES = 262_144
DISCOVERY = "/.well-known/openid-configuration"
ALGORITHM = "RS256"
FORM = "application/x-www-form-urlencoded"
AGAIN = "Try again shortly. An admin's token opens meanwhile, unless the settings say no."


class ProviderAway(BridgeError):
    """The IdP gave no usable answer; the same may work in a moment."""

    status = 503


class SignInRefused(BridgeError):
    """The IdP's answer does not prove who somebody is, or who they are may not come in."""

    status = 403

    def __init__(self, why: str, message: str, fix: str = "Sign in once more.") -> None:
        super().__init__(f"sign-in-{why}", message, fix)


@dataclass(frozen=True, slots=True)
class Described:
    """What a provider says of itself. `logout` is empty where it has none; `keys` are by their id."""

    authorize: str
    token: str
    logout: str
    by_post: bool
    says_issuer: bool
    keys: Mapping[str, Mapping[str, str]]
    fetched: int


class Provider:
    """Knows the provider of the settings; asks it anew every hour, and for a new key once a minute at most."""

    def __init__(self, ctx: Context, settings: SignInSettings) -> None:
        self._ctx = ctx
        self.settings = settings
        self._known: Described | None = None
        self._tried = 0
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """The duty: fetch what is an hour old, or was never there. A failure keeps what is known."""
        now = self._ctx.store.clock.now()
        if self._known is not None and now - self._known.fetched < REFRESH:
            return
        if not self.settings.issuer or now - self._tried < ASK_AGAIN:
            return
        try:
            await self._fetch()
        except BridgeError as error:
            log.warning("sign_in.provider", action="sign_in.provider", reason=error.text())

    async def described(self) -> Described:
        """What the provider says of itself, asked now if nobody did; ProviderAway when it does not answer."""
        return self._known or await self._fetch()

    async def key(self, kid: str) -> Mapping[str, str] | None:
        """The key with this id; the provider is asked once more for one that is new.

        Without an id it is the only key there is (Core 1.0 section 10.1), or none.
        """
        known = await self.described()
        if not kid:
            return next(iter(known.keys.values())) if len(known.keys) == 1 else None
        if kid not in known.keys and self._ctx.store.clock.now() - known.fetched >= ASK_AGAIN:
            known = await self._fetch()
        return known.keys.get(kid)

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token that a code stands for (RFC 6749 section 4.1.3); SignInRefused, or ProviderAway."""
        known = await self.described()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"content-type": FORM, "accept": "application/json"}
        if known.by_post:
            form |= {"client_id": self.settings.client_id, "client_secret": self.settings.client_secret}
        else:
            pair = f"{quote_plus(self.settings.client_id)}:{quote_plus(self.settings.client_secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        status, said = await self._asked("POST", known.token, headers, urlencode(form).encode())
        if status != 200:
            error = said.get("error")
            shown = error[:60] if isinstance(error, str) and error.isprintable() else "without a reason"
            log.warning("sign_in.code", action="sign_in.code", status=status, reason=shown)
            raise SignInRefused("code", f"The IdP did not take the code ({shown}).", CODE_FIX)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("no-id-token", "The IdP sent no ID token.", "Ask for the scope openid.")
        return token

    async def _fetch(self) -> Described:
        async with self._lock:
            self._tried = now = self._ctx.store.clock.now()
            if self._known is not None and self._known.fetched == now:
                return self._known
            issuer = self.settings.issuer
            found = await self._document(issuer.rstrip("/") + DISCOVERY)
            if found.get("issuer") != issuer:
                # Exactly: another issuer's document must not stand for this one (Discovery 1.0 section 4.3).
                raise ProviderAway(
                    "sign-in-issuer",
                    f"The IdP calls itself {str(found.get('issuer'))[:200]}, not {issuer}.",
                    "Write sign_in.issuer exactly as the IdP does.",
                )
            ways = found.get("token_endpoint_auth_methods_supported")
            self._known = Described(
                _address(found, "authorization_endpoint"),
                _address(found, "token_endpoint"),
                _address(found, "end_session_endpoint") if found.get("end_session_endpoint") else "",
                isinstance(ways, list) and "client_secret_basic" not in ways,
                found.get("authorization_response_iss_parameter_supported") is True,
                _keys(await self._document(_address(found, "jwks_uri"))),
                now,
            )
            return self._known

    async def _document(self, url: str) -> dict[str, Any]:
        status, said = await self._asked("GET", url, {"accept": "application/json"}, None)
        if status != 200:
            raise ProviderAway("sign-in-provider", f"{urlsplit(url).hostname} answered {status}.", AGAIN)
        return said

    async def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, dict[str, Any]]:
        try:
            answer = await self._ctx.outbound.send(
                method, url, headers=headers, body=body, timeout=PATIENCE, max_bytes=MAX_BYTES
            )
            said = orjson.loads(answer.body) if answer.body else {}
        except OutboundError as error:
            raise ProviderAway("sign-in-provider", error.message, error.fix or AGAIN) from error
        except orjson.JSONDecodeError as error:
            raise ProviderAway("sign-in-provider", "The IdP's answer cannot be read.", AGAIN) from error
        return answer.status, said if isinstance(said, dict) else {}


CODE_FIX = (
    "Sign in once more. If it stays so, compare client_id, client_secret and the redirect URI with the IdP."
)


def _address(found: Mapping[str, Any], name: str) -> str:
    url = found.get(name)
    parts = urlsplit(url) if isinstance(url, str) and url.isprintable() else urlsplit("")
    local = parts.scheme == "http" and parts.hostname in LOCAL
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ProviderAway("sign-in-provider", f"The IdP names no usable {name}.", AGAIN)
    return str(url)


def _keys(found: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """The RSA keys for signatures, by id; nothing of a JWK but its two numbers is taken over."""
    kept: dict[str, Mapping[str, str]] = {}
    listed = found.get("keys")
    for jwk in listed if isinstance(listed, list) else ():
        if not isinstance(jwk, dict) or jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig":
            continue
        kid, n, e = jwk.get("kid"), jwk.get("n"), jwk.get("e")
        if (
            all(isinstance(part, str) and part for part in (kid, n, e))
            and jwk.get("alg", ALGORITHM) == ALGORITHM
        ):
            kept[str(kid)] = {"kty": "RSA", "n": str(n), "e": str(e)}
    return kept
