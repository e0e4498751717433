"""PATCH as a pure function on a document (RFC 7644 section 3.5.2): in order, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from scim_bridge.scim.elements import purged, read_only
from scim_bridge.scim.errors import (
    INVALID_PATH,
    PassedOver,
    ScimError,
    invalid_path,
    invalid_syntax,
    invalid_value,
    mutability,
)
from scim_bridge.scim.grammar import size
from scim_bridge.scim.match import assigned
from scim_bridge.scim.members import MemberChange, joined, member_change
from scim_bridge.scim.operations import REMOVE, REPLACE, Operation, read_operations, spread
from scim_bridge.scim.path import Path, parse_path
from scim_bridge.scim.replacing import new_value
from scim_bridge.scim.schema import ResourceType, of
from scim_bridge.scim.values import clean_value, distinct

__all__ = ["Operation", "PatchResult", "apply", "read_operations"]

Doc = dict[str, Any]

MAX_LOOKS: Final = 100_000

_MEMBERS: Final = ("Group", "members")


@dataclass(frozen=True, slots=True)
class PatchResult:
    """What a PATCH makes of a document.

    `doc` is a new document when `changed`, else the one that was given. `member_changes` are a group's, in order;
    neighbours of one kind are joined. `ignored` says which operations a tolerant reading left out, and why.
    """

    doc: Doc
    changed: bool
    member_changes: tuple[MemberChange, ...] = ()
    ignored: tuple[str, ...] = ()


def apply(
    doc: Doc, operations: Sequence[Operation], resource_type: str | ResourceType, *, tolerant: bool
) -> PatchResult:
    """The document after all operations. `doc` is not changed; a ScimError means that nothing happened.

    Give a user's document with `active` (and `externalId`) in it. Membership comes out as `member_changes`,
    never in `doc`. A tolerant reading passes over unknown and read-only attributes; and when the PATCH sets
    `active` to false, over whatever else it cannot read: nothing may stand in the way of stopping somebody.
    """
    draft = _Draft(doc, of(resource_type), tolerant)
    for operation in operations:
        draft.take(operation)
    return draft.result()


class _Draft:
    """A document in the making; what is given stays as it is."""

    def __init__(self, doc: Doc, resource: ResourceType, tolerant: bool) -> None:
        self._doc = doc
        self._fields = dict(doc)
        self._resource = resource
        self._tolerant = tolerant
        self._changes: list[MemberChange] = []
        self._passed: list[tuple[int, ScimError]] = []
        self._refused: list[tuple[int, ScimError]] = []
        self._stops = False
        self._looks = 0
        self._touched: list[Path] = []

    def take(self, operation: Operation, *, keyed: bool = False) -> None:
        """Carry out an operation, or note why it cannot be; `keyed`: its path is the key of a value."""
        try:
            if operation.path is not None:
                self._carry_out(operation)
                return
            # One odd attribute of several must not take the others with it.
            for step in spread(operation):
                self._refuse_core_as_key(step)
                self.take(step, keyed=True)
        except PassedOver as error:
            if not self._tolerant:
                raise
            if not error.silent:
                self._passed.append((operation.number, error))
        except ScimError as error:
            if not self._tolerant:
                raise
            # A key that cannot be an attribute's name is one that nobody knows, as in a POST.
            passed = keyed and error.scim_type == INVALID_PATH
            (self._passed if passed else self._refused).append((operation.number, error))

    def _refuse_core_as_key(self, step: Operation) -> None:
        """By the letter only extensions are objects under their URN (RFC 7643 section 3.3)."""
        if not self._tolerant and (step.path or "").casefold() == self._resource.urn.casefold():
            raise invalid_syntax(
                f"{self._resource.urn} is no attribute.", "Send what it holds beside it, without the URN."
            )

    def result(self) -> PatchResult:
        """What came of it; the first refusal when there was one that counts."""
        if self._refused and not (self._stops and self._fields.get("active") is False):
            raise self._refused[0][1]
        said = sorted((*self._passed, *self._refused), key=lambda each: each[0])
        ignored = tuple(f"Operation {number}: {error.text()}" for number, error in said)
        self._purge()
        changed = self._fields != self._doc
        return PatchResult(self._fields if changed else self._doc, changed, joined(self._changes), ignored)

    def _purge(self) -> None:
        # Not before the end: Entra sends an element's type in one operation and its value in another.
        for path in self._touched:
            attribute = path.attribute
            assert attribute is not None
            holder = self._fields if path.urn is None else self._fields.get(path.urn) or {}
            items = holder.get(attribute.name)
            if items:
                kept = purged(attribute, items) if self._tolerant else items
                # What were two may have become one: no element is there twice (RFC 7643 section 2.4).
                self._put(path, attribute.name, distinct(attribute, kept) or None)

    def _carry_out(self, step: Operation) -> None:
        path = parse_path(step.path or "", self._resource, tolerant=self._tolerant)
        attribute = path.attribute
        if attribute is None:
            self._carry_out_on_schema(path, step)
            return
        if attribute.read_only or (path.sub is not None and path.sub.read_only):
            raise read_only(str(path))
        if path.urn is None and (self._resource.name, attribute.name) == _MEMBERS:
            change = member_change(step, path, tolerant=self._tolerant)
            if change is not None:
                self._changes.append(change)
            return
        if attribute.hidden:
            # Checked and forgotten: secrets are not kept.
            clean_value(attribute, step.value, self._tolerant)
            return
        holder = self._fields if path.urn is None else self._fields.get(path.urn) or {}
        current = holder.get(attribute.name)
        if step.op != REMOVE and isinstance(current, str) and step.value == current:
            # What is there already may stay, also where it could not be set any more.
            return
        self._count(path, step, current)
        new = new_value(path, step, current, tolerant=self._tolerant)
        if new is False and attribute.name == "active" and path.urn is None:
            self._stops = True
        if new is current or new == current:
            return
        self._refuse_unfit(path, step, current, new)
        self._put(path, attribute.name, new)
        if attribute.multi:
            self._touched.append(path)

    def _count(self, path: Path, step: Operation, current: Any) -> None:
        """Keep a PATCH from looking at more elements than can be done between two other requests."""
        if isinstance(current, list):
            given = len(step.value) if isinstance(step.value, list) else 1
            self._looks += (len(current) + given) * (1 if path.filter is None else 1 + size(path.filter))
            if self._looks > MAX_LOOKS:
                raise invalid_value(
                    "This PATCH has too much to do at once.", "Send fewer operations at a time."
                )

    def _refuse_unfit(self, path: Path, step: Operation, current: Any, new: Any) -> None:
        attribute = path.attribute
        assert attribute is not None
        if attribute.mutability == "immutable" and assigned(current):
            raise mutability(f"{path} cannot be changed once it is set.")
        if attribute.required and not assigned(new):
            if step.op == REMOVE or step.value is None:
                raise mutability(
                    f"{path} is required and cannot be removed.", "Replace it with another value."
                )
            raise invalid_value(f"{path} is required and cannot be empty.", "Send a value.")

    def _put(self, path: Path, name: str, new: Any) -> None:
        if path.urn is None:
            _set(self._fields, name, new)
            return
        holder = dict(self._fields.get(path.urn) or {})
        _set(holder, name, new)
        # An extension without attributes is not there, nor is its URN (RFC 7643 section 3.3).
        _set(self._fields, path.urn, holder or None)

    def _carry_out_on_schema(self, path: Path, step: Operation) -> None:
        """A path that is a schema's URN: each attribute of the value, or all of an extension taken away."""
        removes = step.op == REMOVE or (step.op == REPLACE and step.valued and step.value is None)
        if not removes:
            for each in spread(step, f"{path}:"):
                self.take(each, keyed=True)
        elif path.urn == self._resource.urn:
            raise invalid_path(
                f"{path} is the resource itself.", "Name an attribute, or DELETE the resource."
            )
        else:
            needed = next(iter(self._resource.required_in.get(path.urn or "", ())), None)
            if needed is not None:
                raise mutability(
                    f"{path} cannot be removed: {needed.name} is required.", "Replace it with another value."
                )
            self._fields.pop(path.urn or "", None)


def _set(fields: Doc, name: str, value: Any) -> None:
    if value is None:
        fields.pop(name, None)
    else:
        fields[name] = value
