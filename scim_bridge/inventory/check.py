"""Rules between entries: names given twice, and references that lead nowhere or to themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from scim_bridge.inventory.manifest import Manifest
from scim_bridge.inventory.problems import Problem, nearest, shown

# Looking for the nearest of thousands of names takes milliseconds; a file of wrong names has thousands.
MOST_HINTS = 100


def check(
    manifest: Manifest,
    known_people: Collection[str],
    known_groups: Collection[str],
    known_agents: Collection[str] = (),
    aliases: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Every reference of the manifest that leads nowhere, to the wrong kind of thing, or to itself.

    `known_people` are userNames and e-mails, `known_groups` names, `known_agents` slugs of what is
    registered already, `aliases` the userNames behind such (folded) e-mails. Names of people and groups
    compare without case (RFC 7643 section 8.7.1).
    Values that could not be read are empty here and are not reported a second time.
    """
    names = _Names(manifest, known_people, known_groups, known_agents, aliases or {})
    return [*_people(manifest, names), *_groups(manifest, names), *_agents(manifest, names)]


def duplicates(manifest: Manifest) -> list[Problem]:
    """Names, slugs, e-mails and workload ids that two entries of the file share."""
    people = [(f"people[{n}].userName", person.user_name) for n, person in enumerate(manifest.people)]
    slugs = [agent.slug for agent in manifest.agents]
    first = {slug: n for n, slug in reversed(list(enumerate(slugs)))}
    # A slug given twice makes the same userName twice; saying so once is enough.
    robots = [
        (f"agents[{n}].userName", agent.user_name)
        for n, agent in enumerate(manifest.agents)
        if "user_name" in agent.given or first[agent.slug] == n
    ]
    return [
        *_repeated(manifest, "slug", [(f"agents[{n}].slug", slug) for n, slug in enumerate(slugs)]),
        # People and agents are all Users in SCIM, so they share one space of userNames.
        *_repeated(manifest, "userName", [*people, *robots]),
        *_repeated(
            manifest, "email", [(f"people[{n}].email", p.email) for n, p in enumerate(manifest.people)]
        ),
        *_repeated(manifest, "name", [(f"groups[{n}].name", g.name) for n, g in enumerate(manifest.groups)]),
        *_repeated(
            manifest,
            "workloadId",
            [(f"agents[{n}].workloadId", a.workload_id) for n, a in enumerate(manifest.agents)],
            folded=False,
        ),
    ]


class _Names:
    """What a reference may lead to, compared without case."""

    def __init__(
        self,
        manifest: Manifest,
        known_people: Collection[str],
        known_groups: Collection[str],
        known_agents: Collection[str],
        aliases: Mapping[str, str],
    ) -> None:
        own = [name for person in manifest.people for name in (person.user_name, person.email) if name]
        self.people = {name.casefold(): name for name in (*known_people, *own)}
        groups = (*known_groups, *(group.name for group in manifest.groups))
        self.groups = {name.casefold(): name for name in groups if name}
        self.agents = {agent.slug for agent in manifest.agents if agent.slug} | set(known_agents)
        self.robots = {agent.user_name.casefold() for agent in manifest.agents} | self.agents
        self._hints_left = MOST_HINTS
        # Two spellings of one person, so that a user name and an e-mail are seen to be the same one.
        self._same = {address: name.casefold() for address, name in aliases.items()}
        self._same |= {
            person.email.casefold(): person.user_name.casefold()
            for person in manifest.people
            if person.email and person.user_name
        }
        self._same |= {person.user_name.casefold(): person.user_name.casefold() for person in manifest.people}

    def hint(self, reference: str, candidates: Collection[str], otherwise: str) -> str:
        """The candidate somebody may have meant; after some of those only the plain advice."""
        if self._hints_left == 0:
            return otherwise
        self._hints_left -= 1
        return nearest(reference, candidates) or otherwise

    def who(self, reference: str) -> str:
        """One spelling for each person."""
        folded = reference.casefold()
        return self._same.get(folded, folded)

    def person_fault(self, reference: str) -> tuple[str, str] | None:
        """Message and fix when a reference does not lead to a person."""
        folded = reference.casefold()
        if folded in self.people:
            return None
        if folded in self.robots:
            return f"{shown(reference)} is an agent; people answer for agents.", "Name a person."
        if folded in self.groups:
            return f"{shown(reference)} is a group; a person has to answer.", "Name a person."
        fix = self.hint(
            reference,
            self.people.values(),
            "Correct the name, or bring in the person first: under 'people', or with an import of people before"
            " this one (CSV holds agents only).",
        )
        return f"{shown(reference)} is not a known person.", fix


