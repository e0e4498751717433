"""The gate before every API call: rate limit, token, scope; and the headers and errors after it."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scim_bridge.sandbox.okta import ids
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.limits import bucket_of
from scim_bridge.sandbox.okta.model.proofs import BadProof, Proofs
from scim_bridge.sandbox.okta.org import Org

log = logging.getLogger("sandbox.okta")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API: a service app with scopes, or the owner of an SSWS token (scopes None)."""

    id: str
    name: str
    kind: str
    scopes: frozenset[str] | None

    def may(self, scope: str) -> bool:
        """True with this scope, or with the .manage scope where .read is asked for."""
        if self.scopes is None or scope in self.scopes:
            return True
        return scope.endswith(".read") and f"{scope.removesuffix('.read')}.manage" in self.scopes


SYSTEM = Caller("system", "Okta System", "SystemPrincipal", None)
ADMIN = Caller("00uadmin", "Sandbox Admin", "User", None)

Handler = Callable[[Request, Caller], Awaitable[Response]]


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json", headers=dict(headers or {}))


def nothing() -> Response:
    """204."""
    return Response(status_code=204)


async def body_of(request: Request) -> Any:
    """The JSON of a request; E0000003 when it is none."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise OktaError("E0000003") from None


def wants_async(request: Request) -> bool:
    """True when the caller asked not to wait (RFC 7240)."""
    return "respond-async" in request.headers.get("prefer", "")


class Gate:
    """Makes routes that check before they act. `read` and `manage` are the scopes of GET and of the rest."""

    def __init__(self, org: Org, proofs: Proofs) -> None:
        self._org = org
        self._proofs = proofs

    def route(self, path: str, resource: str, *, licence: str = "", **handlers: Handler) -> Route:
        """A route with a handler per method; `resource` names the scopes okta.<resource>.read|manage.

        `licence` names the org's setting without which there is no such feature.
        """

        async def serve(request: Request) -> Response:
            handler = handlers.get(request.method)
            # The journal names a call after its endpoint; one route serves several.
            request.scope["endpoint"] = handler or serve

            async def act() -> Response:
                caller = self.caller(request)
                if licence and not self._org.settings()[licence]:
                    raise OktaError("E0000015")
                if handler is None:
                    raise OktaError("E0000022")
                verb = "read" if request.method == "GET" else "manage"
                if not caller.may(f"okta.{resource}.{verb}"):
                    raise OktaError("E0000006")
                return await handler(request, caller)

            return await self.guarded(request, act)

        serve.__name__ = "method_not_allowed"
        route = Route(path, serve)
        route.methods = None  # a wrong method is ours to refuse, in Okta's words
        return route

    async def guarded(self, request: Request, act: Callable[[], Awaitable[Response]]) -> Response:
        """Count the call, act, and answer as Okta does whatever happens."""
        allowance = self._org.limits.take(bucket_of(request.method, request.url.path))
        try:
            if allowance.exceeded:
                raise OktaError("E0000047")
            response = await act()
        except OktaError as error:
            response = answer(error.body(self._org.ids.new(ids.ERROR)), error.status)
            if error.code == "E0000006":
                response.headers["www-authenticate"] = 'Bearer error="insufficient_scope"'
        except Exception:
            log.exception("the sandbox failed at %s %s", request.method, request.url.path)
            response = answer(OktaError("E0000009").body(self._org.ids.new(ids.ERROR)), 500)
        for name, value in allowance.headers().items():
            response.headers[name] = value
        response.headers["x-okta-request-id"] = secrets.token_hex(16)
        response.headers["cache-control"] = "no-cache, no-store"
        return response

    def caller(self, request: Request) -> Caller:
        """Who calls; E0000011 without a valid token."""
        given = request.headers.get("authorization", "")
        scheme, _, token = given.partition(" ")
        token = token.strip()
        if given.startswith("SSWS"):
            # Okta's own SDK (3.4.6) puts no blank between the scheme and the token.
            found = self._org.store.get("apitoken", digest(given.removeprefix("SSWS").strip()))
            if found is not None:
                return Caller(found["id"], found["name"], "User", None)
        elif scheme in ("Bearer", "DPoP"):
            found = self._org.store.get("accesstoken", digest(token))
            if found is not None and found["expires"] > self._org.seconds():
                self._held_by_its_key(request, found.get("jkt"), scheme, token)
                client = self._org.store.get("apiclient", found["client_id"])
                if client is not None:
                    return Caller(
                        client["client_id"], client["name"], "PublicClientApp", frozenset(found["scopes"])
                    )
        raise OktaError("E0000011")

    def _held_by_its_key(self, request: Request, jkt: str | None, scheme: str, token: str) -> None:
        """E0000011 when a token bound to a key comes without a proof of that key (RFC 9449, section 7)."""
        if (jkt is not None) is not (scheme == "DPoP"):
            raise OktaError("E0000011")
        if jkt is None:
            return
        try:
            here = f"{self._org.url}{request.url.path}"
            shown = self._proofs.checked(request.headers.get("dpop"), request.method, here, token=token)
        except BadProof:
            raise OktaError("E0000011") from None
        if shown != jkt:
            raise OktaError("E0000011")
