"""What an import does, as values: what it creates, changes, leaves and does not mention; and how that is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry, GroupEntry, PersonEntry
from scim_bridge.kernel.clock import iso

Kind = Literal["person", "group", "agent", "credential"]
Entry = PersonEntry | GroupEntry | AgentEntry


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field under the manifest's name for it, registered value and new value."""

    field: str
    old: object
    new: object

    def text(self) -> str:
        """`owner: ann@corp.example → bob@corp.example`."""
        return f"{self.field}: {as_text(self.field, self.old)} → {as_text(self.field, self.new)}"


@dataclass(frozen=True, slots=True)
class Create:
    """An entry that is not registered. References in `entry` are userNames."""

    kind: Kind
    key: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Update:
    """A registered entry that differs; `entry` is what it becomes, with all it keeps."""

    kind: Kind
    key: str
    entry: Entry
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A thing that stays as it is."""

    kind: Kind
    key: str


@dataclass(frozen=True, slots=True)
class Membership:
    """An agent's place in a group."""

    group: str
    agent: str


@dataclass(frozen=True, slots=True)
class ImportDiff:
    """The whole effect of an import. `absent` is registered and not in the file: only reported."""

    creates: tuple[Create, ...] = ()
    updates: tuple[Update, ...] = ()
    unchanged: tuple[Named, ...] = ()
    absent: tuple[Named, ...] = ()
    joins: tuple[Membership, ...] = ()
    leaves: tuple[Membership, ...] = ()

    @property
    def empty(self) -> bool:
        """True when the import would change nothing."""
        return not (self.creates or self.updates or self.joins or self.leaves)

    def counts(self) -> dict[str, int]:
        """How many of each: `created`, `updated`, `unchanged`, `absent`, `joined`, `left`."""
        return {
            "created": len(self.creates),
            "updated": len(self.updates),
            "unchanged": len(self.unchanged),
            "absent": len(self.absent),
            "joined": len(self.joins),
            "left": len(self.leaves),
        }

    def rows(self) -> list[dict[str, str]]:
        """One row for each change and absence, ready for a table: action, kind, key, detail."""
        rows = [_row("create", made.kind, made.key) for made in self.creates]
        rows += [
            _row("update", update.kind, update.key, change.text())
            for update in self.updates
            for change in update.changes
        ]
        rows += [_row("join", "agent", joined.agent, joined.group) for joined in self.joins]
        rows += [_row("leave", "agent", left.agent, left.group) for left in self.leaves]
        note = "registered, not in the file: left as it is"
        return rows + [_row("absent", missing.kind, missing.key, note) for missing in self.absent]


def as_text(name: str, value: object) -> str:
    """A field's value for a person to read; empty values show as `–`."""
    if isinstance(value, CredentialEntry):
        until = f" until {iso(value.expires)}" if value.expires is not None else ""
        return f"{value.kind} {value.reference} in {value.system}{until}"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "–"
    if name == "expires" and isinstance(value, int):
        return iso(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value not in (None, "") else "–"


def _row(action: str, kind: str, key: str, detail: str = "") -> dict[str, str]:
    return {"action": action, "kind": kind, "key": key, "detail": detail}
