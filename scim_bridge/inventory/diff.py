"""What importing a manifest would change. Pure: values in, values out, and nothing is deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from scim_bridge.inventory.current_inventory import CurrentInventory
from scim_bridge.inventory.entries import KEYS
from scim_bridge.inventory.import_diff import Create, Entry, FieldChange, ImportDiff, Kind, Named, Update
from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry, GroupEntry, Manifest, PersonEntry
from scim_bridge.inventory.member_diff import member_diff
from scim_bridge.inventory.user_names import UserNames

E = TypeVar("E", PersonEntry, GroupEntry, AgentEntry)

# Compared on their own: memberships as rows, credentials by label.
_APART = {"given", "groups", "members", "credentials"}
# Lists whose order says nothing; the order of co-owners is the order of succession.
_UNORDERED = {"sponsors", "tools", "resources"}


def diff(manifest: Manifest, current: CurrentInventory) -> ImportDiff:
    """What an import of `manifest` into `current` creates, changes, leaves and does not mention.

    A key the file does not have is left as it is; a key with an empty value empties the field.
    Names of people and groups compare without case; e-mails as references become userNames.
    """
    names = UserNames(manifest, current)
    found = _Found()
    people = {key: names.person(entry) for key, entry in current.people.items()}
    groups = {key: names.group(entry) for key, entry in current.groups.items()}
    agents = {key: names.agent(entry) for key, entry in current.agents.items()}
    _compare("person", {p.user_name: names.person(p) for p in manifest.people}, people, found)
    _compare("group", {g.name: names.group(g) for g in manifest.groups}, groups, found)
    _compare("agent", {a.slug: names.agent(a) for a in manifest.agents}, agents, found)
    joins, leaves = member_diff(manifest, current)
    return ImportDiff(
        creates=tuple(found.creates),
        updates=tuple(found.updates),
        unchanged=tuple(found.unchanged),
        absent=(*found.absent, *_absent(manifest, current)),
        joins=joins,
        leaves=leaves,
    )


class _Found:
    """The lists a diff is gathered in."""

    def __init__(self) -> None:
        self.creates: list[Create] = []
        self.updates: list[Update] = []
        self.unchanged: list[Named] = []
        self.absent: list[Named] = []


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
