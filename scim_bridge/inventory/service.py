"""Importing: everything a file says in one transaction, or nothing of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scim_bridge.audit.record import record
from scim_bridge.inventory.apply import apply
from scim_bridge.inventory.check import check
from scim_bridge.inventory.creating import Taken
from scim_bridge.inventory.current import registered
from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.diff import diff
from scim_bridge.inventory.import_diff import ImportDiff
from scim_bridge.inventory.leavers import departed, employment
from scim_bridge.inventory.manifest import AgentEntry, Manifest
from scim_bridge.inventory.problems import ManifestProblems, Problem
from scim_bridge.inventory.read import parse
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Actor, Store, Work


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
        wrong = [
            *problems,
            *check(manifest, known.names, known.groups, known.agents, known.inventory.aliases),
        ]
        found = diff(manifest, known.inventory)
        wrong += [*departed(manifest, found, known.left), *employment(manifest, found)]
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
