"""One line with everything that is wrong with it, and the place of each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scim_bridge.inventory.json_source import read_json
from scim_bridge.inventory.lines.quick import KINDS, Entry, quick
from scim_bridge.inventory.manifest import Position
from scim_bridge.inventory.problems import Problem, nearest, shown
from scim_bridge.inventory.shape import Reading
from scim_bridge.inventory.source import Mapping as Object
from scim_bridge.inventory.source import Node, Unreadable, decoded, kind_of

FORM = 'Write {"agent": {…}}, or person, group or member.'


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line as it was read: kind and entry as far as there are any, problems, and places by path."""

    kind: str = ""
    entry: Entry | None = None
    problems: tuple[Problem, ...] = ()
    places: Mapping[str, Position] = field(default_factory=dict)

    def column(self, where: str) -> int | None:
        """The column of a path such as `agent.owner`, or of the nearest parent the line has."""
        while where:
            if where in self.places:
                return self.places[where][1]
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return None


def read_line(data: bytes, number: int) -> ReadLine:
    """A line of the file, `number` counted from 1."""
    found = quick(data)
    return careful(data, number) if found is None else ReadLine(*found)


def careful(data: bytes, number: int) -> ReadLine:
    """The same, slowly and with places."""
    try:
        root, problems = read_json(decoded(data))
    except Unreadable as unreadable:
        return ReadLine(problems=(replace(unreadable.problem, line=number),))
    reading = Reading()
    kind, node = _opened(reading, root)
    if node is None:
        return ReadLine(kind, problems=_at(number, [*problems, *reading.problems]))
    table, make = KINDS[kind]
    values = reading.attributes(node, kind, table)
    return ReadLine(kind, make(values), _at(number, [*problems, *reading.problems]), reading.positions)


def _at(number: int, problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(
        replace(problem, line=number, message=problem.message.replace("; the first is on line 1", ""))
        for problem in problems
    )


def _opened(reading: Reading, root: Node | None) -> tuple[str, Node | None]:
    """The kind of a line's entry and the entry itself; a problem when there are not just those."""
    if not isinstance(root, Object):
        if root is not None:
            reading.say(root, "", f"The line is {kind_of(root)}, not an entry.", FORM)
        return "", None
    if len(root.items) != 1:
        names = ", ".join(shown(key.text) for key, _ in root.items[:3]) or "none"
        reading.say(root, "", f"A line holds one entry under one key; here: {names}.", FORM)
        return "", None
    ((key, node),) = root.items
    if key.text in ("people", "groups", "agents"):
        message = f"{shown(key.text)} begins a manifest in one piece."
        reading.say(root, "", message, "Name the file .json, or write one entry a line: " + FORM)
        return "", None
    if key.text not in KINDS:
        fix = nearest(key.text, list(KINDS)) or FORM
        reading.say(root, "", f"{shown(key.text)} is no kind of entry.", fix)
        return "", None
    return key.text, node
