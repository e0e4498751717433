"""Who manages whom inside a file: circles, and how deep each person stands, so that managers arrive first."""

from __future__ import annotations

from array import array

from scim_bridge.inventory.lines.findings import Findings
from scim_bridge.inventory.lines.ledger import Ledger

_ABOVE = (
    "SELECT p.n, m.n FROM person p CROSS JOIN reference r CROSS JOIN person m"
    " WHERE p.manager <> '' AND r.key = p.manager AND m.key = casefold(r.name)"
)


def order(ledger: Ledger, findings: Findings) -> None:
    """Write how many managers stand above each person; say where they form a circle.

    A person who is their own manager is for others to report.
    """
    above = array("q", bytes(8 * (ledger.count("person") + 1)))
    for person, manager in ledger.each(_ABOVE):
        above[person] = manager
    depth = array("q", [-1]) * len(above)
    for start in range(1, len(above)):
        walk: list[int] = []
        at = start
        while at and depth[at] < 0:
            depth[at] = 0
            walk.append(at)
            at = above[at]
        if at in walk and at != above[at]:
            _circle(ledger, findings, start, [*walk[walk.index(at) :], at])
            continue
        for person in reversed(walk):
            parent = above[person]
            depth[person] = depth[parent] + 1 if parent and parent != person else 0
    deep = ((depth[n], n) for n in range(1, len(depth)) if depth[n])
    ledger.write("UPDATE person SET depth = ? WHERE n = ?", deep)


def _circle(ledger: Ledger, findings: Findings, start: int, steps: list[int]) -> None:
    names = {n: ledger.all("SELECT key FROM person WHERE n = ?", n)[0][0] for n in set(steps)}
    line, at = ledger.all("SELECT line, at FROM person WHERE n = ?", start)[0]
    message = f"Managers form a circle: {' → '.join(names[n] for n in steps)}."
    findings.say(line, at, "person.manager", message, "Break it in one place.")
