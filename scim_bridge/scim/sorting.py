"""The order of a list (RFC 7644 section 3.4.2.3): that of an index, or of an attribute in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.scim import selecting
from scim_bridge.scim.conditions import INSTANTS, name_of
from scim_bridge.scim.endpoints import Endpoint
from scim_bridge.scim.errors import invalid_value, too_many
from scim_bridge.scim.grammar import attr_path
from scim_bridge.scim.instants import instant
from scim_bridge.scim.limits import SORT_LIMIT
from scim_bridge.scim.plan import Order, Plan
from scim_bridge.scim.scan import BATCH, Documents
from scim_bridge.scim.schema import (
    BOOLEAN,
    COMPLEX,
    DATE_TIME,
    DECIMAL,
    INTEGER,
    Attribute,
    Found,
    ResourceType,
)

Value = tuple[bool, Any]
# Where a row stands in an order: whether it has no value, its value, its id. No two rows stand in one place.
Rank = tuple[bool, Any, str]
# So many characters of a value decide, then the id; a cursor carries them.
DECISIVE = 256
_MISSING: Value = (True, "")


@dataclass(frozen=True, slots=True)
class Sort:
    """An order by an attribute that no index has: its name, and what it holds."""

    attribute: str
    found: Found
    descending: bool

    def value(self, document: dict[str, Any]) -> Value:
        """What a document is sorted by. Without a value it comes last (and first when descending)."""
        urn, attribute, sub = self.found
        holder = document if urn is None else document.get(urn)
        value = holder.get(attribute.name) if isinstance(holder, dict) else None
        if isinstance(value, list):
            value = next(
                (item for item in value if isinstance(item, dict) and item.get("primary")), None
            ) or (value[0] if value else None)
        if sub is not None:
            value = value.get(sub.name) if isinstance(value, dict) else None
        return _comparable(sub or attribute, value)


def _comparable(attribute: Attribute, value: Any) -> Value:
    kind = attribute.type
    if kind == BOOLEAN:
        return (False, value) if isinstance(value, bool) else _MISSING
    if kind in (INTEGER, DECIMAL):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return (False, value) if number else _MISSING
    if not isinstance(value, str) or not value:
        return _MISSING
    if kind == DATE_TIME:
        moment = instant(value)
        return _MISSING if moment is None else (False, moment)
    return False, (value if attribute.case_exact else value.casefold())[:DECISIVE]


def order_of(
    sort_by: str | None, sort_order: str | None, endpoint: Endpoint, resource: ResourceType, *, tolerant: bool
) -> Order | Sort | None:
    """The order a request asks for; None when it asks for none, or by what no resource can have.

    ScimError invalidValue for a complex attribute without the sub-attribute, for what is never shown, and
    for another sortOrder than the two there are; `strict` callers are told of names nobody knows, too.
    """
    text = (sort_by or "").strip()
    if not text:
        return None
    descending = _descending(sort_order)
    path = attr_path(text)
    found = None if path is None else resource.find(path.urn, path.name, path.sub, tolerant=tolerant)
    if path is None or found is None:
        if tolerant:
            return None
        raise invalid_value(f"{resource.name} has no attribute {text[:80]!r} to sort by.", "See /Schemas.")
    name = name_of(path, endpoint)
    if name in ("id", "name"):
        return Order(name, descending)
    if name.startswith("meta.") and name[5:] in INSTANTS:
        return Order(INSTANTS[name[5:]], descending)
    return Sort(text.casefold(), _sortable(found, text), descending)


def _descending(sort_order: str | None) -> bool:
    order = (sort_order or "").strip().casefold()
    if order not in ("", "ascending", "descending"):
        raise invalid_value(
            f"sortOrder {sort_order[:40] if sort_order else ''!r} is no order.",
            "Use ascending or descending.",
        )
    return order == "descending"


def _sortable(found: Found, text: str) -> Found:
    urn, attribute, sub = found
    if attribute.hidden or (sub is not None and sub.hidden):
        raise invalid_value(f"{text[:80]} cannot be sorted by.", "Sort by an attribute that is shown.")
    if attribute.type == COMPLEX and sub is None:
        sub = attribute.subs.get("value") if attribute.multi else None
        if sub is None:
            raise invalid_value(
                f"{text[:80]} is complex.", f"Name one of its sub-attributes, such as {_example(attribute)}."
            )
    return Found(urn, attribute, sub)


def _example(attribute: Attribute) -> str:
    return f"{attribute.name}.{next(iter(attribute.subs.values())).name}"


async def ordered(
    reader: Reader, plan: Plan, documents: Documents, sort: Sort, connection_id: str
) -> Sequence[Rank]:
    """The ranks of all that matches, in an order by an attribute; ScimError tooMany beyond SORT_LIMIT."""
    found: list[Rank] = []
    after = None
    while True:
        rows = await selecting.rows(reader, plan, connection_id, BATCH, after=after)
        heads = selecting.heads_of(rows)
        for head, document in zip(heads, await documents.of(reader, heads), strict=True):
            if plan.test is None or plan.test(document):
                found.append((*sort.value(document), head.id))
        if len(found) > SORT_LIMIT:
            raise too_many(
                f"No index has this order, and more than {SORT_LIMIT} resources would have to be sorted.",
                "Sort by id, userName or displayName, meta.created or meta.lastModified, or filter.",
            )
        if len(rows) < BATCH:
            break
        after = selecting.key_of(plan.order, rows[-1])
    found.sort(reverse=sort.descending)
    return found


def before(ranks: Sequence[Rank], rank: Rank, *, descending: bool) -> int:
    """How many stand before a rank, whether or not it is still there."""
    if descending:
        return len(ranks) - bisect_right(ranks[::-1], rank)
    return bisect_left(ranks, rank)


def up_to(ranks: Sequence[Rank], rank: Rank, *, descending: bool) -> int:
    """How many stand before a rank or at it."""
    if descending:
        return len(ranks) - bisect_left(ranks[::-1], rank)
    return bisect_right(ranks, rank)
