"""First pass: the whole file is read and checked, by itself and beside the registry. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from scim_bridge.inventory.lines.careful import read_line
from scim_bridge.inventory.lines.duplicates import duplicates
from scim_bridge.inventory.lines.faults import faults
from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.lines.ledger import Ledger
from scim_bridge.inventory.lines.managers import order
from scim_bridge.inventory.lines.meaning import Meaning
from scim_bridge.inventory.lines.people_meant import resolve
from scim_bridge.inventory.lines.progress import Progress, Stopped
from scim_bridge.inventory.lines.stream import LineFile
from scim_bridge.inventory.problems import Problem
from scim_bridge.kernel.database import Reader

LOOK_UP = 2_000


@dataclass(frozen=True, slots=True)
class Checked:
    """A file without problems: entries in it, and how many would be created, updated and so on."""

    entries: int
    counts: Counter[str]


async def checked(
    reader: Reader, file: LineFile, ledger: Ledger, progress: Progress, stopping: Callable[[], bool]
) -> Checked:
    """Fill the ledger; ManifestProblems with all that is wrong. Stopped when told to stop."""
    findings = Findings(file)
    entries = _read(file, ledger, findings, progress, stopping)
    if not entries and not findings.count:
        findings.add([Problem(1, None, "", "The file is empty.", 'Write lines such as {"agent": {…}}.')])
    ledger.complete()
    duplicates(ledger, findings)
    await resolve(reader, ledger)
    order(ledger, findings)
    progress.begin("comparing", sum(ledger.count(table) for table in ("person", "grp", "agent", "member")))

    def told(count: int) -> None:
        progress.advance(count)
        if stopping():
            raise Stopped

    meaning = Meaning(reader, ledger, file, findings, told)
    await meaning.compare()
    await faults(reader, ledger, file, findings)
    findings.stop_at_any()
    file.must_be_the_same()
    return Checked(entries, meaning.counts)


def _read(
    file: LineFile, ledger: Ledger, findings: Findings, progress: Progress, stopping: Callable[[], bool]
) -> int:
    progress.begin("checking", file.size)
    entries = since = 0
    for line in file.lines():
        if line.problem is not None:
            findings.add([line.problem])
            continue
        found = read_line(line.data, line.number)
        entries += 1
        findings.add(found.problems)
        if found.entry is not None:
            ledger.add(found.entry, line.number, line.at)
        if entries % LOOK_UP == 0:
            progress.advance(line.at - since)
            since = line.at
            if stopping():
                raise Stopped
    progress.advance(file.size - since)
    return entries