def _at(manifest: Manifest, where: str, message: str, fix: str) -> Problem:
    line, column = manifest.position(where)
    return Problem(line, column, where, message, fix)


def _repeated(
    manifest: Manifest, key: str, values: Iterable[tuple[str, str]], *, folded: bool = True
) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for where, value in values:
        name = value.casefold() if folded else value
        if not name:
            continue
        if name in seen:
            line = manifest.position(seen[name])[0]
            message = f"The {key} {shown(value)} is taken by {seen[name].partition('.')[0]} on line {line}."
            yield _at(manifest, where, message, f"Give each its own {key}.")
        else:
            seen[name] = where


def _people(manifest: Manifest, names: _Names) -> Iterator[Problem]:
    above: dict[str, str] = {}
    for number, person in enumerate(manifest.people):
        where = f"people[{number}].manager"
        if not person.manager:
            continue
        fault = names.person_fault(person.manager)
        if fault:
            yield _at(manifest, where, *fault)
        elif names.who(person.manager) == person.user_name.casefold():
            yield _at(manifest, where, "A person cannot be their own manager.", "Name somebody else.")
        elif person.user_name:
            above[person.user_name.casefold()] = names.who(person.manager)
    yield from _circles(manifest, above)


def _circles(manifest: Manifest, above: dict[str, str]) -> Iterator[Problem]:
    """Managers in a circle: succession through the managers would never end."""
    done: set[str] = set()
    for number, person in enumerate(manifest.people):
        walk: dict[str, None] = {}
        name: str | None = person.user_name.casefold()
        while name is not None and name not in done and name not in walk:
            walk[name] = None
            name = above.get(name)
        if name is not None and name in walk:
            steps = list(walk)
            circle = " → ".join([*steps[steps.index(name) :], name])
            where = f"people[{number}].manager"
            yield _at(manifest, where, f"Managers form a circle: {circle}.", "Break it in one place.")
        done.update(walk)


def _groups(manifest: Manifest, names: _Names) -> Iterator[Problem]:
    for number, group in enumerate(manifest.groups):
        where = f"groups[{number}]"
        if group.owner:
            fault = names.person_fault(group.owner)
            if fault:
                yield _at(manifest, f"{where}.owner", *fault)
        for index, slug in enumerate(group.members):
            if slug not in names.agents:
                fix = names.hint(slug, names.agents, "Add the agent, or correct its slug.")
                yield _at(manifest, f"{where}.members[{index}]", f"{shown(slug)} is not a known agent.", fix)


def _agents(manifest: Manifest, names: _Names) -> Iterator[Problem]:
    for number, agent in enumerate(manifest.agents):
        where = f"agents[{number}]"
        answerable = [(f"{where}.owner", agent.owner)] if agent.owner else []
        answerable += [(f"{where}.coOwners[{n}]", name) for n, name in enumerate(agent.co_owners)]
        sponsors = [(f"{where}.sponsors[{n}]", name) for n, name in enumerate(agent.sponsors)]
        for path, reference in (*answerable, *sponsors):
            fault = names.person_fault(reference)
            if fault:
                yield _at(manifest, path, *fault)
        seen: set[str] = set()
        for path, reference in answerable:
            if names.who(reference) in seen:
                message = f"{shown(reference)} is owner or co-owner of this agent already."
                yield _at(manifest, path, message, "A co-owner is somebody else, who can take over.")
            seen.add(names.who(reference))
        for index, group in enumerate(agent.groups):
            if group.casefold() not in names.groups:
                fix = names.hint(
                    group, names.groups.values(), "Add the group under 'groups', or correct the name."
                )
                yield _at(manifest, f"{where}.groups[{index}]", f"{shown(group)} is not a known group.", fix)
