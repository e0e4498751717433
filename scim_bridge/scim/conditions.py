"""Filters as SQL, where the database knows as much as the document: names, times, state, indexed values.

A condition says exactly what `match.predicate` says of the document as served; where that cannot be, there
is none. It is never null, so that `NOT` means what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from scim_bridge.registry.model import fold
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.endpoints import AGENTS, APPLICATIONS, FOREIGN, GROUPS, USERS, Endpoint
from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter, Not, Or, Present
from scim_bridge.scim.instants import instant

MILLI = 1000
LAST_CHARACTER = 0x10FFFF


class Where(NamedTuple):
    """A condition on a row `r` of sb_resource, and its values."""

    sql: str
    values: tuple[Any, ...] = ()


# The equality terms of a filter that declared indexes answer, as (name of the index, key).
Declared: TypeAlias = "Callable[[Filter], list[tuple[str, str]]]"


def NOTHING(_filter: Filter) -> list[tuple[str, str]]:
    """Nothing is declared."""
    return []


# A group and those that are in it, directly or through groups.
_DOWN = (
    "WITH RECURSIVE down (id) AS (SELECT g.id FROM sb_resource g WHERE g.id = ?"
    " UNION SELECT c.member_id FROM sb_member c JOIN down d ON c.group_id = d.id WHERE c.kind = 'group')"
    " SELECT id FROM down"
)
ALWAYS = Where("1 = 1")
NEVER = Where("1 = 0")
_COMPARE = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
INSTANTS = {"created": "created", "lastmodified": "modified"}


class Conditions:
    """Conditions of one collection for one caller, on one back end."""

    def __init__(
        self, backend: str, endpoint: Endpoint, caller: Caller, declared: Declared = NOTHING
    ) -> None:
        self._declared = declared
        self._sqlite = backend == "sqlite"
        self._endpoint = endpoint
        self._caller = caller

    def of(self, filter_: Filter) -> Where | None:
        """The condition a filter is; None when only the document can tell."""
        match filter_:
            case And(terms):
                return self._all(terms, " AND ")
            case Or(terms):
                return self._all(terms, " OR ")
            case Not(inner):
                found = self.of(inner)
                return None if found is None else Where(f"NOT ({found.sql})", found.values)
            case Element(path, inner):
                return self._element(path, inner)
            case Present(path):
                return self._present(name_of(path, self._endpoint))
        return self._compare(name_of(filter_.path, self._endpoint), filter_)

    def needed(self, filter_: Filter) -> Where:
        """What must hold, as far as SQL can say it, for a filter to hold."""
        terms = filter_.terms if isinstance(filter_, And) else (filter_,)
        known = [found for found in (self.of(term) for term in terms) if found is not None]
        return joined(known, " AND ") if known else ALWAYS

    def _all(self, terms: tuple[Filter, ...], by: str) -> Where | None:
        found = []
        for term in terms:
            one = self.of(term)
            if one is None:
                return None
            found.append(one)
        return joined(found, by)

    def _element(self, path: AttrPath, inner: Filter) -> Where | None:
        whole = name_of(path, self._endpoint)
        if not isinstance(inner, Compare) or inner.path.urn is not None or inner.path.sub is not None:
            return None
        if inner.path.name.casefold() != "value" or whole not in ("emails.value", "members.value"):
            return None
        return self._compare(whole, inner)

    def _present(self, name: str) -> Where | None:
        if name in ("id", "name", "meta.created", "meta.lastmodified"):
            return ALWAYS
        if name == "externalid":
            return self._external("AND e.external_id <> ''", ())
        return None

    def _compare(self, name: str, term: Compare) -> Where | None:
        value = term.value
        if not name and term.op == "eq":
            return self._indexed(term)
        if name == "active":
            return self._active(term)
        if not isinstance(value, str):
            return None
        if name == "name":
            return self._text("r.key", term.op, fold(value))
        if name == "id" and term.op == "eq":
            return Where("r.id = ?", (value,))
        if name.startswith("meta.") and name[5:] in INSTANTS:
            wanted = instant(value)
            return None if wanted is None else _time(f"r.{INSTANTS[name[5:]]}", term.op, wanted)
        if term.op != "eq":
            return None
        if name == "externalid":
            return self._external("AND e.external_id = ?", (value,))
        if name == "emails.value":
            among = "sb_attr a WHERE a.resource_id = r.id AND a.name = 'emails.value' AND a.key = ?"
            return Where(f"EXISTS (SELECT 1 FROM {among})", (fold(value),))
        if name == "members.value":
            too, values = self._caller.scope.also("m", "member_id")
            among = f"sb_member m WHERE m.group_id = r.id AND m.member_id = ?{too}"
            return Where(f"EXISTS (SELECT 1 FROM {among})", (value, *values))
        if name == "groups.value":
            return Where(
                f"r.id IN (SELECT m.member_id FROM sb_member m WHERE m.group_id IN ({_DOWN}))", (value,)
            )
        return None

    def _indexed(self, term: Compare) -> Where | None:
        """A comparison with an attribute that is declared as indexed."""
        for name, key in self._declared(term):
            among = "sb_attr a WHERE a.resource_id = r.id AND a.name = ? AND a.key = ?"
            return Where(f"EXISTS (SELECT 1 FROM {among})", (name, key))
        return None

    def _active(self, term: Compare) -> Where | None:
        wanted = term.value
        if isinstance(wanted, str) and self._caller.tolerant:
            wanted = {"true": True, "false": False}.get(wanted.casefold())
        if not isinstance(wanted, bool) or term.op not in ("eq", "ne"):
            return None
        return Where("r.active = ?", (int(wanted is (term.op == "eq")),))

    def _external(self, more: str, values: tuple[Any, ...]) -> Where:
        among = f"sb_external e WHERE e.resource_id = r.id AND e.connection_id = ? {more}"
        return Where(f"EXISTS (SELECT 1 FROM {among})", (self._caller.connection.id, *values))

    def _text(self, column: str, op: str, value: str) -> Where | None:
        """A comparison of casefolded text; both sides compare by code point, here as in Python."""
        if op in _COMPARE:
            return Where(f"{column} {_COMPARE[op]} ?", (value,))
        if not value:
            return ALWAYS
        if op == "co":
            return Where(f"{'instr' if self._sqlite else 'strpos'}({column}, ?) > 0", (value,))
        if op == "ew":
            end = f"substr({column}, -{len(value)})" if self._sqlite else f"right({column}, {len(value)})"
            return Where(f"{end} = ?", (value,))
        begins = Where(f"substr({column}, 1, {len(value)}) = ? AND {column} >= ?", (value, value))
        beyond = _beyond(value)
        return begins if beyond is None else Where(f"{begins.sql} AND {column} < ?", (*begins.values, beyond))


def _beyond(prefix: str) -> str | None:
    """The first text after all that begin with this one; None when there is none."""
    last = ord(prefix[-1])
    if last >= LAST_CHARACTER:
        return None
    # Between these two there are only halves of surrogate pairs, which no text holds.
    return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)


def _time(column: str, op: str, wanted: int) -> Where | None:
    """A comparison of an instant that is served in whole milliseconds, rounded down."""
    floor = wanted // MILLI * MILLI
    exact = floor == wanted
    after = floor + MILLI
    match op:
        case "gt":
            return Where(f"{column} >= ?", (after,))
        case "ge":
            return Where(f"{column} >= ?", (floor if exact else after,))
        case "lt":
            return Where(f"{column} < ?", (floor if exact else after,))
        case "le":
            return Where(f"{column} < ?", (after,))
        case "eq":
            return Where(f"{column} >= ? AND {column} < ?", (floor, after)) if exact else NEVER
        case "ne":
            return Where(f"NOT ({column} >= ? AND {column} < ?)", (floor, after)) if exact else ALWAYS
    return None


def joined(parts: list[Where], by: str) -> Where:
    """Several conditions as one."""
    if len(parts) == 1:
        return parts[0]
    return Where(by.join(f"({part.sql})" for part in parts), sum((part.values for part in parts), ()))


def name_of(path: AttrPath, endpoint: Endpoint) -> str:
    """What a path names, for SQL: "name" is the userName or displayName rows are unique by; "" is nothing known.

    Only names of the core schema without its URN are looked at: that is how they come.
    """
    if path.urn is not None:
        return ""
    name = path.name.casefold()
    if path.sub is not None:
        name = f"{name}.{path.sub.casefold()}"
    elif name in ("emails", "members", "groups"):
        name = f"{name}.value"
    return _KNOWN[endpoint.name](name)


def _user(name: str) -> str:
    if name == "username":
        return "name"
    return "" if name in ("name", "displayname") else name


def _group(name: str) -> str:
    if name == "displayname":
        return "name"
    return "" if name == "name" else name


def _agent(name: str) -> str:
    if name in ("agentusername", "name"):
        return "name"
    return name


def _application(name: str) -> str:
    return "" if name.startswith(("members", "emails", "groups")) else name


_KNOWN: dict[str, Callable[[str], str]] = {
    USERS.name: _user,
    GROUPS.name: _group,
    AGENTS.name: _agent,
    APPLICATIONS.name: _application,
    **dict.fromkeys(FOREIGN, _group),
}
