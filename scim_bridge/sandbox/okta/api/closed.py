"""What this org has no licence for, and paths that do not exist."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.parts import Parts

LICENSED = ("/workload-principals/", "/governance/", "/device-integrations/")


def routes(parts: Parts) -> list[BaseRoute]:
    """The last route: everything nobody else answers."""

    async def refuse(request: Request) -> Response:
        async def act() -> Response:
            if request.url.path.startswith(LICENSED):
                parts.gate.caller(request)
                raise OktaError("E0000015")
            raise OktaError("E0000008")

        return await parts.gate.guarded(request, act)

    last = Route("/{path:path}", refuse)
    last.methods = None
    return [last]
