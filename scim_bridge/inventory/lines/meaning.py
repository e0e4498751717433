"""A whole file beside the registry, page by page: what would change is marked, what cannot be is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.inventory.current_agents import live_agents
from scim_bridge.inventory.current_groups import live_groups
from scim_bridge.inventory.lines.careful import read_line
from scim_bridge.inventory.lines.comparing import compared
from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.lines.ledger import Ledger, listing
from scim_bridge.inventory.lines.quick import Entry
from scim_bridge.inventory.lines.referring import keys_of, lost
from scim_bridge.inventory.lines.stream import LineFile
from scim_bridge.inventory.lines.taken import taken_agents, taken_people
from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, PersonEntry
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed

AT_ONCE = 1_000
LOOK = "INSERT OR IGNORE INTO look (at, line) VALUES (?, ?)"
TABLES = {"person": "person", "group": "grp", "agent": "agent"}


@dataclass(slots=True)
class Meaning:
    """Compares what a ledger has of a file with the registry; `counts` are what an import would do."""

    reader: Reader
    ledger: Ledger
    file: LineFile
    findings: Findings
    told: Callable[[int], None]
    counts: Counter[str] = field(default_factory=Counter)
    # References that lead nowhere, or to somebody who left: every agent has to be read then.
    suspect: bool = False

    async def compare(self) -> None:
        """Mark in the ledger what differs; note lines to be looked at."""
        self.suspect = self.ledger.count("reference", "name IS NULL OR left") > 0
        self._nobody("person", "manager")
        self._nobody("grp", "owner")
        for kind in ("person", "group", "agent"):
            await self._walk(kind)
        await self._members()

    def _nobody(self, table: str, column: str) -> None:
        rows = self.ledger.all(
            f"SELECT t.at, t.line FROM {table} t JOIN reference r ON r.key = t.{column} WHERE r.name IS NULL"
            + (" OR casefold(r.name) = t.key" if table == "person" else "")
        )
        self.ledger.write(LOOK, rows)

    async def _walk(self, kind: str) -> None:
        table = TABLES[kind]
        for rows in self.ledger.pages(table, AT_ONCE):
            new = {row["n"] for row in rows if row["slug" if kind == "agent" else "key"]}
            wanted = await self._to_read(kind, rows)
            read = [row for row in rows if row["n"] in wanted]
            new -= {row["n"] for row in read}
            self.counts["created"] += len(new)
            changed = new | await self._read(kind, read)
            self.ledger.write(f"UPDATE {table} SET act = 1 WHERE n = ?", [(n,) for n in sorted(changed)])
            self.told(len(rows))

    async def _to_read(self, kind: str, rows: Sequence[dict[str, Any]]) -> set[int]:
        """The rows that are registered, or whose references want to be looked at."""
        if kind == "group":
            there = await live_groups(self.reader, {row["key"] for row in rows})
            return {row["n"] for row in rows if row["key"] in there}
        if kind == "person":
            people = await taken_people(self.reader, rows, self.findings)
            return {row["n"] for row in rows if row["key"] in people}
        agents = await taken_agents(self.reader, rows, self.findings)
        return {row["n"] for row in rows if self.suspect or row["heirs"] or row["slug"] in agents}

    async def _read(self, kind: str, rows: Sequence[dict[str, Any]]) -> set[int]:
        """Compare the entries of these rows; the numbers of those that differ."""
        entries: dict[int, Entry] = {}
        for row in rows:
            entry = read_line(self.file.at(row["at"]), row["line"]).entry
            if entry is not None:
                entries[row["n"]] = entry
        names = self.ledger.referred(keys_of(entries.values()))
        astray = {id(entry) for entry in lost(entries.values(), names)}
        kept = [row for row in rows if row["n"] in entries and id(entries[row["n"]]) not in astray]
        self.ledger.write(
            LOOK, [(row["at"], row["line"]) for row in rows if id(entries.get(row["n"])) in astray]
        )
        told = [entries[row["n"]] for row in kept]
        result = await compared(self.reader, self.ledger, kind, _manifest(told), names)
        for problem in result.problems:
            number = int(problem.where.partition("[")[2].partition("]")[0])
            where = kind + problem.where.partition("]")[2]
            self.findings.say(kept[number]["line"], kept[number]["at"], where, problem.message, problem.fix)
        found = result.found
        counts = found.counts()
        self.counts.update({name: counts[name] for name in ("created", "updated", "unchanged", "left")})
        differ = {made.key for made in found.creates} | {left.agent for left in found.leaves}
        differ |= {update.key for update in found.updates}
        return {row["n"] for row, entry in zip(kept, told, strict=True) if _key(entry) in differ}

    async def _members(self) -> None:
        """Mark memberships that are not there yet, and note those of nobody or of nothing."""
        last = ("", "")
        while rows := self.ledger.all(
            "SELECT grp, slug, line, at FROM member WHERE (grp, slug) > (?, ?) ORDER BY grp, slug LIMIT ?",
            *last,
            AT_ONCE,
        ):
            last = rows[-1][:2]
            names, slugs = {row[0] for row in rows}, {row[1] for row in rows}
            groups, agents = await live_groups(self.reader, names), await live_agents(self.reader, slugs)
            inside = await _inside(self.reader, groups, agents)
            known = {*groups, *self._own("grp", "key", names)}, {*agents, *self._own("agent", "slug", slugs)}
            wrong = [row for row in rows if row[0] not in known[0] or row[1] not in known[1]]
            self.ledger.write(LOOK, [(at, line) for _, _, line, at in wrong])
            joins = [row[:2] for row in rows if row[:2] not in inside]
            self.counts["joined"] += len(joins)
            self.ledger.write("UPDATE member SET act = 1 WHERE grp = ? AND slug = ?", joins)
            self.told(len(rows))

    def _own(self, table: str, column: str, wanted: Iterable[str]) -> set[str]:
        sql = f"SELECT {column} FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self.ledger.all(sql, listing(wanted))}


async def _inside(reader: Reader, groups: dict[str, str], agents: dict[str, str]) -> set[tuple[str, str]]:
    """The (folded group, slug) pairs among these that are memberships."""
    if not groups or not agents:
        return set()
    rows = await reader.all(
        f"SELECT group_id, member_id FROM sb_member WHERE group_id {among(reader.backend)}"
        f" AND member_id {among(reader.backend)}",
        listed(reader.backend, groups.values()),
        listed(reader.backend, agents.values()),
    )
    names = {group_id: name for name, group_id in groups.items()}
    slugs = {agent_id: slug for slug, agent_id in agents.items()}
    return {(names[row["group_id"]], slugs[row["member_id"]]) for row in rows}


def _manifest(entries: Iterable[Entry]) -> list[PersonEntry | GroupEntry | AgentEntry]:
    return [entry for entry in entries if isinstance(entry, PersonEntry | GroupEntry | AgentEntry)]


def _key(entry: Entry) -> str:
    if isinstance(entry, AgentEntry):
        return entry.slug
    return entry.user_name if isinstance(entry, PersonEntry) else getattr(entry, "name", "")
