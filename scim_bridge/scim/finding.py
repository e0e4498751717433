"""One page of a list by its number, as IdPs ask for it (RFC 7644 section 3.4.2.4).

What an index answers is answered at once. What takes longer is looked for aside, where it keeps nobody
waiting, and not for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from scim_bridge.kernel import counters
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import TooLong
from scim_bridge.kernel.work import Store
from scim_bridge.registry.memberships import Membership, groups_in
from scim_bridge.scim import selecting
from scim_bridge.scim.anchors import Anchors
from scim_bridge.scim.errors import too_many
from scim_bridge.scim.limits import SCAN_SECONDS
from scim_bridge.scim.plan import Plan
from scim_bridge.scim.render import Head
from scim_bridge.scim.scan import Documents, Scan
from scim_bridge.scim.selecting import Key, heads_of, is_beyond, key_of
from scim_bridge.scim.sorting import Sort, ordered, up_to

T = TypeVar("T")

# So many rows are passed over, or tested, without making anybody wait.
STEP = 200


class Page(NamedTuple):
    """Rows of one page. `total` is None when nobody counted; `after` and `before` are where other pages begin.

    `groups` are those the rows are in directly, by id, where they were read along with them.
    """

    heads: list[Head]
    total: int | None
    after: Key | None = None
    before: Key | None = None
    groups: Mapping[str, list[Membership]] | None = None


class Wanted(NamedTuple):
    """A list: its plan, the documents its test needs, what it is remembered by, its counter if it has one.

    `sort` is an order that no index has. `groups`: its few rows are read with the groups they are in.
    """

    plan: Plan
    documents: Documents
    known_as: Hashable
    counter: str | None = None
    sort: Sort | None = None
    groups: bool = False


class Finder:
    """Finds pages for one connection."""

    __slots__ = ("anchors", "connection_id", "store")

    def __init__(self, store: Store, anchors: Anchors, connection_id: str) -> None:
        self.store = store
        self.anchors = anchors
        self.connection_id = connection_id

    async def numbered(self, wanted: Wanted, start: int, count: int) -> Page:
        """The page that begins with row number `start`, from 1, and how many rows there are in all."""
        if wanted.sort is not None:
            return await self._sorted(wanted, wanted.sort, start, count)
        if wanted.plan.test is not None:
            return await self._tested(wanted, start, count)
        if count == 0:
            return Page([], await self._total(wanted))
        now = self.store.clock.now()
        at, after = self.anchors.before(wanted.known_as, start - 1, now)
        skip = start - 1 - at
        if wanted.plan.near and skip <= STEP:
            page = await self._near(wanted, after, skip, start, count)
        else:
            page = await self.aside(lambda reader: self._far(reader, wanted, at, after, start, count))
        if page.after is not None and len(page.heads) == count:
            self.anchors.ended(wanted.known_as, start - 1 + len(page.heads), page.after, now)
        return page if page.total is not None else page._replace(total=await self._total(wanted))

    async def _near(self, wanted: Wanted, after: Key | None, skip: int, start: int, count: int) -> Page:
        plan = wanted.plan
        rows = await selecting.rows(
            self.store.reads,
            plan,
            self.connection_id,
            count,
            after=after,
            offset=skip,
            counter=wanted.counter,
            groups=wanted.groups,
        )
        total = None
        if wanted.counter is None and len(rows) < count and (rows or start == 1):
            total = start - 1 + len(rows)
        elif wanted.counter is not None and rows:
            total = int(rows[-1][-1])
        page = Page(heads_of(rows), total, key_of(plan.order, rows[-1]) if rows else None)
        return page._replace(groups={row[0]: groups_in(row[-1]) for row in rows}) if wanted.groups else page

    async def _far(
        self, reader: Reader, wanted: Wanted, at: int, after: Key | None, start: int, count: int
    ) -> Page:
        """A page nobody was near before: its beginning is counted out, from whichever end is nearer."""
        plan, last = wanted.plan, start - 1
        total = await self._length(reader, wanted) if last else None
        if total is not None and last >= total and after is None:
            return Page([], total)
        if last > at:
            backwards = total is not None and 0 < total - last < last - at
            offset = total - last if backwards and total is not None else last - at - 1
            edge = None if backwards else after
            after = await selecting.key_at(reader, plan, offset, after=edge, backwards=backwards)
            if after is None:
                return Page([], total)
        rows = await selecting.rows(reader, plan, self.connection_id, count, after=after)
        if total is None:
            total = len(rows) if len(rows) < count else await self._length(reader, wanted)
        return Page(heads_of(rows), total, key_of(plan.order, rows[-1]) if rows else None)

    async def _length(self, reader: Reader, wanted: Wanted) -> int:
        if wanted.counter is not None:
            return await counters.total(reader, wanted.counter)
        now, changes = self.store.clock.now(), self.anchors.changes
        total = self.anchors.length(wanted.known_as, now)
        if total is None:
            total = await selecting.count(reader, wanted.plan)
            self.anchors.counted(wanted.known_as, total, changes, now)
        return total

    async def _total(self, wanted: Wanted) -> int:
        if wanted.counter is not None or wanted.plan.unique:
            return await self._length(self.store.reads, wanted)
        known = self.anchors.length(wanted.known_as, self.store.clock.now())
        return await self.aside(lambda reader: self._length(reader, wanted)) if known is None else known

    async def _tested(self, wanted: Wanted, start: int, count: int) -> Page:
        plan = wanted.plan
        if plan.led:
            # Few rows have the value an index was asked for; if not, they are looked at like all others.
            rows = await selecting.rows(self.store.reads, plan, self.connection_id, STEP)
            if len(rows) < STEP:
                return await self._among(wanted, rows, start, count)
        now, changes = self.store.clock.now(), self.anchors.changes
        at, after = self.anchors.before(wanted.known_as, start - 1, now)
        total = self.anchors.length(wanted.known_as, now)
        known = total is not None and at == start - 1 and count > 0
        scan = Scan(
            plan,
            wanted.documents,
            self.connection_id,
            count,
            start - 1 - at,
            all_of_them=not known,
            behind=after,
        )
        await self.aside(lambda reader: scan.run(reader, after if known else None))
        if len(scan.found) == count > 0:
            self.anchors.ended(wanted.known_as, start - 1 + len(scan.found), scan.found[-1][1], now)
        if not known:
            total = scan.seen
            self.anchors.counted(wanted.known_as, total, changes, now)
        return Page([head for head, _ in scan.found], total)

    async def _among(self, wanted: Wanted, rows: Sequence[Any], start: int, count: int) -> Page:
        heads, order, now = heads_of(rows), wanted.plan.order, self.store.clock.now()
        documents = await wanted.documents.of(self.store.reads, heads)
        test = wanted.plan.test
        found = [
            (head, key_of(order, row))
            for head, row, document in zip(heads, rows, documents, strict=True)
            if test is None or test(document)
        ]
        at, after = self.anchors.before(wanted.known_as, start - 1, now)
        left = [each for each in found if is_beyond(order, each[1], after)]
        page = left[start - 1 - at : start - 1 - at + count]
        if page:
            self.anchors.ended(wanted.known_as, start - 1 + len(page), page[-1][1], now)
        return Page([head for head, _ in page], len(found))

    async def _sorted(self, wanted: Wanted, sort: Sort, start: int, count: int) -> Page:
        now = self.store.clock.now()
        at, after = self.anchors.before(wanted.known_as, start - 1, now)

        async def body(reader: Reader) -> Page:
            ranks = await ordered(reader, wanted.plan, wanted.documents, sort, self.connection_id)
            rank = None if after is None else (after[0], after[1], after[2])
            begin = start - 1 - at
            begin += 0 if rank is None else up_to(ranks, rank, descending=sort.descending)
            shown = ranks[begin : begin + count]
            heads = await selecting.by_ids(reader, self.connection_id, [rank[-1] for rank in shown])
            return Page(heads, len(ranks), shown[-1] if len(shown) == count > 0 else None)

        page = await self.aside(body)
        if page.after is not None:
            self.anchors.ended(wanted.known_as, start - 1 + count, page.after, now)
        return page

    async def aside(self, body: Callable[[Reader], Coroutine[Any, Any, T]]) -> T:
        """Look for something that may take long; tooMany when it takes too long."""
        try:
            return await self.store.database.aside(body, seconds=SCAN_SECONDS)
        except TooLong as error:
            raise too_many(
                f"No index helps this filter or order, and {SCAN_SECONDS:g} seconds were not enough to look at"
                " every resource.",
                "Add a term such as userName eq, externalId eq or emails.value eq, or page by cursor.",
            ) from error
