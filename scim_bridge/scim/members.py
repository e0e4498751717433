"""Changes of a group's membership as values: nobody reads a list, edits it and writes it back.

A remove that is not understood is refused; it never becomes "remove all" (RFC 7644 section 3.5.2.2 would let
`remove members` with a value clear the group, and Entra means by it the members in the value).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from scim_bridge.scim.errors import MUTABILITY, PassedOver, ScimError, invalid_value, mutability
from scim_bridge.scim.grammar import Compare, Filter, Or
from scim_bridge.scim.operations import ADD, REMOVE, Operation
from scim_bridge.scim.path import Path
from scim_bridge.scim.schema import Attribute
from scim_bridge.scim.text import storable
from scim_bridge.scim.values import clean_element


class Member(NamedTuple):
    """A member as named by a client: id, what it calls it, and what it says it is (by the letter only)."""

    value: str
    display: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class AddMembers:
    """Add these; those already there stay as they are. Each id once."""

    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class RemoveMembers:
    """Remove these ids; an id that is no member changes nothing."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveMatching:
    """Remove the members that fulfil a filter on their sub-attributes (value, type, display, $ref).

    `conjuncts.element_equality(filter)` gives its ("value", id) terms; `match.element_predicate` tests a member.
    """

    filter: Filter


@dataclass(frozen=True, slots=True)
class ReplaceMembers:
    """Make these the only members. Empty: empty the group, asked for in so many words."""

    members: tuple[Member, ...]


MemberChange: TypeAlias = AddMembers | RemoveMembers | RemoveMatching | ReplaceMembers


def member_change(step: Operation, path: Path, *, tolerant: bool) -> MemberChange | None:
    """What a step on `members` changes, None when nothing; ScimError when it is not understood."""
    attribute = path.attribute
    assert attribute is not None
    if path.sub is not None:
        raise _edited(path)
    if step.op == REMOVE:
        return _removal(step, path, attribute, tolerant)
    if path.filter is not None:
        return _named(step, path, tolerant)
    if step.value is None:
        if tolerant and step.op == ADD and step.valued:
            return None
        raise invalid_value("members: a value is missing.", "Send a list; an empty one empties the group.")
    found = _members(attribute, step.value, tolerant)
    if step.op == ADD:
        return AddMembers(found) if found else None
    return ReplaceMembers(found)


def joined(changes: Iterable[MemberChange]) -> tuple[MemberChange, ...]:
    """The same changes with neighbours of one kind made into one, as Okta sends them singly by the hundred."""
    kept: list[MemberChange] = []
    for kind, alike in groupby(changes, type):
        run = list(alike)
        if kind is AddMembers:
            added = (member for each in run if isinstance(each, AddMembers) for member in each.members)
            kept.append(AddMembers(_once(added)))
        elif kind is RemoveMembers:
            ids = (member for each in run if isinstance(each, RemoveMembers) for member in each.ids)
            kept.append(RemoveMembers(tuple(dict.fromkeys(ids))))
        else:
            kept.extend(run)
    return tuple(kept)


def _removal(step: Operation, path: Path, attribute: Attribute, tolerant: bool) -> MemberChange | None:
    if path.filter is not None:
        if step.value is not None:
            raise invalid_value("members: a filter and a value both say what to remove.", "Send one of them.")
        ids = _ids(path.filter)
        return RemoveMatching(path.filter) if ids is None else RemoveMembers(ids)
    if not step.valued:
        if step.odd:
            raise invalid_value("members: it is not clear what to remove.", "Send op, path and value only.")
        return ReplaceMembers(())
    if not tolerant:
        raise invalid_value("members: a remove takes no value.", 'Write members[value eq "…"] in the path.')
    if step.value is None:
        raise invalid_value(
            "members: null does not say what to remove.",
            "Leave the value out to empty the group, or list members.",
        )
    found = _members(attribute, step.value, tolerant)
    return RemoveMembers(tuple(member.value for member in found)) if found else None


def _named(step: Operation, path: Path, tolerant: bool) -> MemberChange:
    """An add whose path names the member: `members[value eq "…"]`."""
    ids = None if path.filter is None else _ids(path.filter)
    if step.op != ADD or ids is None:
        raise _edited(path)
    display = _display(step.value, tolerant) if isinstance(step.value, dict) else None
    return AddMembers(tuple(Member(member, display) for member in ids))


def _ids(filter_: Filter) -> tuple[str, ...] | None:
    """The ids a filter names one by one, None when it says something else."""
    terms = filter_.terms if isinstance(filter_, Or) else (filter_,)
    ids = []
    for term in terms:
        if not isinstance(term, Compare) or term.op != "eq" or not isinstance(term.value, str):
            return None
        if term.path.name.casefold() != "value":
            return None
        ids.append(term.value)
    return tuple(dict.fromkeys(ids))


def _members(attribute: Attribute, value: Any, tolerant: bool) -> tuple[Member, ...]:
    items = value if isinstance(value, list) else [value]
    return _once(_member(attribute, item, tolerant) for item in items)


def _member(attribute: Attribute, item: Any, tolerant: bool) -> Member:
    fields = clean_element(attribute, item, tolerant)
    if fields is None or not fields["value"]:
        raise invalid_value("members: an element does not say which member it is.", "Give each a value.")
    kind = None if tolerant else fields.get("type")
    return Member(fields["value"], fields.get("display") or _display(item, tolerant), kind)


def _display(item: Any, tolerant: bool) -> str | None:
    """What a client calls a member; some call that displayName."""
    if not isinstance(item, dict):
        return None
    shown = item.get("display") or (item.get("displayName") if tolerant else None)
    if shown is not None and not (isinstance(shown, str) and storable(shown)):
        raise invalid_value("members.display must be a string.")
    return shown


def _once(members: Iterable[Member]) -> tuple[Member, ...]:
    found: dict[str, Member] = {}
    for member in members:
        found.setdefault(member.value, member)
    return tuple(found.values())


def _edited(path: Path) -> ScimError:
    if path.sub is not None and path.sub.name == "display":
        # The name comes from the member itself.
        return PassedOver(MUTABILITY, "members.display cannot be set here.", silent=True)
    return mutability(f"{path} cannot be changed: a member is its id.", "Remove the member and add another.")
