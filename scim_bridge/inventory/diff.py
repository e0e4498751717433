"""What importing a manifest would change. Pure: values in, values out, and nothing is deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from scim_bridge.inventory.entries import KEYS
from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry, GroupEntry, Manifest, PersonEntry
from scim_bridge.kernel.clock import iso

Kind = Literal["person", "group", "agent", "credential"]
Entry = PersonEntry | GroupEntry | AgentEntry
E = TypeVar("E", PersonEntry, GroupEntry, AgentEntry)

# Compared on their own: memberships as rows, credentials by label.
_APART = {"given", "groups", "members", "credentials"}
# Lists whose order says nothing; the order of co-owners is the order of succession.
_UNORDERED = {"sponsors", "tools", "resources"}


@dataclass(frozen=True, slots=True)
class CurrentInventory:
    """What is registered: people by userName, groups by name, agents by slug, in the same values.

    `memberships` are (group name, slug) pairs; those an IdP `assigned` are never taken away here.
    """

    people: Mapping[str, PersonEntry] = field(default_factory=dict)
    groups: Mapping[str, GroupEntry] = field(default_factory=dict)
    agents: Mapping[str, AgentEntry] = field(default_factory=dict)
    memberships: frozenset[tuple[str, str]] = frozenset()
    assigned: frozenset[tuple[str, str]] = frozenset()
    # Further e-mail addresses, folded, and the userName of the one person each belongs to.
    aliases: Mapping[str, str] = field(default_factory=dict)


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


def diff(manifest: Manifest, current: CurrentInventory) -> ImportDiff:
    """What an import of `manifest` into `current` creates, changes, leaves and does not mention.

    A key the file does not have is left as it is; a key with an empty value empties the field.
    Names of people and groups compare without case; e-mails as references become userNames.
    """
    names = _UserNames(manifest, current)
    found = _Found()
    people = {key: names.person(entry) for key, entry in current.people.items()}
    groups = {key: names.group(entry) for key, entry in current.groups.items()}
    agents = {key: names.agent(entry) for key, entry in current.agents.items()}
    _compare("person", {p.user_name: names.person(p) for p in manifest.people}, people, found)
    _compare("group", {g.name: names.group(g) for g in manifest.groups}, groups, found)
    _compare("agent", {a.slug: names.agent(a) for a in manifest.agents}, agents, found)
    joins, leaves = _memberships(manifest, current)
    return ImportDiff(
        creates=tuple(found.creates),
        updates=tuple(found.updates),
        unchanged=tuple(found.unchanged),
        absent=(*found.absent, *_absent(manifest, current)),
        joins=joins,
        leaves=leaves,
    )


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


class _Found:
    """The lists a diff is gathered in."""

    def __init__(self) -> None:
        self.creates: list[Create] = []
        self.updates: list[Update] = []
        self.unchanged: list[Named] = []
        self.absent: list[Named] = []


class _UserNames:
    """Turns references to people, by userName or e-mail, into the userName as it is spelt."""

    def __init__(self, manifest: Manifest, current: CurrentInventory) -> None:
        # What the file says of its own people comes last, so it wins.
        people = [*current.people.values(), *manifest.people]
        self._spelt = dict(current.aliases)
        self._spelt |= {person.email.casefold(): person.user_name for person in people if person.email}
        self._spelt |= {person.user_name.casefold(): person.user_name for person in people}

    def one(self, reference: str) -> str:
        return self._spelt.get(reference.casefold(), reference)

    def person(self, entry: PersonEntry) -> PersonEntry:
        manager = self.one(entry.manager)
        return entry if manager == entry.manager else replace(entry, manager=manager)

    def group(self, entry: GroupEntry) -> GroupEntry:
        owner = self.one(entry.owner)
        return entry if owner == entry.owner else replace(entry, owner=owner)

    def agent(self, entry: AgentEntry) -> AgentEntry:
        owner = self.one(entry.owner)
        co_owners = tuple(self.one(name) for name in entry.co_owners)
        sponsors = tuple(self.one(name) for name in entry.sponsors)
        if (owner, co_owners, sponsors) == (entry.owner, entry.co_owners, entry.sponsors):
            # The usual case, and copying twenty fields is most of what comparing an agent costs.
            return entry
        return replace(entry, owner=owner, co_owners=co_owners, sponsors=sponsors)


def _compare(kind: Kind, wanted: Mapping[str, E], registered: Mapping[str, E], found: _Found) -> None:
    by_name = {_folded(kind, key): entry for key, entry in registered.items()}
    for key, entry in wanted.items():
        known = by_name.get(_folded(kind, key))
        if known is None:
            found.creates.append(Create(kind, key, entry))
            continue
        changed = {change.name: change for change in _changed(known, entry)}
        values: dict[str, Any] = {name: change.new for name, change in changed.items()}
        merged: Any = replace(known, **values)
        changes = [FieldChange(KEYS[c.name], c.old, c.new) for c in changed.values()]
        if isinstance(merged, AgentEntry) and isinstance(entry, AgentEntry):
            credentials, said, missing = _credentials(merged, entry)
            merged = replace(merged, credentials=credentials)
            changes += said
            found.absent += missing
        if changes:
            found.updates.append(Update(kind, key, merged, tuple(changes)))
        else:
            found.unchanged.append(Named(kind, key))


@dataclass(frozen=True, slots=True)
class _Changed:
    name: str
    old: object
    new: object


def _changed(known: Entry, entry: Entry) -> Iterator[_Changed]:
    for member in fields(entry):
        name = member.name
        if name in _APART or name not in entry.given:
            continue
        old, new = getattr(known, name), getattr(entry, name)
        same = sorted(old) == sorted(new) if name in _UNORDERED else old == new
        if not same:
            yield _Changed(name, old, new)


def _credentials(
    known: AgentEntry, entry: AgentEntry
) -> tuple[tuple[CredentialEntry, ...], list[FieldChange], list[Named]]:
    """Credentials after the import, what changes, and what the file no longer mentions.

    A credential out of the file may still be alive; forgetting it would mean never revoking it.
    """
    if "credentials" not in entry.given:
        return known.credentials, [], []
    wanted = {credential.label: credential for credential in entry.credentials}
    held = {credential.label: credential for credential in known.credentials}
    changes = [
        FieldChange(f"credentials[{label}]", held.get(label), credential)
        for label, credential in wanted.items()
        if held.get(label) != credential
    ]
    missing = [Named("credential", f"{entry.slug}/{label}") for label in held if label not in wanted]
    return tuple({**held, **wanted}.values()), changes, missing


def _memberships(
    manifest: Manifest, current: CurrentInventory
) -> tuple[tuple[Membership, ...], tuple[Membership, ...]]:
    """Joins and leaves. An agent leaves only when the file speaks of that membership: it lists the
    agent, and gives the agent's groups or the group's members.
    """
    spelt = {name.casefold(): name for name in current.groups}
    spelt |= {group.name.casefold(): group.name for group in manifest.groups}
    wanted = {(name.casefold(), slug) for name, slug in manifest.memberships()}
    held = {(name.casefold(), slug) for name, slug in current.memberships}
    listed = {agent.slug: "groups" in agent.given for agent in manifest.agents}
    whole = {group.name.casefold() for group in manifest.groups if "members" in group.given}
    placed = {(name.casefold(), slug) for name, slug in current.assigned}
    gone = unwanted(held - placed, wanted, listed, whole)

    def named(pairs: set[tuple[str, str]]) -> tuple[Membership, ...]:
        return tuple(Membership(spelt.get(name, name), slug) for name, slug in sorted(pairs))

    return named(wanted - held), named(gone)


def unwanted(
    held: Iterable[tuple[str, str]],
    wanted: Collection[tuple[str, str]],
    listed: Mapping[str, bool],
    whole: Collection[str],
) -> set[tuple[str, str]]:
    """The (folded group, slug) pairs that end: `listed` agents of which, or of whose group, all is said.

    `listed` says of each agent of the file whether it gives its groups; `whole` are groups with members given.
    """
    return {
        (name, slug)
        for name, slug in held
        if slug in listed and (listed[slug] or name in whole) and (name, slug) not in wanted
    }


def _absent(manifest: Manifest, current: CurrentInventory) -> Iterator[Named]:
    """Agents and groups the file does not mention. People come from the IdP or HR as well, so a
    manifest never lists them all, and their absence says nothing.
    """
    if "groups" in manifest.sections:
        listed = {group.name.casefold() for group in manifest.groups}
        yield from (Named("group", name) for name in current.groups if name.casefold() not in listed)
    if "agents" in manifest.sections:
        slugs = {agent.slug for agent in manifest.agents}
        slugs |= {slug for group in manifest.groups for slug in group.members}
        yield from (Named("agent", slug) for slug in current.agents if slug not in slugs)


def _folded(kind: Kind, key: str) -> str:
    return key if kind == "agent" else key.casefold()


def _row(action: str, kind: str, key: str, detail: str = "") -> dict[str, str]:
    return {"action": action, "kind": kind, "key": key, "detail": detail}
