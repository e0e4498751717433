"""HTTP doors: POST /oauth/token, and where it is for those who discover it (RFC 6749, 8414)."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.audit.record import record_refusal
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, StoreUnavailable
from scim_bridge.kernel.throttle import Throttle
from scim_bridge.kernel.web import address_of, json_response, read_body, request_id
from scim_bridge.kernel.work import Actor
from scim_bridge.oauth.clients import find_client
from scim_bridge.oauth.issue import Issued, Proven, issue, prove
from scim_bridge.oauth.model import ALGORITHM, CLIENT_CREDENTIALS, Client, OAuthError, granted
from scim_bridge.oauth.proof import Asked, asked, read_form
from scim_bridge.registry.tokens import CLIENT_SCOPES
from scim_bridge.settings.model import OauthSettings

log = structlog.get_logger("scim_bridge.oauth")

MAX_BYTES = 32_768
REFUSALS_A_MINUTE = 30
TOKENS_A_MINUTE = 60


def routes(ctx: Context, settings: OauthSettings) -> list[BaseRoute]:
    """The token endpoint and its metadata."""
    door = TokenDoor(ctx, settings)
    return [
        Route("/oauth/token", door.token, methods=["POST"]),
        Route("/.well-known/oauth-authorization-server", door.metadata),
    ]


class TokenDoor:
    """Gives access tokens to clients that prove who they are, and keeps what it refuses."""

    def __init__(self, ctx: Context, settings: OauthSettings) -> None:
        self._ctx = ctx
        self._minutes = settings.token_minutes
        # Each refusal and each token is a row. What is genuine is never refused for what others send
        # from the same address, which may be a proxy's: only wrong requests count against it.
        self._refusals = Throttle(ctx.store.clock, REFUSALS_A_MINUTE, 60)
        self._tokens = Throttle(ctx.store.clock, TOKENS_A_MINUTE, 60)

    async def token(self, request: Request) -> Response:
        """Answer one token request (RFC 6749 section 4.4); every refusal as section 5.2 has it."""
        try:
            return await self._answered(request)
        except StoreUnavailable as error:
            return _refusal(_later(error.message, 503, error.retry_after))

    async def _answered(self, request: Request) -> Response:
        wanted: Asked | None = None
        try:
            form = read_form(
                request.headers.get("content-type", ""),
                request.scope.get("query_string", b""),
                await read_body(request, MAX_BYTES),
            )
            wanted = asked(form, request.headers.get("authorization", ""))
            return _given(await self._exchanged(request, wanted))
        except OAuthError as error:
            return _refusal(await self._kept(request, wanted, error))
        except Invalid as error:
            return _refusal(OAuthError("invalid_request", error.message, error.fix, status=error.status))

    async def _exchanged(self, request: Request, wanted: Asked) -> Issued:
        proven = await prove(self._ctx, wanted)
        client = proven.client
        wait = self._tokens.wait(client.id)
        if wait is not None:
            raise _later("This client asked for too many tokens; use one until it expires.", 429, wait)
        scopes = granted(client, wanted.scope)
        issued = await issue(self._ctx, _actor(request, client), proven, scopes, self._minutes)
        self._tokens.count(client.id)
        _tell(request, proven)
        return issued

    async def _kept(self, request: Request, wanted: Asked | None, error: OAuthError) -> OAuthError:
        """The refusal to answer: audited when it is one, or the demand to slow down."""
        if error.status in (429, 503):
            log.info("oauth.later", action="oauth.later", reason=error.why, request_id=request_id(request))
            return error
        client = await self._named(wanted)
        keys = [f"address {address_of(request)}", *([f"client {client.id}"] if client is not None else [])]
        waits = [wait for key in keys if (wait := self._refusals.wait(key)) is not None]
        if waits:
            return _later("Too many requests that were refused.", 429, max(waits))
        for key in keys:
            self._refusals.count(key)
        address = address_of(request)
        # Who says to be the client did not prove it: the actor is a stranger at an address.
        actor = Actor(
            "anonymous", address or "unknown", "unproven client", None, request_id(request), address
        )
        detail: dict[str, Any] = {"error": error.code, "reason": error.why, "message": error.message}
        detail |= error.seen
        # Only a client_id that exists is kept: people paste secrets into the wrong field.
        subject = None if client is None else client.id
        await record_refusal(self._ctx.store, actor, "oauth.token_refused", "client", subject, detail)
        log.warning(
            "oauth.refused",
            action="oauth.refused",
            client=subject,
            reason=error.why,
            request_id=request_id(request),
        )
        return error

    async def _named(self, wanted: Asked | None) -> Client | None:
        if wanted is None or wanted.client_id is None:
            return None
        return await find_client(self._ctx.store.reads, wanted.client_id)

    async def metadata(self, _request: Request) -> Response:
        """GET /.well-known/oauth-authorization-server (RFC 8414)."""
        return json_response(
            {
                "issuer": self._ctx.public_url,
                "token_endpoint": f"{self._ctx.public_url}/oauth/token",
                "grant_types_supported": [CLIENT_CREDENTIALS],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "client_secret_basic",
                    "private_key_jwt",
                ],
                "token_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
                "scopes_supported": list(CLIENT_SCOPES),
                "response_types_supported": [],
            }
        )


def _actor(request: Request, client: Client) -> Actor:
    return Actor(
        "connection",
        client.connection_id,
        client.connection,
        client.connection_id,
        request_id(request),
        address_of(request),
    )


def _tell(request: Request, proven: Proven) -> None:
    log.info(
        "oauth.issued",
        action="oauth.issued",
        client=proven.client.id,
        connection=proven.client.connection,
        by=proven.method,
        request_id=request_id(request),
    )


def _given(issued: Issued) -> Response:
    body = {
        "access_token": issued.token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": " ".join(issued.scopes),
    }
    return json_response(body, 200, {"pragma": "no-cache"})


def _later(message: str, status: int, wait: int | None) -> OAuthError:
    return OAuthError("temporarily_unavailable", message, "Try again later.", status=status, retry_after=wait)


def _refusal(error: OAuthError) -> Response:
    headers = {"pragma": "no-cache"}
    if error.status == 401:
        headers["www-authenticate"] = 'Basic realm="scim-bridge"'
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, error.retry_after))
    # The only characters a description may have (RFC 6749 section 5.2).
    told = "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in error.text())
    return json_response({"error": error.code, "error_description": told}, error.status, headers)
