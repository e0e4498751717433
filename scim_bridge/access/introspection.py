"""Is this token good for anything (RFC 7662)? A token that names an agent is not, while the agent is held.

Two kinds are known: the bridge's own opaque tokens, and JWTs of issuers the installation trusts, which a
reader of claims handed over at composition believes or not. Everything else is inactive, without a reason:
an answer that told why would help those who try tokens out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.access.facts import facts_about, facts_of
from scim_bridge.access.model import Facts, stops
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Invalid, Unauthenticated
from scim_bridge.kernel.web import endpoint, json_response, read_body
from scim_bridge.registry.callers import api_caller
from scim_bridge.registry.model import USER_SPACE
from scim_bridge.registry.tokens import authenticate

INTROSPECT = "/access/v1/introspect"
FORM = "application/x-www-form-urlencoded"
MAX_BYTES = 32_768
MAX_FIELDS = 16
INACTIVE = {"active": False}
# Members of RFC 7662 section 2.2 that a JWT may have; no other claim is passed on.
TOLD = ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "scope", "client_id", "azp", "username")
# Where a token may name the agent that uses it: itself, its client, the one who acts for a person (RFC 8693).
NAMING = ("sub", "azp", "appid", "client_id")

Claims = Mapping[str, Any]
Believe = Callable[[Context, str], Awaitable[Claims | None]]
"""The claims of a JWT that is proven, or None; a BridgeError with status 503 when nobody can tell yet."""


def routes(ctx: Context, believe: Believe | None = None) -> list[BaseRoute]:
    """The introspection endpoint."""
    return [Route(INTROSPECT, endpoint(Introspection(ctx, believe).answer), methods=["POST"])]


class Introspection:
    """Tells gateways of tokens."""

    def __init__(self, ctx: Context, believe: Believe | None) -> None:
        self._ctx = ctx
        self._believe = believe

    async def answer(self, request: Request) -> Response:
        """POST token=… as a form → 200 {"active": …}; who asks needs the scope `access` themselves."""
        await api_caller(self._ctx, request, "access")
        token = _token(request.headers.get("content-type", ""), await read_body(request, MAX_BYTES))
        return json_response(await self._told(token))

    async def _told(self, token: str) -> dict[str, Any]:
        own = await self._own(token)
        if own is not None:
            return own
        if self._believe is None or token.count(".") != 2:
            return INACTIVE
        claims = await self._believe(self._ctx, token)
        return INACTIVE if claims is None else await self._of_claims(claims)

    async def _own(self, token: str) -> dict[str, Any] | None:
        store = self._ctx.store
        try:
            grant = await authenticate(store.reads, self._ctx.master, token, store.clock.now())
        except Unauthenticated:
            return None
        row = await store.reads.one("SELECT created, client_id FROM sb_token WHERE id = ?", grant.token_id)
        told: dict[str, Any] = {
            "active": True,
            "iss": self._ctx.public_url,
            "token_type": "Bearer",
            "scope": " ".join(sorted(grant.scopes)),
            "jti": grant.token_id,
        }
        if grant.expires is not None:
            told["exp"] = grant.expires // SECOND
        if row is not None:
            told["iat"] = row["created"] // SECOND
            if row["client_id"] is not None:
                told["client_id"] = told["sub"] = row["client_id"]
        return told

    async def _of_claims(self, claims: Claims) -> dict[str, Any]:
        now = self._ctx.store.clock.now()
        agents = await self._agents(claims)
        if any(stops(agent, now) for agent in agents):
            return INACTIVE
        told = {"active": True, **{name: claims[name] for name in TOLD if name in claims}}
        if agents:
            told["agent"] = {"id": agents[0].id, "slug": agents[0].slug}
        return told

    async def _agents(self, claims: Claims) -> list[Facts]:
        """Every agent a token names, by our names or by what an IdP calls it. Any of them may be the one to stop."""
        actor = claims.get("act")
        said = [claims.get(name) for name in NAMING]
        said.append(actor.get("sub") if isinstance(actor, dict) else None)
        found: dict[str, Facts] = {}
        for name in dict.fromkeys(one for one in said if isinstance(one, str) and one and "\0" not in one):
            reads = self._ctx.store.reads
            rows = await reads.all(BY_EXTERNAL, name)
            mine = await facts_about(reads, name) + await facts_of(reads, [row["id"] for row in rows])
            found.update((facts.id, facts) for facts in mine)
        return list(found.values())


BY_EXTERNAL = (
    "SELECT DISTINCT e.resource_id AS id FROM sb_connection c"
    f" JOIN sb_external e ON e.connection_id = c.id AND e.space = '{USER_SPACE}' AND e.external_id = ?"
)


def _token(content_type: str, body: bytes) -> str:
    if content_type.split(";", 1)[0].strip().casefold() != FORM:
        raise _wrong(f"The body is not a form ({FORM}).")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise _wrong("The form cannot be read.") from error
    tokens = [value for name, value in pairs if name == "token"]
    if len(tokens) != 1 or not tokens[0]:
        raise _wrong("The form does not hold the parameter token once.")
    return tokens[0]


def _wrong(message: str) -> BridgeError:
    return Invalid("invalid_request", message, "Send token=… as RFC 7662 section 2.1 has it.")
