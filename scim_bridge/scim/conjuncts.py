"""What every match of a filter must have: the equality terms an index can be asked for."""

from __future__ import annotations

from collections.abc import Iterator

from scim_bridge.kernel.document_index import INSTANT, DocumentIndex, Indexes
from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter, Literal
from scim_bridge.scim.instants import zoned
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


def declared(filter_: Filter, resource: ResourceType, indexes: Indexes) -> list[tuple[str, str]]:
    """The same for attributes that are declared as indexed, of any type, as (name of the index, key)."""
    found = []
    for name, term in _terms(filter_, [resource]):
        part, _, attribute = name.rpartition(":")
        index = indexes.of(part, attribute) if part else None
        key = None if index is None else index.key(_literal(index, term.value))
        if index is not None and key is not None:
            found.append((index.name, key))
    return found


def _literal(index: DocumentIndex, value: Literal) -> Literal:
    """A value of a filter as the index has it: instants with their zone."""
    return zoned(value) if index.form == INSTANT and isinstance(value, str) else value


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
                    if whole[1].type != COMPLEX and term.path.name.casefold() == "value":
                        yield whole[0], term
                        continue
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
