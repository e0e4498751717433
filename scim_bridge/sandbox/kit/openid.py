"""An OpenID provider that refuses what real ones refuse: the authorization code flow with PKCE, and logout.

In: who the clients and the people are (callables of the simulated Okta or Entra), a clock and a signing key.
Out: what discovery says, and the answers of three endpoints. Codes live a minute and are good once; nothing of a
sign-in survives a restart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

CODE_SECONDS = 60
TOKEN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Client:
    """An application that people sign in to. `good` tells whether a secret is one of its own."""

    id: str
    good: Callable[[str], bool]
    redirect_uris: Sequence[str]
    logout_uris: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in: how they are shown, and their claims (with sub)."""

    id: str
    shown: str
    claims: Mapping[str, Any]


@dataclass
class OpenId:
    """One provider. `clients` and `accounts` look things up as they are at that moment."""

    issuer: str
    key: RSAKey
    seconds: Callable[[], float]
    clients: Callable[[str], Client | None]
    accounts: Callable[[Client], Sequence[Account]]
    authorize_path: str
    token_path: str
    logout_path: str
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)

    def described(self, base: str) -> dict[str, Any]:
        """The members of the discovery document that concern people who sign in."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}{self.authorize_path}",
            "token_endpoint": f"{base}{self.token_path}",
            "end_session_endpoint": f"{base}{self.logout_path}",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, request: Request) -> Response:
        """Who wants to sign in, as a page of links; with `as` (an account's id), back with a code."""
        asked = dict(request.query_params)
        client = self.clients(asked.get("client_id", ""))
        if client is None:
            return _page("invalid_client", self.stranger(asked.get("client_id", "")))
        # Never a redirect to an address nobody registered (RFC 6749 section 4.1.2.1).
        if asked.get("redirect_uri") not in client.redirect_uris:
            return _page("invalid_request", self.misdirected(client.id, asked.get("redirect_uri", "")))
        wrong = _wrong(asked)
        if wrong is not None:
            return self._back(asked, {"error": wrong[0], "error_description": wrong[1]})
        accounts = {account.id: account for account in self.accounts(client)}
        if "as" not in asked:
            links = "".join(
                f'<li><a href="?{escape(urlencode({**asked, "as": account.id}))}">{escape(account.shown)}</a></li>'
                for account in accounts.values()
            )
            return HTMLResponse(f"<!doctype html><title>Sign in</title><h1>Sign in as</h1><ul>{links}</ul>")
        account = accounts.get(asked["as"])
        if account is None:
            denied = "The person is not assigned to this application."
            return self._back(asked, {"error": "access_denied", "error_description": denied})
        return self._back(asked, {"code": self._code(client, account, asked)})

    def _code(self, client: Client, account: Account, asked: Mapping[str, str]) -> str:
        now = int(self.seconds())
        if asked.get("prompt") == "login" or account.id not in self.since:
            self.since[account.id] = now
        code = secrets.token_urlsafe(32)
        self.codes[code] = {
            "client": client.id,
            "claims": dict(account.claims),
            "redirect_uri": asked["redirect_uri"],
            "challenge": asked["code_challenge"],
            "nonce": asked.get("nonce"),
            "scopes": asked["scope"].split(),
            "auth_time": self.since[account.id],
            "until": now + CODE_SECONDS,
        }
        return code

    def _back(self, asked: Mapping[str, str], said: Mapping[str, str]) -> Response:
        answer = {**said, **({"state": asked["state"]} if "state" in asked else {})}
        mark = "&" if "?" in asked["redirect_uri"] else "?"
        return RedirectResponse(f"{asked['redirect_uri']}{mark}{urlencode(answer)}", 302)

    def token(self, form: Mapping[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The tokens for a code: (status, body)."""
        client_id, secret = _credentials(form, authorization)
        client = self.clients(client_id)
        if client is None or not client.good(secret):
            return 401, _error("invalid_client", "The client secret is wrong.")
        code = form.get("code", "")
        kept = self.codes.pop(code, None)
        if kept is None:
            return 400, _error("invalid_grant", "The authorization code is invalid or was used.")
        if kept["until"] < self.seconds() or kept["client"] != client.id:
            return 400, _error("invalid_grant", "The authorization code has expired.")
        if form.get("redirect_uri") != kept["redirect_uri"]:
            return 400, _error("invalid_grant", "The redirect_uri is not that of the authorization request.")
        if not hmac.compare_digest(challenge_of(form.get("code_verifier", "")), kept["challenge"]):
            return 400, _error("invalid_grant", "PKCE verification failed.")
        return 200, {
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "access_token": secrets.token_urlsafe(32),
            "id_token": self.id_token(client.id, kept),
        }

    def id_token(self, client_id: str, kept: Mapping[str, Any]) -> str:
        """The signed ID token for what a code stands for."""
        now = int(self.seconds())
        claims = {
            "iss": self.issuer,
            "aud": client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "auth_time": kept["auth_time"],
            **kept["claims"],
        }
        if kept["nonce"] is not None:
            claims["nonce"] = kept["nonce"]
        return self.signed(self.shaped(client_id, claims, kept["scopes"]))

    def shaped(self, client_id: str, claims: dict[str, Any], scopes: Sequence[str]) -> dict[str, Any]:
        """The claims as this vendor gives them to this application, for these scopes."""
        return claims

    def stranger(self, client_id: str) -> str:
        """What this vendor says to an application it does not know."""
        return "No application has this client_id."

    def misdirected(self, client_id: str, redirect_uri: str) -> str:
        """What this vendor says to an address that is not the application's."""
        return "The redirect_uri is not one of the application's."

    def signed(self, claims: Mapping[str, Any]) -> str:
        """These claims under this provider's key."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, dict(claims), self.key)

    def logout(self, request: Request) -> Response:
        """End the sign-in of whom the hint names, and go back where the application may send people."""
        asked = dict(request.query_params)
        hint = asked.get("id_token_hint", "")
        audience, subject = _hinted(hint) if hint else (asked.get("client_id", ""), "")
        client = self.clients(audience)
        target = asked.get("post_logout_redirect_uri", "")
        if client is None or (target and target not in client.logout_uris):
            return _page("invalid_request", "The post_logout_redirect_uri is not one of the application's.")
        for account in self.accounts(client):
            if account.claims.get("sub") == subject:
                self.since.pop(account.id, None)
        return RedirectResponse(target, 302) if target else HTMLResponse("<h1>Signed out</h1>")


def _wrong(asked: Mapping[str, str]) -> tuple[str, str] | None:
    if asked.get("response_type") != "code":
        return "unsupported_response_type", "Only the response type code is supported."
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope", "The scope openid is missing."
    if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
        return "invalid_request", "PKCE code challenge (S256) is required."
    if not asked.get("state"):
        return "invalid_request", "The 'state' parameter is missing."
    return None


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def form_of(raw: bytes) -> dict[str, str]:
    """The fields of a token request."""
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))


def _credentials(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    if scheme.casefold() == "basic":
        try:
            client_id, _, secret = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return "", ""
        return unquote_plus(client_id), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _hinted(token: str) -> tuple[str, str]:
    """(audience, subject) of an ID token; nothing of it has to be fresh."""
    try:
        body = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(claims.get("aud", "")), str(claims.get("sub", ""))
    except (IndexError, ValueError, AttributeError):
        return "", ""


def _error(error: str, why: str) -> dict[str, Any]:
    return {"error": error, "error_description": why}


def _page(error: str, why: str) -> Response:
    return HTMLResponse(f"<!doctype html><title>{error}</title><h1>{error}</h1><p>{escape(why)}</p>", 400)
