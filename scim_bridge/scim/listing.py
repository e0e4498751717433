"""Lists and searches: filter, order, page, projection (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865)."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.scim import answering, render
from scim_bridge.scim.asking import ListRequest, from_body, list_request
from scim_bridge.scim.cursor import Cursors, Place
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import APPLICATIONS, GROUPS, USERS, Endpoint
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.finding import Finder, Page, Wanted
from scim_bridge.scim.following import following
from scim_bridge.scim.selecting import Key
from scim_bridge.scim.showing import Shown, joined, shown
from scim_bridge.scim.sorting import order_of


async def list_resources(call: Call) -> Answered:
    """GET of a collection: 200 with a ListResponse, also when nothing matches."""
    return await _listed(call, list_request(call), (call.endpoint,))


async def search(call: Call) -> Answered:
    """POST …/.search: the same list, asked for in a body, so that nothing sensitive stands in a URL."""
    return await list_resources(from_body(call))


async def search_all(call: Call) -> Answered:
    """POST /.search at the root: users, groups, applications as one list; each of them in the order asked for."""
    call = from_body(call)
    return await _listed(call, list_request(call), (USERS, GROUPS, APPLICATIONS))


async def _listed(call: Call, asked: ListRequest, endpoints: Sequence[Endpoint]) -> Answered:
    if asked.cursor is not None and asked.size > 0:
        return await _by_cursor(call, asked, endpoints)
    answers: list[Shown] = []
    total = 0
    for endpoint in endpoints:
        start = max(1, asked.start - total)
        wanted = _wanted(call, endpoint, asked, len(endpoints) > 1)
        page = await _finder(call).numbered(wanted, start, asked.size - len(answers))
        answers += await _shown(call, endpoint, page)
        total += page.total or 0
    return _response(answers, total, startIndex=asked.start if asked.cursor is None else None)


async def _by_cursor(call: Call, asked: ListRequest, endpoints: Sequence[Endpoint]) -> Answered:
    now = call.door.ctx.store.clock.now()
    query = (*(e.name for e in endpoints), asked.filter, asked.sort_by, asked.sort_order)
    cursors = Cursors(call.door.ctx.master, call.caller.connection.id, query)
    at, count = Place(None), asked.size
    if asked.cursor:
        at, count = cursors.open(asked.cursor, asked.said, now)
    endpoint = endpoints[at.part]
    wanted = _wanted(call, endpoint, asked, len(endpoints) > 1)
    page = await following(_finder(call), wanted, count, at.key, backwards=at.backwards)

    def cursor(place: Place | None) -> str | None:
        return None if place is None else cursors.seal(place, count, now)

    return _response(
        await _shown(call, endpoint, page),
        page.total if len(endpoints) == 1 else None,
        nextCursor=cursor(_next(page.after, at.part, len(endpoints))),
        previousCursor=cursor(None if page.before is None else Place(page.before, True, at.part)),
    )


def _next(after: Key | None, part: int, parts: int) -> Place | None:
    """Where the next page begins: further on in the same list, or at the beginning of the next one."""
    if after is not None:
        return Place(after, False, part)
    return Place(None, False, part + 1) if part + 1 < parts else None


def _wanted(call: Call, endpoint: Endpoint, asked: ListRequest, several: bool) -> Wanted:
    resource = call.door.catalogue.types[endpoint.resource]
    lenient = call.tolerant or several
    order = order_of(asked.sort_by, asked.sort_order, endpoint, resource, tolerant=lenient)
    return call.door.seeker.wanted(call, endpoint, asked.filter, order, several=several)


def _finder(call: Call) -> Finder:
    return Finder(call.door.ctx.store, call.door.anchors, call.caller.connection.id)


async def _shown(call: Call, endpoint: Endpoint, page: Page) -> list[Shown]:
    projection = answering.projection_of(call, endpoint)
    among = await call.roles(endpoint, projection) if page.heads else None
    reads = call.door.ctx.store.reads
    return await shown(reads, endpoint, page.heads, call.caller, projection, among, page.groups)


def _response(answers: Sequence[Shown], total: int | None, **paging: str | int | None) -> Answered:
    whole = [answer for answer in answers if isinstance(answer, bytes)]
    if len(whole) == len(answers):
        return Answered(200, render.listed(whole, total, **paging))
    head = render.list_head(len(answers), total, **paging)
    return Answered(200, head, (), joined(answers, b"]}"))
