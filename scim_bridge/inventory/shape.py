"""Typed reading of a tree: every value that is not what its key promises becomes a problem."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scim_bridge.inventory import forms
from scim_bridge.inventory.manifest import Position
from scim_bridge.inventory.problems import MOST, Problem, nearest, shown
from scim_bridge.inventory.source import Key, Mapping, Node, Scalar, Sequence, kind_of

MAX_LINE = 512
MAX_PROSE = 8_000
MAX_LIST = 10_000
# Characters that turn the reading order around make a name look like another one (Unicode TR36).
_REORDERING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SECRET_KEYS = re.compile(r"secret|passw|token|privatekey|apikey|^value$|^key$", re.IGNORECASE)

Read = Callable[["Reading", Scalar | Sequence | Mapping, str], object]


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an object: the attribute it becomes and the function that reads its value.

    `marked` keeps its place for later messages about what the value refers to.
    """

    key: str
    attribute: str
    read: Read
    required: bool = False
    marked: bool = False


class Reading:
    """The problems found so far, and the places of values that others may refer to."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.positions: dict[str, Position] = {}

    def say(self, node: Node, where: str, message: str, fix: str) -> None:
        """Add a problem at a value; past twice the number anybody is shown, it is dropped."""
        if not self.full:
            self.problems.append(Problem(node.line, node.column, where, message, fix))

    @property
    def full(self) -> bool:
        """True when there are more problems than will be shown."""
        return len(self.problems) >= 2 * MOST

    def mark(self, node: Node, where: str) -> None:
        """Keep the place of a value."""
        self.positions[where] = (node.line, node.column)

    def attributes(self, node: Node, where: str, fields: tuple[Field, ...]) -> dict[str, object]:
        """The attributes of an object that could be read, plus `given`: the names of all it had."""
        if not isinstance(node, Mapping):
            self.say(
                node, where, f"This is {kind_of(node)}.", f"Write {where or 'it'} as an object with keys."
            )
            return {"given": frozenset()}
        self.mark(node, where)
        by_key = {field.key: field for field in fields}
        values: dict[str, object] = {}
        given: set[str] = set()
        for key, value in node.items:
            field = by_key.get(key.text)
            path = f"{where}.{key.text}" if where else key.text
            if field is None:
                self._unknown(key, where, by_key)
                continue
            given.add(field.attribute)
            if _is_empty(value):
                if field.required:
                    self.say(value, path, f"'{key.text}' is empty.", "Give it a value.")
                continue
            if field.marked:
                self.mark(value, path)
            read = field.read(self, value, path)
            if read is not None:
                values[field.attribute] = read
        for field in fields:
            if field.required and field.attribute not in given:
                self.say(node, where, f"'{field.key}' is missing.", f"Add '{field.key}'.")
        values["given"] = frozenset(given)
        return values

    def items(self, node: Node, where: str) -> list[tuple[Node, str]]:
        """The values of a list with their paths."""
        if not isinstance(node, Sequence):
            self.say(node, where, f"This is {kind_of(node)}, not a list.", "Write it as a list.")
            return []
        return [(item, f"{where}[{number}]") for number, item in enumerate(node.items)]

    def _unknown(self, key: Key, where: str, known: Iterable[str]) -> None:
        if self.full:
            return
        text = key.text
        names = list(known)
        if _SECRET_KEYS.search(text.replace("_", "").replace("-", "")):
            message = f"The key {shown(text)} would hold a secret; a manifest holds none."
            fix = "Remove it, revoke that secret, and say under 'reference' where its successor is kept."
        else:
            message = f"The key {shown(text)} is not known here."
            fix = nearest(text, names) or f"Known keys: {', '.join(names)}."
        self.problems.append(Problem(key.line, key.column, where, message, fix))


def line(reading: Reading, node: Node, where: str) -> str | None:
    """Text on one line."""
    return _text(reading, node, where, MAX_LINE, multiline=False)


def prose(reading: Reading, node: Node, where: str) -> str | None:
    """Text that may have several lines."""
    return _text(reading, node, where, MAX_PROSE, multiline=True)


def truth(reading: Reading, node: Node, where: str) -> bool | None:
    """True or false, unquoted."""
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    reading.say(node, where, f"This is {kind_of(node)}.", "Write true or false, without quotes.")
    return None


def moment(reading: Reading, node: Node, where: str) -> int | None:
    """A date or an RFC 3339 instant, as microseconds since the epoch."""
    text = line(reading, node, where)
    if text is None:
        return None
    try:
        return forms.instant(text)
    except ValueError:
        fix = "Write 2027-03-31, or 2027-03-31T18:00:00Z with a zone."
        reading.say(node, where, f"{shown(text)} is not a date that exists.", fix)
        return None


def lines(reading: Reading, node: Node, where: str) -> tuple[str, ...] | None:
    """A list of different texts, in order."""
    found: dict[str, None] = {}
    if isinstance(node, Sequence) and len(node.items) > MAX_LIST:
        reading.say(
            node, where, f"The list has {len(node.items):,} values.", f"At most {MAX_LIST:,} are read."
        )
        return None
    for item, path in reading.items(node, where):
        text = None if _is_empty(item) else line(reading, item, path)
        if _is_empty(item):
            reading.say(item, path, "This value is empty.", "Remove it.")
        if text is None:
            continue
        if text in found:
            reading.say(item, path, f"{shown(text)} is in the list twice.", "Keep one of them.")
            continue
        found[text] = None
    return tuple(found)


def references(reading: Reading, node: Node, where: str) -> tuple[str, ...] | None:
    """A list of names of other things; each keeps its place."""
    if isinstance(node, Sequence):
        for number, item in enumerate(node.items):
            reading.mark(item, f"{where}[{number}]")
    return lines(reading, node, where)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    options: tuple[str, ...]

    def __call__(self, reading: Reading, node: Node, where: str) -> str | None:
        """The word, or None and a problem."""
        text = line(reading, node, where)
        if text is None or text in self.options:
            return text
        words = ", ".join(self.options)
        fix = nearest(text, self.options) or f"Write one of: {words}."
        reading.say(node, where, f"{shown(text)} is not one of {words}.", fix)
        return None


@dataclass(frozen=True, slots=True)
class Checked:
    """One line of text in a form that `fault` finds nothing wrong with."""

    fault: Callable[[str], str]
    fix: str
    shows_value: bool = True

    def __call__(self, reading: Reading, node: Node, where: str) -> str | None:
        """The text, or None and a problem."""
        text = line(reading, node, where)
        if text is None:
            return None
        wrong = self.fault(text)
        if wrong:
            reading.say(node, where, f"{shown(text)}: {wrong}" if self.shows_value else wrong, self.fix)
            return None
        return text


def choice(*options: str) -> Read:
    """One of some words."""
    return Choice(options)


def checked(fault: Callable[[str], str], fix: str, *, shows_value: bool = True) -> Read:
    """One line of text in a form that `fault` finds nothing wrong with."""
    return Checked(fault, fix, shows_value)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and (node.value is None or node.value == "")


def _text(reading: Reading, node: Node, where: str, longest: int, *, multiline: bool) -> str | None:
    # Unquoted YAML such as `version: 1.10` or `department: NO` is meant as the text it looks like.
    if not isinstance(node, Scalar) or not (isinstance(node.value, str) or node.loose):
        reading.say(node, where, f"This is {kind_of(node)}, not text.", "Write it as text in quotes.")
        return None
    text = node.source.strip()
    if multiline:
        text = text.replace("\r\n", "\n")
    if not text:
        reading.say(node, where, "This text is only white space.", "Give it a value or remove it.")
        return None
    if len(text) > longest:
        reading.say(
            node, where, f"This text has {len(text):,} characters.", f"At most {longest:,} are taken."
        )
        return None
    if text.isprintable():
        return text
    for char in text:
        if char.isprintable() or (multiline and char in "\n\t"):
            continue
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _REORDERING:
            kind = "A line break" if char in "\n\r\x85\u2028\u2029" else f"The character U+{ord(char):04X}"
            reading.say(node, where, f"{kind} is not allowed in this text.", "Remove it.")
            return None
    return text
