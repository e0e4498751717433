"""What a filter speaks about, so that nothing is loaded that no term looks at."""

from __future__ import annotations

from collections.abc import Iterator

from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter, Not, Or, Present


def terms(filter_: Filter) -> Iterator[Compare | Present | Element]:
    """Every term of a filter, wherever it stands."""
    if isinstance(filter_, And | Or):
        for part in filter_.terms:
            yield from terms(part)
    elif isinstance(filter_, Not):
        yield from terms(filter_.filter)
    else:
        yield filter_


def mentions(filter_: Filter, name: str) -> bool:
    """True when some term is about this core attribute."""
    return any(_about(term.path, name) for term in terms(filter_))


def _about(path: AttrPath, name: str) -> bool:
    # With a URN the dot may belong to it, so the sub-attribute is looked at as well.
    return name.casefold() in (path.name.casefold(), (path.sub or "").casefold())


def member_ids(filter_: Filter) -> set[str] | None:
    """The ids of members the filter asks for, when it asks for members by nothing else; None otherwise."""
    found: set[str] = set()
    for term in terms(filter_):
        if not _about(term.path, "members"):
            continue
        if term.path.urn is not None:
            return None
        named = _named(term.filter if isinstance(term, Element) else term, within=isinstance(term, Element))
        if named is None:
            return None
        found |= named
    return found or None


def _named(filter_: Filter, *, within: bool) -> set[str] | None:
    """The ids in terms `value eq "id"`, None when there is any other term: a `not` could mean everybody else."""
    if isinstance(filter_, And | Or):
        parts = [_named(part, within=within) for part in filter_.terms]
        known = [part for part in parts if part is not None]
        return set().union(*known) if len(known) == len(parts) else None
    if not isinstance(filter_, Compare) or filter_.op != "eq" or not isinstance(filter_.value, str):
        return None
    sub = filter_.path.name if within else filter_.path.sub or "value"
    return {filter_.value} if sub.casefold() == "value" else None


def named_values(filter_: Filter) -> set[str] | None:
    """The values an element filter chooses by `value eq "…"` alone (or several of them); None otherwise."""
    if isinstance(filter_, Or):
        parts = [named_values(part) for part in filter_.terms]
        known = [part for part in parts if part is not None]
        return set().union(*known) if len(known) == len(parts) else None
    return None if isinstance(filter_, And) else _named(filter_, within=True)
