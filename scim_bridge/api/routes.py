"""The addresses of the API, and the document that describes them."""

from __future__ import annotations

from functools import lru_cache

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.api.catalogue import OPERATIONS, SCHEMAS
from scim_bridge.api.door import routes_of
from scim_bridge.api.model import House
from scim_bridge.api.openapi import document
from scim_bridge.kernel.web import JSON


def routes(house: House) -> list[BaseRoute]:
    """/api/v1/… and /openapi.json, which needs no token."""

    async def described(_request: Request) -> Response:
        headers = {"cache-control": "public, max-age=300"}
        return Response(_document(house.ctx.public_url), media_type=JSON, headers=headers)

    return [*routes_of(house, OPERATIONS), Route("/openapi.json", described, methods=["GET"])]


@lru_cache(maxsize=4)
def _document(url: str) -> bytes:
    return orjson.dumps(document(OPERATIONS, SCHEMAS, url))
