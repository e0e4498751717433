"""Lines with a reference that leads nowhere, to the wrong kind of thing or to itself: what is wrong, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scim_bridge.inventory.check import check
from scim_bridge.inventory.current_agents import live_agents
from scim_bridge.inventory.current_groups import live_groups
from scim_bridge.inventory.lines.careful import ReadLine, careful
from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.lines.ledger import Ledger, listing, robot
from scim_bridge.inventory.lines.referring import keys_of
from scim_bridge.inventory.lines.stream import LineFile
from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, Manifest, MemberEntry, PersonEntry
from scim_bridge.inventory.problems import MOST_CANDIDATES, Problem, nearest, shown
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import fold

AT_ONCE = 500
_LISTS = {"people": "person", "groups": "group", "agents": "agent"}
_PLACE = re.compile(r"(people|groups|agents)\[(\d+)\]")


async def faults(reader: Reader, ledger: Ledger, file: LineFile, findings: Findings) -> None:
    """Read the lines noted to be looked at with care, and say what is wrong in each."""
    last = -1
    while rows := ledger.all("SELECT at, line FROM look WHERE at > ? ORDER BY at LIMIT ?", last, AT_ONCE):
        last = rows[-1][0]
        page = _Page()
        for at, line in rows:
            page.add(line, careful(file.at(at), line))
        findings.add(await page.problems(reader, ledger))


@dataclass(slots=True)
class _Page:
    """Lines that are looked at together, as the manifest they would make."""

    people: list[PersonEntry] = field(default_factory=list)
    groups: list[GroupEntry] = field(default_factory=list)
    agents: list[AgentEntry] = field(default_factory=list)
    members: list[tuple[int, ReadLine, MemberEntry]] = field(default_factory=list)
    read: dict[str, tuple[int, ReadLine]] = field(default_factory=dict)

    def add(self, line: int, found: ReadLine) -> None:
        entry = found.entry
        if isinstance(entry, MemberEntry):
            self.members.append((line, found, entry))
        elif entry is not None:
            name, into = self._list(entry)
            self.read[f"{name}[{len(into)}]"] = (line, found)
            into.append(entry)

    def _list(self, entry: PersonEntry | GroupEntry | AgentEntry) -> tuple[str, list[Any]]:
        if isinstance(entry, AgentEntry):
            return "agents", self.agents
        return ("people", self.people) if isinstance(entry, PersonEntry) else ("groups", self.groups)

    async def problems(self, reader: Reader, ledger: Ledger) -> list[Problem]:
        names = keys_of([*self.people, *self.groups, *self.agents])
        known = ledger.referred(names)
        # Who is meant by an e-mail has to be seen, for one person may be named in two ways.
        aliases = {key: ref.name for key, ref in known.items() if fold(ref.name) != key}
        people = [_without_circles(person, known) for person in self.people]
        agents = [*self.agents, *_robots(ledger, names - known.keys())]
        manifest = Manifest(tuple(people), tuple(self.groups), tuple(agents))
        groups = await self._groups(reader, ledger, names - known.keys())
        slugs = await self._slugs(reader, ledger)
        everybody = {*known, *_few(ledger, "person", "name")}
        all_groups, all_slugs = _few(ledger, "grp", "name"), _few(ledger, "agent", "slug")
        found = check(manifest, everybody, {*groups, *all_groups}, {*slugs, *all_slugs}, aliases)
        return [*self._placed(found), *_members(self.members, groups, slugs, ledger)]

    async def _groups(self, reader: Reader, ledger: Ledger, lost: set[str]) -> set[str]:
        wanted = {fold(name) for agent in self.agents for name in agent.groups} | lost
        wanted |= {fold(entry.group) for _, _, entry in self.members}
        return {*await live_groups(reader, wanted), *_there(ledger, "grp", "key", wanted)}

    async def _slugs(self, reader: Reader, ledger: Ledger) -> set[str]:
        wanted = {slug for group in self.groups for slug in group.members}
        wanted |= {entry.agent for _, _, entry in self.members}
        return {*await live_agents(reader, wanted), *_there(ledger, "agent", "slug", wanted)}

    def _placed(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        for problem in problems:
            match = _PLACE.match(problem.where)
            if match is not None and match.group() in self.read:
                line, found = self.read[match.group()]
                where = _LISTS[match.group(1)] + problem.where[match.end() :]
                yield replace(problem, line=line, column=found.column(where), where=where)


def _members(
    members: Iterable[tuple[int, ReadLine, MemberEntry]], groups: set[str], slugs: set[str], ledger: Ledger
) -> Iterator[Problem]:
    for line, found, entry in members:
        if entry.group and fold(entry.group) not in groups:
            fix = nearest(entry.group, _few(ledger, "grp", "name")) or "Add the group, or correct the name."
            message = f"{shown(entry.group)} is not a known group."
            yield Problem(line, found.column("member.group"), "member.group", message, fix)
        if entry.agent and entry.agent not in slugs:
            fix = nearest(entry.agent, _few(ledger, "agent", "slug")) or "Add the agent, or correct its slug."
            message = f"{shown(entry.agent)} is not a known agent."
            yield Problem(line, found.column("member.agent"), "member.agent", message, fix)


def _without_circles(person: PersonEntry, known: Mapping[str, Any]) -> PersonEntry:
    """Circles are looked for in the whole file, so here only who is nobody, or oneself, counts."""
    found = known.get(fold(person.manager))
    keep = found is None or fold(found.name) == fold(person.user_name)
    return person if keep else replace(person, manager="")


def _robots(ledger: Ledger, lost: set[str]) -> list[AgentEntry]:
    """Agents of the file that are named where a person should be."""
    slugs = _there(ledger, "agent", "slug", {robot(name) or name for name in lost} | lost)
    users = _there(ledger, "agent", "user_key", lost)
    named = (name for name in lost if name in slugs or name in users or robot(name) in slugs)
    return [AgentEntry("", "", "", "", "", "", "", user_name=name) for name in named]


def _there(ledger: Ledger, table: str, column: str, wanted: Iterable[str]) -> set[str]:
    sql = f"SELECT {column} FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
    return {row[0] for row in ledger.all(sql, listing(wanted))}


def _few(ledger: Ledger, table: str, column: str) -> list[str]:
    """All names of a kind, where there are so few that one of them may be meant; else none."""
    rows = ledger.all(f"SELECT {column} FROM {table} WHERE {column} <> '' LIMIT {MOST_CANDIDATES + 1}")
    return [row[0] for row in rows] if len(rows) <= MOST_CANDIDATES else []
