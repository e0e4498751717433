"""The door of the API: each operation as a route that checks who calls and what comes in, before anything is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.api.callers import caller_of, let_pass
from scim_bridge.api.cursors import Cursors
from scim_bridge.api.idempotency import HEADER, Kept, keep, keyed, recalled
from scim_bridge.api.model import PATH_SHAPE, Asked, House, Operation, Page
from scim_bridge.api.shapes import Schema, check, wrong
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Stale
from scim_bridge.kernel.web import JSON, Handler, WrongMedia, endpoint, read_json
from scim_bridge.kernel.work import Work

SECONDS = 5.0
MAX_BODY = 65_536
NUMBER = re.compile(r"-?[0-9]{1,16}")
NO_STORE = {"cache-control": "no-store"}


def routes_of(house: House, operations: Sequence[Operation]) -> list[BaseRoute]:
    """One route for each address, which knows all of its methods."""
    found: dict[str, dict[str, Handler]] = {}
    for each in operations:
        handler = _reading(house, each) if each.read is not None else _changing(house, each)
        found.setdefault(each.address, {})[each.method] = endpoint(handler)
    return [Route(address, _by_method(known), methods=list(known)) for address, known in found.items()]


def _by_method(known: Mapping[str, Handler]) -> Handler:
    async def answer(request: Request) -> Response:
        return await known["GET" if request.method == "HEAD" else request.method](request)

    return answer


def _reading(house: House, operation: Operation) -> Handler:
    async def answer(request: Request) -> Response:
        asked = await _asked(house, operation, request)
        read = operation.read
        assert read is not None
        if operation.beside:
            return _told(request, orjson.dumps(await read(asked)), {})

        async def body(reader: Reader) -> Any:
            return await read(replace(asked, reader=reader))

        found = await house.ctx.store.database.aside(body, seconds=SECONDS)
        return _told(request, orjson.dumps(_paged(house, operation, asked, found)), {})

    return answer


def _paged(house: House, operation: Operation, asked: Asked, found: Any) -> Any:
    if not isinstance(found, Page):
        return found
    following = None
    if found.key is not None:
        following = Cursors(house.ctx.master, operation.id, {**asked.query, **asked.path}).seal(found.key)
    return {"items": found.items, "next": following}


def _told(request: Request, raw: bytes, headers: Mapping[str, str]) -> Response:
    """What was read, with its ETag; 304 for whoever has it already (RFC 9110 section 13.1.2)."""
    tag = tag_of(raw)
    told = {**NO_STORE, "etag": tag, **headers}
    known = request.headers.get("if-none-match", "")
    if tag in [each.strip().removeprefix("W/") for each in known.split(",")]:
        return Response(status_code=304, headers=told)
    return Response(raw, media_type=JSON, headers=told)


def tag_of(raw: bytes) -> str:
    """The ETag of what is shown: any change of it makes another one."""
    return f'"{hashlib.sha256(raw).hexdigest()[:32]}"'


def _changing(house: House, operation: Operation) -> Handler:
    async def answer(request: Request) -> Response:
        asked = await _asked(house, operation, request)
        sent = request.headers.get(HEADER) if operation.method == "POST" else None
        key = (
            None
            if sent is None
            else keyed(sent, operation.method, request.url.path, dict(asked.query), dict(asked.body))
        )
        expected = request.headers.get("if-match") if operation.shown is not None else None
        master, change = house.ctx.master, operation.change
        assert change is not None

        async def body(work: Work) -> tuple[Kept, bool]:
            if key is not None:
                before = await recalled(work, master, asked.actor.id, key)
                if before is not None:
                    work.bookkeeping("the same request came again")
                    return before, True
            here = replace(asked, reader=work.tx, now=work.now)
            if expected is not None and operation.shown is not None:
                _check_version(expected, orjson.dumps(await operation.shown(here)))
            made = await change(work, here)
            if operation.shown is not None:
                made = await operation.shown(here)
            kept = Kept(operation.status, b"" if operation.answer is None else orjson.dumps(made))
            if key is not None:
                await keep(work, master, asked.actor.id, key, kept)
            return kept, False

        kept, again = await house.ctx.store.transact(asked.actor, body)
        headers = dict(NO_STORE)
        if again:
            headers["idempotency-replayed"] = "true"
        if operation.shown is not None:
            headers["etag"] = tag_of(kept.raw)
        return Response(kept.raw, kept.status, media_type=JSON if kept.raw else None, headers=headers)

    return answer


def _check_version(expected: str, current: bytes) -> None:
    """Refuse a change of what is not as the caller saw it (RFC 9110 section 13.1.1: strong comparison)."""
    if expected.strip() != "*" and tag_of(current) not in [each.strip() for each in expected.split(",")]:
        raise Stale(
            "version-stale",
            "It was changed since you read it.",
            "Read it again, and send its ETag as If-Match.",
        )


async def _asked(house: House, operation: Operation, request: Request) -> Asked:
    ctx = house.ctx
    fresh = house.settings.sign_in.reauthenticate_minutes
    caller = await caller_of(ctx, request, house.signed_in, fresh)
    path = dict(request.path_params)
    for name, value in path.items():
        check(
            operation.path_schemas.get(name, PATH_SHAPE),
            _typed(operation.path_schemas.get(name, {}), value, name),
            name,
        )
        _on_one_line(value, name)
    await let_pass(ctx, caller, operation.id, path)
    query = _query(operation, request)
    body: Mapping[str, Any] = {}
    if operation.body is not None:
        body = await _body(operation.body, request)
    after: Sequence[Any] | None = None
    if operation.paged and "cursor" in query:
        after = Cursors(ctx.master, operation.id, {**query, **path}).open(query["cursor"])
    return Asked(house, ctx.store.reads, ctx.store.clock.now(), caller, path, query, body, after)


def _query(operation: Operation, request: Request) -> dict[str, Any]:
    known = {each.name: each.schema for each in operation.query}
    found: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise wrong(f"The parameter {name[:60]!r}", "is not known here", f"Known are: {names}.")
        if name in found:
            raise wrong(name, "comes twice")
        _on_one_line(value, name)
        found[name] = _typed(known[name], value, name)
        check(known[name], found[name], name)
    return found


def _on_one_line(value: str, where: str) -> None:
    if "\n" in value or "\t" in value:
        raise wrong(where, "holds control characters")


def _typed(schema: Schema, value: str, where: str) -> Any:
    kind = schema.get("type")
    if kind == "integer":
        if not NUMBER.fullmatch(value):
            raise wrong(where, "is not a whole number")
        return int(value)
    if kind == "boolean":
        if value not in ("true", "false"):
            raise wrong(where, "is neither true nor false")
        return value == "true"
    return value


async def _body(schema: Schema, request: Request) -> Mapping[str, Any]:
    """The body that an operation takes; none at all where nothing in it is required."""
    if request.headers.get("content-length", "") in ("", "0") and "transfer-encoding" not in request.headers:
        if schema.get("required"):
            raise wrong("The body", "is missing")
        return {}
    media = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if media != JSON:
        raise WrongMedia(
            "content-type", f"Bodies of {media[:60] or 'no type'!r} are not read here.", f"Send {JSON}."
        )
    found = await read_json(request, MAX_BODY)
    check(schema, found, "body")
    return found
