"""Importing: everything a file says in one transaction, or nothing of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from scim_bridge.audit.record import record
from scim_bridge.inventory.apply import apply
from scim_bridge.inventory.check import check
from scim_bridge.inventory.creating import Taken
from scim_bridge.inventory.current import Registered, registered
from scim_bridge.inventory.diff import Create, ImportDiff, Update, diff
from scim_bridge.inventory.manifest import AgentEntry, Manifest
from scim_bridge.inventory.problems import ManifestProblems, Problem, shown
from scim_bridge.inventory.read import parse
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.model import fold


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or with `dry_run` would do. `digest` is the SHA-256 of the file."""

    source: str
    digest: str
    dry_run: bool
    diff: ImportDiff

    def as_dict(self) -> dict[str, object]:
        """The result as JSON-ready values: source, digest, dryRun, counts, and a row per change."""
        return {
            "source": self.source,
            "digest": self.digest,
            "dryRun": self.dry_run,
            **self.diff.counts(),
            "changes": self.diff.rows(),
        }


async def import_manifest(
    store: Store, actor: Actor, data: bytes, filename: str, *, dry_run: bool = False
) -> ImportResult:
    """Import a manifest file: people, groups, agents, memberships and credentials, in one transaction.

    ManifestProblems lists every problem of form, of reference and of state, and nothing is changed
    then; `dry_run` only reads. A second import of the same file changes nothing.
    """
    manifest, problems = parse(data, filename)
    digest = hashlib.sha256(data).hexdigest()
    return await _import(store, actor, manifest, problems, filename, digest, dry_run)


async def import_agent(
    store: Store, actor: Actor, entry: AgentEntry, source: str, *, dry_run: bool = False
) -> ImportResult:
    """Import one agent, such as the completed draft of an A2A card; `source` is the card's URL.

    ManifestProblems when its owners or groups are not known.
    """
    manifest = Manifest(agents=(entry,), sections=frozenset())
    digest = hashlib.sha256(repr(entry).encode()).hexdigest()
    return await _import(store, actor, manifest, [], source, digest, dry_run)


async def _import(
    store: Store,
    actor: Actor,
    manifest: Manifest,
    problems: list[Problem],
    source: str,
    digest: str,
    dry_run: bool,
) -> ImportResult:
    async def planned(reader: Reader) -> tuple[ImportDiff, Registered]:
        known = await registered(reader, manifest)
        wrong = [*problems, *check(manifest, known.names, known.groups, known.agents)]
        found = diff(manifest, known.inventory)
        wrong += [*_departed(manifest, found, known), *_employment(manifest, found)]
        if wrong:
            raise ManifestProblems(source, wrong)
        return found, known

    async def body(work: Work) -> ImportDiff:
        found, known = await planned(work.tx)
        if found.empty:
            work.bookkeeping("everything the file says is registered already")
            return found
        try:
            await apply(work, found, known)
        except Taken as taken:
            raise ManifestProblems(source, [_taken(manifest, taken)]) from None
        detail = {"source": source, "digest": digest, **found.counts()}
        await record(work, "inventory.imported", "inventory", None, detail)
        return found

    if problems or dry_run:
        # A file with problems is read against the registry too, so that all of them show at once.
        async with store.database.snapshot() as reader:
            found, _ = await planned(reader)
        return ImportResult(source, digest, True, found)
    return ImportResult(source, digest, False, await store.transact(actor, body))


def _departed(manifest: Manifest, found: ImportDiff, known: Registered) -> Iterator[Problem]:
    """Agents the file gives to somebody who left: an old file must not undo a hand-over."""
    gone = known.left | {fold(p.user_name) for p in manifest.people if not p.active}
    numbers = {agent.slug: number for number, agent in enumerate(manifest.agents)}
    changed = {
        update.key: {change.field for change in update.changes}
        for update in found.updates
        if update.kind == "agent"
    }
    changes: list[Create | Update] = [*found.creates, *found.updates]
    for change in changes:
        entry = change.entry
        if not isinstance(entry, AgentEntry):
            continue
        fields = changed[change.key] if isinstance(change, Update) else {"owner", "coOwners", "sponsors"}
        for field, names in (
            ("owner", (entry.owner,)),
            ("coOwners", entry.co_owners),
            ("sponsors", entry.sponsors),
        ):
            for index, name in enumerate(names):
                if field not in fields or fold(name) not in gone:
                    continue
                where = f"agents[{numbers[change.key]}].{field}"
                where = where if field == "owner" else f"{where}[{index}]"
                line, column = manifest.position(where)
                message = f"{shown(name)} has left, and cannot answer for an agent."
                yield Problem(line, column, where, message, "Name somebody who is here.")


def _employment(manifest: Manifest, found: ImportDiff) -> Iterator[Problem]:
    """People whose state the file would change: that is a departure, and departures have their own way."""
    numbers = {fold(person.user_name): number for number, person in enumerate(manifest.people)}
    for update in found.updates:
        if update.kind == "person" and any(change.field == "active" for change in update.changes):
            where = f"people[{numbers[fold(update.key)]}].active"
            line, column = manifest.position(where)
            message = "A manifest does not make people leave or return; the IdP or HR says so."
            yield Problem(line, column, where, message, "Remove 'active', or send the signal.")


def _taken(manifest: Manifest, taken: Taken) -> Problem:
    where = ""
    if taken.kind == "agent":
        number = next(n for n, agent in enumerate(manifest.agents) if agent.slug == taken.key)
        where = f"agents[{number}]"
    elif taken.kind == "person":
        number = next(n for n, person in enumerate(manifest.people) if person.user_name == taken.key)
        where = f"people[{number}]"
    line, column = manifest.position(where)
    return Problem(line, column, where, taken.conflict.message, taken.conflict.fix)
