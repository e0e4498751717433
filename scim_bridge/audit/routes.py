"""The public keys of everything this installation signs, where verifiers look for them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import public_keys
from scim_bridge.kernel.web import endpoint, json_response

# Long enough to spare the database, short enough for a new key to be seen before it is needed.
CACHE = "public, max-age=300"


def routes(ctx: Context) -> list[BaseRoute]:
    """GET /.well-known/jwks.json: every public key ever used, a JWK Set (RFC 7517 section 5)."""

    async def jwks(_request: Request) -> Response:
        found = await public_keys(ctx.store.reads)
        answer = json_response({"keys": list(found.values())})
        answer.headers["cache-control"] = CACHE
        return answer

    return [Route("/.well-known/jwks.json", endpoint(jwks), methods=["GET"])]
