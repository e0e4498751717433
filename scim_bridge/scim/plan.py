"""How a list is looked for: by the index its filter allows, in the order it asks for.

A plan is SQL text without the columns: which rows, in which order, and whether every one of them matches
or each has to be tested.
"""

from __future__ import annotations

from typing import NamedTuple

from scim_bridge.registry.model import USER_SPACE, fold
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.conditions import (
    ALWAYS,
    INSTANTS,
    NOTHING,
    Conditions,
    Declared,
    Where,
    joined,
    name_of,
)
from scim_bridge.scim.conjuncts import equality
from scim_bridge.scim.endpoints import AGENTS, APPLICATIONS, FOREIGN, GROUPS, USERS, Endpoint
from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter
from scim_bridge.scim.match import Test

ROWS = "sb_resource r"
LIVE = "r.deleted IS NULL"


# The attributes rows are unique by, of each collection.
KEYED = {
    USERS.name: ("userName", "agentUserName"),
    AGENTS.name: ("userName", "agentUserName", "name"),
    GROUPS.name: ("displayName",),
    APPLICATIONS.name: ("name",),
    **dict.fromkeys(FOREIGN, ("displayName",)),
}


class Order(NamedTuple):
    """By what a list is ordered: id, name, created or modified; and from which end."""

    by: str = "id"
    descending: bool = False


NATURAL = Order()


class Plan(NamedTuple):
    """Which rows, and in which order. `source` has sb_resource as `r`, `id` is where it has the id in order.

    `unique`: there is one row at most. `near`: a page is found without passing over rows, and so at once.
    `test` is what every row has to pass still; None when all match.
    """

    source: str
    where: Where
    order: Order
    id: str = "r.id"
    unique: bool = False
    near: bool = True
    test: Test | None = None

    @property
    def led(self) -> bool:
        """True when an index was asked for one value."""
        return self.unique or self.source != ROWS

    @property
    def columns(self) -> tuple[str, ...]:
        """What the rows are ordered by, all of it in one index; no two rows have the same values."""
        by = self.order.by
        if by == "id":
            return (self.id,)
        return ("r.key",) if by == "name" else (f"r.{by}", "r.id")


def everything(endpoint: Endpoint, order: Order = NATURAL, scope: Where = ALWAYS) -> Plan:
    """The whole collection."""
    near = scope is ALWAYS and (endpoint.kind is None or order.by == "id") and not endpoint.also
    return Plan(ROWS, _within(endpoint, order, scope), order, near=near)


def lookup(endpoint: Endpoint, caller: Caller, name: str, value: str, scope: Where = ALWAYS) -> Plan | None:
    """All that has this value, by index; None when no index knows the attribute."""
    found = _by_value(endpoint, caller, name, value)
    if found is None:
        return None
    return _among(endpoint, found, scope)


def _among(endpoint: Endpoint, found: tuple[str, Where, str, bool], scope: Where) -> Plan:
    """What an index leads to, as far as it is in a collection."""
    source, where, column, unique = found
    within = Where(f"{where.sql} AND {LIVE} AND {endpoint.scope_sql}", where.values)
    if scope is not ALWAYS:
        within = joined([within, scope], " AND ")
    return Plan(source, within, NATURAL, column, unique)


def _by_value(
    endpoint: Endpoint, caller: Caller, name: str, value: str
) -> tuple[str, Where, str, bool] | None:
    """Source, condition, the id's column, and whether there can be but one row."""
    user = endpoint.space == USER_SPACE
    if name == "id":
        return ROWS, Where("r.id = ?", (value,)), "r.id", True
    if name == "externalId":
        by = "e.connection_id = ? AND e.space = ? AND e.external_id = ? AND r.id = e.resource_id"
        return _led("sb_external e"), Where(by, (caller.connection.id, endpoint.space, value)), "r.id", True
    if name in KEYED[endpoint.name]:
        return ROWS, Where(f"r.space = '{endpoint.space}' AND r.key = ?", (fold(value),)), "r.id", True
    if user and name == "emails.value":
        by = "a.name = 'emails.value' AND a.key = ? AND r.id = a.resource_id"
        return _led("sb_attr a"), Where(by, (fold(value),)), "a.resource_id", False
    if endpoint is GROUPS and name == "members.value":
        too, values = caller.scope.also("m", "member_id")
        by = f"m.member_id = ? AND r.id = m.group_id{too}"
        return _led("sb_member m"), Where(by, (value, *values)), "m.group_id", False
    return None


