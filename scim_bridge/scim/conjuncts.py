"""What every match of a filter must have: the equality terms an index can be asked for."""

from __future__ import annotations

from collections.abc import Iterator

from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter
from scim_bridge.scim.schema import COMPLEX, Attribute, ResourceType, of

_TYPES = ("User", "Group", "Agent")


def equality(filter_: Filter, resource: str | ResourceType | None = None) -> list[tuple[str, str]]:
    """The top-level, AND-connected `eq` terms with string values, as (canonical attribute name, value).

    Names are "userName", "externalId", "displayName", "id", "emails.value", "members.value"; attributes of
    extensions carry their URN. `emails[value eq "x"]` and `emails eq "x"` count as emails.value.
    Without a resource type, names are looked up in every one; what no schema knows is left out.
    """
    types = [of(name) for name in _TYPES] if resource is None else [of(resource)]
    return [(name, term.value) for name, term in _terms(filter_, types) if isinstance(term.value, str)]


def element_equality(filter_: Filter) -> list[tuple[str, str]]:
    """The same for the filter in brackets, with the sub-attributes' names casefolded: ("value", "…")."""
    return [
        (term.path.name.casefold(), term.value)
        for term in _flat(filter_)
        if isinstance(term, Compare) and term.op == "eq" and isinstance(term.value, str)
    ]


def _terms(filter_: Filter, types: list[ResourceType]) -> Iterator[tuple[str, Compare]]:
    """Each equality term with its canonical name."""
    match filter_:
        case And(terms):
            for term in terms:
                yield from _terms(term, types)
        case Compare(path, "eq", _):
            name = _name(path, types)
            if name is not None:
                yield name, filter_
        case Element(path, inner):
            whole = _attribute(path, types)
            for term in _flat(inner):
                if whole is not None and isinstance(term, Compare) and term.op == "eq":
                    sub = whole[1].sub(term.path.name)
                    if sub is not None and term.path.sub is None and term.path.urn is None:
                        yield f"{whole[0]}.{sub.name}", term


def _flat(filter_: Filter) -> Iterator[Filter]:
    if isinstance(filter_, And):
        for term in filter_.terms:
            yield from _flat(term)
    else:
        yield filter_


def _attribute(path: AttrPath, types: list[ResourceType]) -> tuple[str, Attribute] | None:
    for resource in types:
        # Without a type in mind a bare name must not be taken for an extension's.
        found = resource.find(path.urn, path.name, path.sub, tolerant=len(types) == 1 or path.urn is not None)
        if found is not None:
            name = found.attribute.name
            return name if found.urn is None else f"{found.urn}:{name}", found.attribute
    return None


def _name(path: AttrPath, types: list[ResourceType]) -> str | None:
    found = _attribute(path, types)
    if found is None:
        return None
    name, attribute = found
    sub = attribute.subs.get("value") if path.sub is None else attribute.sub(path.sub)
    if attribute.type != COMPLEX:
        return name
    return None if sub is None else f"{name}.{sub.name}"
