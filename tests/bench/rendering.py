"""What an import costs without a database: read the lines, check them, render every document.

Checked is what the file says by itself: the form of each entry, names given twice, owners who are there.
Every value is read with its place, as in a manifest in one piece; with --quick as lines are that are right.

python -m tests.bench.rendering manifest.jsonl [--quick]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from scim_bridge.inventory.documents import agent_document as document
from scim_bridge.inventory.documents import person_document
from scim_bridge.inventory.lines.careful import ReadLine, careful, read_line
from scim_bridge.inventory.lines.duplicates import duplicates
from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.lines.ledger import Ledger
from scim_bridge.inventory.lines.quick import Entry
from scim_bridge.inventory.lines.stream import LineFile
from scim_bridge.inventory.manifest import AgentEntry, PersonEntry
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.registry.model import Attestation, Owners, PersonRef, agent_document, fold, rendered


class Rendering:
    """Renders entries; people come before the agents they own."""

    def __init__(self) -> None:
        clock = SystemClock()
        self._ids, self._now = UuidV7(clock), clock.now()
        self._people: dict[str, PersonRef] = {}

    def render(self, entry: Entry) -> None:
        """Make the document an import would store and serve."""
        made = self._ids.new()
        if isinstance(entry, PersonEntry):
            rendered(made, person_document(entry, None), True)
            person = PersonRef(made, entry.user_name, entry.shown_name, entry.email)
            self._people[fold(entry.user_name)] = person
        elif isinstance(entry, AgentEntry):
            owner = self._people[fold(entry.owner)]
            doc = document(entry, owner.id, (), ())
            agent_document(made, doc, True, Owners(owner), (), Attestation(), None, None, self._now)


def main(path: Path, read: Callable[[bytes, int], ReadLine]) -> int:
    """How many documents were rendered."""
    rendering, count = Rendering(), 0
    with closing(LineFile(path)) as file, closing(Ledger()) as ledger:
        findings = Findings(file)
        for line in file.lines():
            found = read(line.data, line.number)
            findings.add(found.problems)
            assert found.entry is not None
            ledger.add(found.entry, line.number, line.at)
            rendering.render(found.entry)
            count += 1
        ledger.complete()
        duplicates(ledger, findings)
        findings.stop_at_any()
    return count


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), read_line if "--quick" in sys.argv else careful))
