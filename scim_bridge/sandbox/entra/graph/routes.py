"""Microsoft Graph over HTTP."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.entra.graph.service import VERSIONS, Graph
from scim_bridge.sandbox.entra.notices.sending import Sender

METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


def routes(service: Graph, sender: Sender) -> list[BaseRoute]:
    """Everything below /v1.0 and /beta."""

    async def graph(request: Request) -> Response:
        _, version, path = request.url.path.split("/", 2)
        answer = service.answer(
            request.method,
            version,
            path,
            dict(request.query_params),
            {name.lower(): value for name, value in request.headers.items()},
            await request.body(),
        )
        if answer.status == 201 and request.method == "POST" and path.strip("/").lower() == "subscriptions":
            answer = await sender.proven(answer)
        content = b"" if answer.body is None else orjson.dumps(answer.body)
        headers = dict(answer.headers)
        if answer.body is not None:
            headers["content-type"] = "application/json;odata.metadata=minimal;charset=utf-8"
        return Response(content, answer.status, headers)

    return [Route(f"/{version}/{{path:path}}", graph, methods=METHODS) for version in VERSIONS]
