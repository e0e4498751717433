"""The control API every sandbox has under /sandbox: look at objects and journal, script faults, reset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.kit.edge import CONTROL
from scim_bridge.sandbox.kit.faults import BadFault
from scim_bridge.sandbox.kit.redact import without_secrets

if TYPE_CHECKING:
    from scim_bridge.sandbox.kit.server import Sandbox

Handler = Callable[[Request], Awaitable[Any]]


class Refusal(Exception):
    """A control call that cannot be followed: answered as {"ok": false, "error": message}."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def json_answer(content: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")


async def read_json(request: Request) -> Any:
    """The body as JSON, {} when there is none; Refusal when it is something else."""
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"The body is not JSON ({error}).") from None


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object, {} when there is none; Refusal when it is something else."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise Refusal("The body is not a JSON object.")
    return body


def control_route(path: str, handler: Handler, methods: Sequence[str]) -> Route:
    """A route of the control API: "/scim/test" answers at /sandbox/scim/test, to the control token only.

    The handler returns JSON-ready values or a Response, and may raise Refusal.
    """

    async def answer(request: Request) -> Response:
        try:
            content = await handler(request)
        except Refusal as refusal:
            return json_answer({"ok": False, "error": str(refusal)}, refusal.status)
        return content if isinstance(content, Response) else json_answer(content)

    return Route(CONTROL + path, answer, methods=list(methods))


def common_routes(sandbox: Sandbox) -> list[BaseRoute]:
    """What every sandbox answers: objects, journal, faults, reset."""

    async def objects(request: Request) -> Any:
        found = sandbox.store.all(request.path_params["kind"])
        return {"objects": [{"key": key, "value": without_secrets(value)} for key, value in found]}

    async def kinds(request: Request) -> Any:
        return {"kinds": sandbox.store.kinds()}

    async def journal(request: Request) -> Any:
        direction = request.query_params.get("direction") or None
        after = request.query_params.get("after", "0")
        if direction not in (None, "in", "out") or not after.isdecimal():
            raise Refusal("'direction' is in or out, 'after' is the id of a call.")
        return {"calls": sandbox.store.journal(direction, int(after))}  # type: ignore[arg-type]

    async def faults(request: Request) -> Any:
        if request.method == "PUT":
            body = await read_json(request)
            schedule = body.get("faults") if isinstance(body, dict) else body
            if not isinstance(schedule, list):
                raise Refusal("'faults' is a list.")
            try:
                sandbox.faults.replace(schedule)
            except BadFault as error:
                raise Refusal(str(error)) from None
        return {"faults": sandbox.faults.listing()}

    async def reset(request: Request) -> Any:
        sandbox.reset()
        return {"ok": True}

    return [
        control_route("/objects", kinds, ["GET"]),
        control_route("/objects/{kind}", objects, ["GET"]),
        control_route("/journal", journal, ["GET"]),
        control_route("/faults", faults, ["GET", "PUT"]),
        control_route("/reset", reset, ["POST"]),
    ]
