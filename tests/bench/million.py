"""A file of lines that is as large as they come: agents, their owners, and one group of many of them.

python -m tests.bench.million FILE [--agents 1000000] [--people 20000] [--members 100000]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from scim_bridge.inventory.manifest import AgentEntry, PersonEntry
from tests.bench.population import agent, person, person_name, slug

GROUP = "Everybody's assistants"


def person_said(entry: PersonEntry) -> dict[str, Any]:
    """A person as a manifest says it."""
    return {
        "userName": entry.user_name,
        "givenName": entry.given_name,
        "familyName": entry.family_name,
        "email": entry.email,
        "department": entry.department,
        "title": entry.title,
    }


def agent_said(entry: AgentEntry) -> dict[str, Any]:
    """An agent as a manifest says it."""
    return {
        "slug": entry.slug,
        "name": entry.name,
        "purpose": entry.purpose,
        "platform": entry.platform,
        "environment": entry.environment,
        "riskTier": entry.risk_tier,
        "owner": entry.owner,
        "model": entry.model,
        "version": entry.version,
        "tools": list(entry.tools),
        "resources": list(entry.resources),
        "userName": entry.user_name,
    }


def lines(agents: int, people: int, members: int) -> Iterator[dict[str, Any]]:
    """The entries of the file: agents first, so that every reference leads forward."""
    for number in range(agents):
        yield {"agent": {**agent_said(agent(number, agents)), "owner": person_name(number % people)}}
    for number in range(members):
        yield {"member": {"group": GROUP, "agent": slug(number * (agents // members))}}
    if members:
        yield {"group": {"name": GROUP, "description": "A tenth of all agents", "owner": person_name(0)}}
    for number in range(people):
        yield {"person": person_said(person(number))}


def write(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Write one entry a line."""
    with path.open("wb") as file:
        for entry in entries:
            file.write(orjson.dumps(entry) + b"\n")


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.million", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--agents", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--members", type=int, default=100_000)
    read = parser.parse_args()
    write(read.file, lines(read.agents, read.people, read.members))


if __name__ == "__main__":
    main()
