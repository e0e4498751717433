"""What an import costs without a database: read the manifest, check it, render every document.

python -m tests.bench.rendering manifest.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from scim_bridge.inventory.documents import agent_document as document
from scim_bridge.inventory.documents import person_document
from scim_bridge.inventory.read import read_checked
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.registry.model import Attestation, Owners, PersonRef, agent_document, fold, rendered


def main(file: Path) -> int:
    """How many documents were rendered."""
    clock = SystemClock()
    ids, now = UuidV7(clock), clock.now()
    manifest = read_checked(file.read_bytes(), file.name)
    people: dict[str, PersonRef] = {}
    for entry in manifest.people:
        person_id = ids.new()
        rendered(person_id, person_document(entry, None), True)
        people[fold(entry.user_name)] = PersonRef(person_id, entry.user_name, entry.shown_name, entry.email)
    for agent in manifest.agents:
        owner = people[fold(agent.owner)]
        doc = document(agent, owner.id, (), ())
        agent_document(ids.new(), doc, True, Owners(owner), (), Attestation(), None, None, now)
    return len(manifest.people) + len(manifest.agents)


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
