"""What the server under us can do at best: one route, one kilobyte of JSON."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

BODY = {"message": "x" * 1000}


async def hello(_request: Request) -> JSONResponse:
    """One kilobyte."""
    return JSONResponse(BODY)


app = Starlette(routes=[Route("/", hello)])
