"""From the text of a filter to the list it wants: read once, and remembered while it is paged through."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from scim_bridge.registry.model import USER_SPACE
from scim_bridge.registry.scope import Scope
from scim_bridge.scim.conditions import ALWAYS, NOTHING, Where
from scim_bridge.scim.conjuncts import declared
from scim_bridge.scim.dialects import rewrite
from scim_bridge.scim.endpoints import AGENTS, APPLICATIONS, FOREIGN, GROUPS, USERS, Endpoint
from scim_bridge.scim.finding import Wanted
from scim_bridge.scim.match import predicate
from scim_bridge.scim.plan import NATURAL, Order, everything, filtered, lookup
from scim_bridge.scim.roles import offered
from scim_bridge.scim.scan import Documents
from scim_bridge.scim.sorting import Sort
from scim_bridge.scim.text import storable

if TYPE_CHECKING:
    from scim_bridge.scim.door import Call

KEPT = 256

# What IdPs ask a million times is understood at sight: `userName eq "…"`. No dialect rewrites it.
_SIGHT = re.compile(r'\s*+([A-Za-z]++(?:\.value)?)\s++eq\s++"([^"\\\x00-\x1f]*+)"\s*+', re.IGNORECASE)
_ALL = {"id": "id", "externalid": "externalId"}
_AT_SIGHT = {
    USERS.name: _ALL | {"username": "userName", "emails": "emails.value", "emails.value": "emails.value"},
    GROUPS.name: _ALL
    | {"displayname": "displayName", "members": "members.value", "members.value": "members.value"},
    AGENTS.name: _ALL | {"agentusername": "agentUserName", "name": "name"},
    APPLICATIONS.name: _ALL | {"name": "name"},
    **{name: {"id": "id", "displayname": "displayName"} for name in FOREIGN},
}


class _Read(NamedTuple):
    wanted: Wanted
    applied: frozenset[str]


class Seeker:
    """Lists by what was asked for; those asked for last are kept as they were understood."""

    def __init__(self) -> None:
        self._read: OrderedDict[Hashable, _Read] = OrderedDict()

    def wanted(
        self, call: Call, endpoint: Endpoint, text: str | None, order: Order | Sort | None, *, several: bool
    ) -> Wanted:
        """The list a filter (None: everything) and an order want. ScimError invalidFilter when it says nothing.

        `several`: the query covers several types, so that attributes this one lacks match nothing.
        """
        caller = call.caller
        ordered = (order.attribute, order.descending) if isinstance(order, Sort) else order
        of = (caller.connection.id, caller.connection.dialect, caller.scope_text)
        changing = (call.door.ctx.store.indexes.ready, caller.connection.settings.get("entitlements"))
        key = (*of, *changing, endpoint.name, text, ordered, several)
        if text is not None and order is None:
            found = self._at_sight(call, endpoint, text, key)
            if found is not None:
                return found
        known = self._read.get(key)
        if known is None:
            known = self._read[key] = _read(call, endpoint, text, order, several, key)
            if len(self._read) > KEPT:
                self._read.popitem(last=False)
        else:
            self._read.move_to_end(key)
        call.applied.update(known.applied)
        return known.wanted

    def _at_sight(self, call: Call, endpoint: Endpoint, text: str, key: Hashable) -> Wanted | None:
        seen = _SIGHT.fullmatch(text)
        name = None if seen is None else _AT_SIGHT[endpoint.name].get(seen.group(1).lower())
        if seen is None or name is None or not storable(text):
            return None
        plan = lookup(endpoint, call.caller, name, seen.group(2), _scope(endpoint, call.caller.scope))
        documents = _documents(endpoint, call.caller.base_url)
        if plan is None:
            return None
        return Wanted(plan, documents, key, groups=endpoint.space == USER_SPACE)


@lru_cache(maxsize=64)
def _documents(endpoint: Endpoint, base_url: str) -> Documents:
    return Documents(endpoint, base_url, None)


def _scope(endpoint: Endpoint, scope: Scope) -> Where:
    """What a scope asks of the rows of a collection: nothing where no agents are, such as among groups."""
    if endpoint.space != USER_SPACE or not scope:
        return ALWAYS
    sql, values = scope.sql("r")
    return Where(sql, tuple(values))


def _read(
    call: Call, endpoint: Endpoint, text: str | None, order: Order | Sort | None, several: bool, key: Hashable
) -> _Read:
    caller = call.caller
    scope = _scope(endpoint, caller.scope)
    sort = order if isinstance(order, Sort) else None
    by = order if isinstance(order, Order) else NATURAL if sort else None
    names = (sort.found.attribute.name,) if sort else ()
    if text is None:
        plan = everything(endpoint, by or NATURAL, scope)
        documents = Documents(endpoint, caller.base_url, None, names, caller.scope, entitled=offered(caller))
        counter = endpoint.counter if scope is ALWAYS else None
        return _Read(Wanted(plan, documents, key, counter, sort), frozenset())
    applied: set[str] = set()
    resource = call.door.catalogue.types[endpoint.resource]
    filter_ = rewrite.filter_of(call.dialect, text, resource, applied)
    test = predicate(filter_, resource, strict=not call.tolerant, several=several)
    backend = call.door.ctx.store.database.backend
    indexes = call.door.ctx.store.indexes
    known = partial(declared, resource=resource, indexes=indexes) if indexes.ready else NOTHING
    plan = filtered(backend, endpoint, caller, filter_, by, test, scope, known)
    documents = Documents(endpoint, caller.base_url, filter_, names, caller.scope, entitled=offered(caller))
    return _Read(Wanted(plan, documents, key, None, sort), frozenset(applied))
