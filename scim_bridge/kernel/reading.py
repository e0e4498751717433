"""Reading a YAML table key by key: every problem with its line and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE

DURATION = re.compile(r"(\d{1,5}) ?([mhd])")
UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong on which line, and what to do."""

    line: int
    message: str
    fix: str


@dataclass(slots=True)
class Problems:
    """What was found wrong, in the order of the file."""

    found: list[Problem] = field(default_factory=list)

    def add(self, node: Any, message: str, fix: str) -> None:
        """One more problem, at this node."""
        self.found.append(Problem(node.start_mark.line + 1, message, fix))


def compose(text: str, problems: Problems) -> Any:
    """The root of a YAML text; None, and a problem, when it is none or too odd to be read."""
    try:
        return yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        what = getattr(error, "problem", None) or "it cannot be read"
        problems.found.append(Problem(line, f"This is not YAML: {what}.", "Mend that line."))
    except (RecursionError, UnicodeError):
        problems.found.append(Problem(1, "This is not YAML we read.", "Write plain keys and values."))
    return None


class Table:
    """A YAML mapping: keys are taken one by one, and what nobody took is a problem."""

    def __init__(self, node: Any, path: str, problems: Problems) -> None:
        self.node, self.path, self.problems = node, path, problems
        self._left: dict[str, Any] = {}
        self._keys: dict[str, Any] = {}
        self._known: list[str] = []
        if not isinstance(node, yaml.MappingNode):
            problems.add(node, f"{path or 'The file'} is no table.", "Write keys with values below it.")
            return
        for key, value in node.value:
            name = str(key.value)
            if name in self._left:
                problems.add(key, f"{self._path(name)} is written twice.", "Keep one of them.")
            self._left[name], self._keys[name] = value, key

    def _path(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def node_of(self, key: str) -> Any:
        """The value of a key, taken; None when it is not there."""
        self._known.append(key)
        return self._left.pop(key, None)

    def table(self, key: str) -> Table | None:
        """A table within this one, taken."""
        node = self.node_of(key)
        return None if node is None else Table(node, self._path(key), self.problems)

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Every key that is left with its table, taken: where names are the reader's own."""
        for key in list(self._left):
            yield key, Table(self._left.pop(key), self._path(key), self.problems)

    def items(self, key: str) -> Iterator[Table]:
        """The tables of a list, taken, each known by its number."""
        node = self.node_of(key)
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            self.problems.add(node, f"{self._path(key)} is no list.", "Write one entry after a dash each.")
            return
        for number, item in enumerate(node.value, start=1):
            yield Table(item, f"{self._path(key)}[{number}]", self.problems)

    def number(self, key: str, default: int, most: int) -> int:
        """A whole number from 0 on."""
        node = self.node_of(key)
        if node is None:
            return default
        text = _text(node)
        if text is None or not text.isascii() or not text.isdigit() or int(text[:9]) > most:
            self.problems.add(
                node, f"{self._path(key)} is {_shown(node)}.", f"Write a whole number from 0 to {most}."
            )
            return default
        return int(text)

    def duration(self, key: str, default: int) -> int:
        """A duration such as 90m, 8h or 2d, in microseconds."""
        node = self.node_of(key)
        if node is None:
            return default
        text = _text(node)
        if text == "0":
            return 0
        match = DURATION.fullmatch(text or "")
        if match is None:
            self.problems.add(
                node,
                f"{self._path(key)} is {_shown(node)}.",
                "Write minutes, hours or days: 90m, 8h, 2d, 0 for none.",
            )
            return default
        return int(match[1]) * UNITS[match[2]]

    def words(
        self, key: str, default: Sequence[str], allowed: Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """A list of words (one word is a list of one), each of the allowed ones when there are such."""
        node = self.node_of(key)
        if node is None:
            return tuple(default)
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return tuple(word for item in items if (word := self._word(item, key, allowed)) is not None)

    def word(self, key: str, default: str, allowed: Sequence[str] | None = None) -> str:
        """One word."""
        node = self.node_of(key)
        found = None if node is None else self._word(node, key, allowed)
        return default if found is None else found

    def truth(self, key: str, default: bool) -> bool:
        """true or false."""
        return self.word(key, "true" if default else "false", ("true", "false")) == "true"

    def _word(self, node: Any, key: str, allowed: Sequence[str] | None) -> str | None:
        text = _text(node)
        if text is not None and (allowed is None or text in allowed):
            return text
        close = difflib.get_close_matches(text or "", allowed or (), n=1)
        fix = f"Did you mean {close[0]}?" if close else f"Use {', '.join(allowed or ('a word',))}."
        self.problems.add(node, f"{self._path(key)} cannot be {_shown(node)}.", fix)
        return None

    def rest(self) -> None:
        """Everything nobody took is unknown: a slip of the pen must not switch a rule off."""
        for key in self._left:
            close = difflib.get_close_matches(key, self._known, n=1)
            fix = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(sorted(set(self._known)))}."
            self.problems.add(self._keys[key], f"{self._path(key)} is not known.", fix)


def _text(node: Any) -> str | None:
    return str(node.value).strip() if isinstance(node, yaml.ScalarNode) and node.value != "" else None


def _shown(node: Any) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(str(node.value)[:40]) if node.value != "" else "empty"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a table"
