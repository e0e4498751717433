"""Second pass: portions, each in a transaction with its audit rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.inventory.apply import apply
from scim_bridge.inventory.creating import Taken
from scim_bridge.inventory.current_agents import live_agents
from scim_bridge.inventory.current_groups import live_groups
from scim_bridge.inventory.lines.careful import read_line
from scim_bridge.inventory.lines.comparing import compared
from scim_bridge.inventory.lines.ledger import Ledger
from scim_bridge.inventory.lines.portions import Portion
from scim_bridge.inventory.lines.referring import keys_of
from scim_bridge.inventory.lines.stream import LineFile
from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, PersonEntry
from scim_bridge.inventory.problems import shown
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.groups import add_members
from scim_bridge.registry.model import fold

Entry = PersonEntry | GroupEntry | AgentEntry


@dataclass(frozen=True, slots=True)
class Applying:
    """Applies portions of one checked file."""

    store: Store
    actor: Actor
    file: LineFile
    ledger: Ledger
    portions: int

    async def apply(self, portion: Portion, number: int) -> Counter[str]:
        """Commit one portion; what it did. Conflict when somebody else was faster with something it needs."""
        told = {
            "source": self.file.name,
            "digest": self.file.digest,
            "kind": portion.kind,
            "portion": number,
            "portions": self.portions,
            "entries": len(portion.rows),
        }
        if portion.kind == "member":
            return await self.store.transact(self.actor, lambda work: _members(work, portion.rows, told))
        entries, digest = self._read(portion)
        names = self.ledger.referred(keys_of(entries))
        own = {fold(entry.user_name) for entry in entries if isinstance(entry, PersonEntry)}
        lines = [line for line, _ in portion.rows]

        async def body(work: Work) -> Counter[str]:
            result = await compared(work.tx, self.ledger, portion.kind, entries, names)
            for problem in result.problems:
                where = int(problem.where.partition("[")[2].partition("]")[0])
                raise _overtaken(f"line {lines[where]}: {problem.message}")
            for name in sorted(fold(who.name) for who in names.values()):
                if name not in result.known.people and name not in own:
                    raise _overtaken(f"{shown(name)} is not there any more.")
            if result.found.empty:
                work.bookkeeping("everything the portion says is registered already")
                return Counter()
            try:
                await apply(work, result.found, result.known)
            except Taken as taken:
                raise _overtaken(taken.conflict.message) from None
            counts = {
                key: count for key, count in result.found.counts().items() if key not in ("absent", "joined")
            }
            detail = {**told, "linesDigest": digest, **counts}
            await record(work, "inventory.imported", "inventory", None, detail)
            return Counter(counts)

        return await self.store.transact(self.actor, body)

    def _read(self, portion: Portion) -> tuple[list[Entry], str]:
        """The entries of a portion, and the SHA-256 of their lines."""
        self.file.must_be_the_same()
        digest = hashlib.sha256()
        entries: list[Entry] = []
        for line, at in portion.rows:
            data = self.file.at(at)
            digest.update(data + b"\n")
            entry = read_line(data, line).entry
            assert isinstance(entry, PersonEntry | GroupEntry | AgentEntry)
            entries.append(entry)
        return entries, digest.hexdigest()


async def _members(work: Work, pairs: Sequence[tuple[str, str]], told: Mapping[str, Any]) -> Counter[str]:
    groups = await live_groups(work.tx, {group for group, _ in pairs})
    agents = await live_agents(work.tx, {slug for _, slug in pairs})
    wanted: dict[str, list[tuple[str, str | None]]] = {}
    for group, slug in pairs:
        if group not in groups or slug not in agents:
            raise _overtaken(f"{shown(slug if group in groups else group)} is not there any more.")
        wanted.setdefault(groups[group], []).append((agents[slug], slug))
    joined = 0
    for group_id, members in wanted.items():
        joined += await add_members(work, group_id, members)
    if joined:
        await record(work, "inventory.imported", "inventory", None, {**told, "joined": joined})
    else:
        work.bookkeeping("everybody is a member already")
    return Counter(joined=joined)


def _overtaken(what: str) -> Conflict:
    return Conflict("import-overtaken", f"Somebody changed the registry during the import: {what}")


def stopped_at(conflict: Conflict, portion: int, portions: int) -> Conflict:
    """The same refusal, with how much of the file is in."""
    fix = (
        f"{portion - 1:,} of {portions:,} portions are in. Import the file again: it is checked and goes on."
    )
    return Conflict(conflict.code, conflict.message, fix)