def _led(table: str) -> str:
    """A table that leads to the resources; SQLite would begin with them, knowing nothing of their number."""
    return f"{table} CROSS JOIN {ROWS}"


def _within(endpoint: Endpoint, order: Order, *more: Where) -> Where:
    """The condition for rows of a collection, said so that the index of the order fits."""
    # Agents have an index of their own in id order, and share the others with people.
    own = endpoint.kind is not None and order.by == "id"
    parts = [Where(f"{f'r.kind = {endpoint.kind!r}' if own else endpoint.scope_sql} AND {LIVE}")]
    return joined([*parts, *(part for part in more if part is not ALWAYS)], " AND ")


def filtered(
    backend: str,
    endpoint: Endpoint,
    caller: Caller,
    filter_: Filter,
    order: Order | None,
    test: Test,
    scope: Where = ALWAYS,
    declared: Declared = NOTHING,
) -> Plan:
    """What matches a filter, in this order, or else in the one its index has."""
    found = _looked_up(endpoint, caller, filter_, scope) or _declared(endpoint, filter_, declared, scope)
    if found is not None:
        chosen = found.order if found.unique or order is None else order
        alone = _alone(filter_)
        return found._replace(order=chosen, near=alone and chosen.by == "id", test=None if alone else test)
    conditions = Conditions(backend, endpoint, caller, declared)
    where = conditions.of(filter_)
    by = _range(filter_, endpoint)
    chosen = order or Order(by or "id")
    near = where is not None and by == chosen.by and _only(filter_, endpoint, by)
    return Plan(
        ROWS,
        _within(endpoint, chosen, conditions.needed(filter_) if where is None else where, scope),
        chosen,
        near=near and endpoint.kind is None and not endpoint.also and scope is ALWAYS,
        test=test if where is None else None,
    )


def _looked_up(endpoint: Endpoint, caller: Caller, filter_: Filter, scope: Where) -> Plan | None:
    """The best plan for one of the filter's equality terms."""
    plans = [
        lookup(endpoint, caller, name, value, scope) for name, value in equality(filter_, endpoint.resource)
    ]
    known = [plan for plan in plans if plan is not None]
    return next((plan for plan in known if plan.unique), known[0] if known else None)


def _declared(endpoint: Endpoint, filter_: Filter, declared: Declared, scope: Where) -> Plan | None:
    """The plan for one of its equality terms about attributes that are declared as indexed."""
    for name, key in declared(filter_):
        by = Where("a.name = ? AND a.key = ? AND r.id = a.resource_id", (name, key))
        return _among(endpoint, (_led("sb_attr a"), by, "a.resource_id", False), scope)
    return None


def _alone(filter_: Filter) -> bool:
    """True when a filter is one comparison."""
    if isinstance(filter_, Element):
        return isinstance(filter_.filter, Compare)
    return isinstance(filter_, Compare)


def _range(filter_: Filter, endpoint: Endpoint) -> str | None:
    """The order in which the rows of a filter lie together: that of a name or an instant it bounds."""
    for term in filter_.terms if isinstance(filter_, And) else (filter_,):
        if isinstance(term, Compare) and term.op in ("gt", "ge", "lt", "le", "eq", "sw"):
            by = _ordered(term.path, endpoint)
            if by is not None and isinstance(term.value, str) and term.value:
                return by
    return None


def _ordered(path: AttrPath, endpoint: Endpoint) -> str | None:
    name = name_of(path, endpoint)
    if name == "name":
        return name
    return INSTANTS.get(name.removeprefix("meta.")) if name.startswith("meta.") else None


def _only(filter_: Filter, endpoint: Endpoint, by: str | None) -> bool:
    """True when nothing but bounds of this order are asked for, so that no row between them is left out."""
    return all(
        isinstance(term, Compare)
        and term.op in ("gt", "ge", "lt", "le", "eq", "sw")
        and _ordered(term.path, endpoint) == by
        for term in (filter_.terms if isinstance(filter_, And) else (filter_,))
    )
