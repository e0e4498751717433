"""Pages of a collection: `$select`, `$filter`, `$orderby`, `$top`, `$count`, and links that go on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from scim_bridge.sandbox.entra.graph import filter as filters
from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import malformed, unsupported
from scim_bridge.sandbox.entra.graph.render import shown
from scim_bridge.sandbox.entra.tenant import Object

SERVED = ("$select", "$filter", "$orderby", "$top", "$count", "$skiptoken", "$expand", "$search")


@dataclass(frozen=True, slots=True)
class Collection:
    """What can be asked of a collection.

    `properties`: filterable ones (True: only as an advanced query). `selectable` None: open type, anything.
    """

    name: str
    resource: str
    properties: Mapping[str, bool]
    sortable: tuple[str, ...] = ("displayName",)
    page: int = 100
    most: int = 999
    selectable: frozenset[str] | None = None
    typed: bool = False


def selected(call: Call, collection: Collection) -> tuple[str, ...]:
    """The properties of `$select`; 400 for one the type does not have."""
    names = tuple(name.strip() for name in call.query.get("$select", "").split(",") if name.strip())
    if collection.selectable is not None:
        for name in names:
            if name not in collection.selectable:
                raise malformed(
                    f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type "
                    f"'microsoft.graph.{collection.resource}'."
                )
    return names


def page(
    call: Call,
    collection: Collection,
    objects: Iterable[Object],
    view: Callable[[Object], Object] = lambda one: one,
) -> Answer:
    """One page of the objects, in a stable order; 400 for a query that is not served.

    `view` completes an object with what it inherits, and is asked only for those on the page.
    """
    for name in call.query:
        if name.startswith("$") and name not in SERVED:
            raise malformed(f"The query parameter '{name}' is not supported.")
    select = selected(call, collection)
    found = _filtered(call, collection, objects)
    size = _size(call, collection)
    ordered, key = _ordered(call, collection, found)
    after = _read_token(call.query.get("$skiptoken"))
    if after is not None:
        ordered = (
            [one for one in ordered if key(one) > after]
            if not _descending(call)
            else [one for one in ordered if key(one) < after]
        )
    chosen = ordered[:size]
    body: dict[str, Any] = {"@odata.context": f"{call.root}/$metadata#{collection.name}"}
    if call.query.get("$count", "").lower() == "true" and call.eventual:
        body["@odata.count"] = len(found)
    if len(ordered) > size:
        body["@odata.nextLink"] = _next_link(call, key(chosen[-1]))
    body["value"] = [shown(view(one), select, typed=collection.typed) for one in chosen]
    return Answer(200, body)


def _filtered(call: Call, collection: Collection, objects: Iterable[Object]) -> list[Object]:
    counted = call.query.get("$count", "").lower() == "true"
    found = list(objects)
    if call.query.get("$filter"):
        parsed = filters.parse(call.query["$filter"], collection.properties, collection.resource)
        if parsed.advanced and not (call.eventual and counted):
            raise unsupported(
                "Unsupported or invalid query filter clause: this query needs the ConsistencyLevel:eventual header "
                "and the $count=true query parameter."
            )
        found = [one for one in found if parsed.matches(one)]
    if call.query.get("$search"):
        if not call.eventual:
            raise unsupported(
                "Request with $search query parameter only works through MSGraph with a special request header: "
                "'ConsistencyLevel: eventual'"
            )
        found = [one for one in found if _searched(call.query["$search"], one)]
    return found


def _searched(text: str, value: Mapping[str, Any]) -> bool:
    name, separator, wanted = text.strip().strip('"').partition(":")
    if not separator:
        raise malformed('The $search clause must have the form "property:text".')
    words = str(value.get(name) or "").lower().replace("-", " ").split()
    whole = str(value.get(name) or "").lower()
    return whole.startswith(wanted.lower()) or any(word.startswith(wanted.lower()) for word in words)


def _size(call: Call, collection: Collection) -> int:
    text = call.query.get("$top")
    if text is None:
        return collection.page
    if not text.isdecimal() or not 1 <= int(text) <= collection.most:
        raise unsupported(
            f"Invalid page size specified: '{text}'. Must be between 1 and {collection.most} inclusive."
        )
    return int(text)


def _descending(call: Call) -> bool:
    return call.query.get("$orderby", "").lower().endswith(" desc")


def _ordered(call: Call, collection: Collection, found: Sequence[Object]) -> tuple[list[Object], Any]:
    wish = call.query.get("$orderby", "").split()
    prop = wish[0] if wish else ""
    if prop and prop not in collection.sortable:
        raise unsupported(f"Unsupported sort property '{prop}' for '{collection.resource}'.")

    def key(value: Object) -> list[str]:
        return [str(value.get(prop) or "").lower() if prop else "", str(value["id"])]

    return sorted(found, key=key, reverse=_descending(call)), key


def _next_link(call: Call, key: list[str]) -> str:
    query = {name: value for name, value in call.query.items() if name != "$skiptoken"}
    query["$skiptoken"] = base64.urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()
    return f"{call.root}/{'/'.join(call.path)}?{urlencode(query, safe='$,')}"


def _read_token(text: str | None) -> list[str] | None:
    if text is None:
        return None
    try:
        key = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(key, list) and len(key) == 2 and all(isinstance(one, str) for one in key):
            return key
    except (binascii.Error, ValueError):
        pass
    raise malformed("The skip token is not valid.")
