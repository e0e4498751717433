"""Facts that were kept before rules were held to them: sent back by a PUT as they are stored, they stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scim_bridge.registry.model import AGENT_URN
from scim_bridge.scim.agent_view import WZDK, as_agent
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import AGENTS
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.incoming import Incoming
from scim_bridge.scim.schema import KNOWN, WORKLOAD, Attribute
from scim_bridge.scim.values import clean_value

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Odd:
    """A fact that no rule knows, where it stood in a body (`urn` is None for the core), and why it is refused."""

    urn: str | None
    key: str
    name: str
    value: str
    why: ScimError


def set_aside(call: Call, raw: Doc) -> tuple[Doc, tuple[Odd, ...]]:
    """A body without the facts that no rule knows, and those.

    Of a strict client nothing is set aside: reading the body refuses it.
    """
    if not call.tolerant:
        return raw, ()
    found = list(_faults(raw, None, call.resource.attributes))
    made = _without(raw, found)
    for key, value in raw.items():
        ours = call.resource.extensions.get(AGENT_URN) if key.casefold() == AGENT_URN.casefold() else None
        if ours is not None and isinstance(value, dict):
            within = list(_faults(value, AGENT_URN, ours))
            made[key] = _without(value, within)
            found += within
    return made, tuple(found)


def with_stored(call: Call, incoming: Incoming, odd: tuple[Odd, ...], before: Doc) -> Incoming:
    """What a PUT asks for with what was set aside in it again; ScimError when that is not what is stored."""
    if not odd:
        return incoming
    stored = as_agent(before, WZDK) if call.endpoint is AGENTS else before
    doc = dict(incoming.doc)
    for each in odd:
        there = stored if each.urn is None else stored.get(each.urn) or {}
        if there.get(each.name) != each.value:
            raise each.why
        if each.urn is None:
            doc[each.name] = each.value
        else:
            doc[each.urn] = {**(doc.get(each.urn) or {}), each.name: each.value}
    return replace(incoming, doc=doc)


def _without(given: Doc, odd: list[Odd]) -> Doc:
    keys = {each.key for each in odd}
    return {key: value for key, value in given.items() if key not in keys}


def _faults(given: Doc, urn: str | None, definitions: Mapping[str, Attribute]) -> Iterator[Odd]:
    for key, value in given.items():
        attribute = definitions.get(key.casefold())
        if attribute is None or attribute.kind not in (KNOWN, WORKLOAD) or not isinstance(value, str):
            continue
        try:
            clean_value(attribute, value, True)
        except ScimError as error:
            yield Odd(urn, key, attribute.name, value, error)
