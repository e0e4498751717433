"""One page of a list by cursor: what stands behind a key, or before it (RFC 9865)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from scim_bridge.kernel.database import Reader
from scim_bridge.scim import selecting
from scim_bridge.scim.cursor import invalid_cursor
from scim_bridge.scim.finding import Finder, Page, Wanted
from scim_bridge.scim.limits import SCAN_SECONDS
from scim_bridge.scim.render import Head
from scim_bridge.scim.scan import Scan
from scim_bridge.scim.selecting import Key, heads_of, key_of
from scim_bridge.scim.sorting import Rank, Sort, before, ordered, up_to


async def following(finder: Finder, wanted: Wanted, count: int, key: Key | None, *, backwards: bool) -> Page:
    """So many rows from a key on (None: from the beginning), in the order of the list.

    A page that takes too long to fill ends early: it has fewer rows, perhaps none, and says where to go on.
    """
    if wanted.sort is not None:
        return await _sorted(finder, wanted, wanted.sort, count, key, backwards)
    if wanted.plan.test is not None:
        return await _tested(finder, wanted, count, key, backwards)
    plan, connection_id = wanted.plan, finder.connection_id

    async def body(reader: Reader) -> Page:
        rows = await selecting.rows(
            reader,
            plan,
            connection_id,
            count + 1,
            after=key,
            backwards=backwards,
            counter=wanted.counter,
        )
        total = int(rows[-1][-1]) if rows and wanted.counter is not None else None
        keys = [key_of(plan.order, row) for row in rows[:count]]
        more = keys[-1] if keys and len(rows) > count else None
        return _page(heads_of(rows[:count]), keys, total, more, key, backwards)

    return await (body(finder.store.reads) if plan.near or plan.unique else finder.aside(body))


def _page(
    heads: list[Head],
    keys: list[Key],
    total: int | None,
    more: Key | None,
    key: Key | None,
    backwards: bool,
) -> Page:
    """Rows in the direction they were read in, as a page; `more` is where reading goes on, if it does."""
    came_from = None if key is None or not keys else keys[0]
    if backwards:
        return Page(heads[::-1], total, after=came_from, before=more)
    if total is None and key is None and more is None:
        total = len(heads)
    return Page(heads, total, after=more, before=came_from)


async def _tested(finder: Finder, wanted: Wanted, count: int, key: Key | None, backwards: bool) -> Page:
    scan = Scan(wanted.plan, wanted.documents, finder.connection_id, count + 1, all_of_them=False)

    async def body(reader: Reader) -> None:
        scan.until = time.monotonic() + SCAN_SECONDS / 2
        await scan.run(reader, key, backwards=backwards)

    await finder.aside(body)
    full = len(scan.found) > count
    found = scan.found[:count]
    more = found[-1][1] if full else None if scan.ended else scan.at
    return _page([head for head, _ in found], [at for _, at in found], None, more, key, backwards)


async def _sorted(
    finder: Finder, wanted: Wanted, sort: Sort, count: int, key: Key | None, backwards: bool
) -> Page:
    """A page of what is sorted anew each time: behind (or before) the rank that the key is."""

    async def body(reader: Reader) -> Page:
        ranks = await ordered(reader, wanted.plan, wanted.documents, sort, finder.connection_id)
        begin, end = _window(ranks, key, count, sort.descending, backwards)
        shown = ranks[begin:end]
        heads = await selecting.by_ids(reader, finder.connection_id, [rank[-1] for rank in shown])
        after = shown[-1] if shown and end < len(ranks) else None
        before_ = shown[0] if shown and begin > 0 else None
        return Page(heads, len(ranks), after, before_)

    return await finder.aside(body)


def _window(
    ranks: Sequence[Rank], key: Key | None, count: int, descending: bool, backwards: bool
) -> tuple[int, int]:
    """From where to where a page goes."""
    if key is None:
        return 0, count
    try:
        rank: Rank = (key[0], key[1], key[2])
        if backwards:
            end = before(ranks, rank, descending=descending)
            return max(0, end - count), end
        begin = up_to(ranks, rank, descending=descending)
    except (IndexError, TypeError) as error:
        # Made when the attribute was of another type.
        raise invalid_cursor() from error
    return begin, begin + count
