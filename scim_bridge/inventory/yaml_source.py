"""YAML 1.1 text as a tree with places, built from parser events.

Events instead of yaml.load, because loading runs tags, follows merge keys, expands alias bombs,
recurses with the depth of the file, keeps the last of two equal keys and forgets where all of it
stood. None of that can happen here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from scim_bridge.inventory.problems import Problem, shown
from scim_bridge.inventory.source import (
    INSTEAD,
    MAX_DEPTH,
    MAX_NODES,
    Key,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Unreadable,
)

MAX_ANCHORS = 1_000
# Nodes that aliases add by repeating what an anchor holds ("billion laughs" needs millions).
MAX_REPEATED = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
}
_TEXT_TAG = "tag:yaml.org,2002:str"
_EMPTY = {"", "~", "null", "Null", "NULL"}
_TRUTH = re.compile(r"(?i:(true|yes|on)|(false|no|off))")


@dataclass(slots=True)
class _Frame:
    """A container that is still open; `size` counts its nodes with aliases written out."""

    node: Mapping | Sequence
    anchor: str | None
    size: int = 1
    key: Key | None = None
    seen: dict[str, int] = field(default_factory=dict)


def read_yaml(text: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one YAML document (None when it is empty) and what is wrong but readable.

    Unreadable for syntax errors, more than one document, and the limits of size and depth.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        line = text.encode()[: position if isinstance(position, int) else 0].count(b"\n") + 1
        raise Unreadable(
            line, None, "A character here is not allowed in YAML.", "Remove control characters."
        ) from None
    return builder.root, builder.problems


class _Builder:
    """Takes events one by one and keeps its own stack, so depth costs no recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._nodes = 0
        self._repeated = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Add one event to the tree."""
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.ScalarEvent):
            self._open_anchor(event.anchor, line, column)
            self._close(self._scalar(event, line, column), event.anchor, 1)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._open(event, line, column)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            frame = self._stack.pop()
            self._close(frame.node, frame.anchor, frame.size)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", line, column)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise Unreadable(
                    line, column, "A second YAML document starts here.", "Keep one document in a file."
                )

    def _open(self, event: Any, line: int, column: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise Unreadable(
                line, column, f"Values are nested deeper than {MAX_DEPTH} levels.", "Flatten them."
            )
        if self._stack and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None:
            raise Unreadable(line, column, "A key is a list or an object.", "Keys are plain words.")
        self._tag(event, line, column)
        self._open_anchor(event.anchor, line, column)
        made: Mapping | Sequence
        made = Mapping(line, column) if isinstance(event, yaml.MappingStartEvent) else Sequence(line, column)
        self._stack.append(_Frame(made, event.anchor))

    def _open_anchor(self, anchor: str | None, line: int, column: int) -> None:
        if anchor is None:
            return
        if len(self._anchors) >= MAX_ANCHORS:
            raise Unreadable(line, column, f"More than {MAX_ANCHORS} anchors.", "Write the values out.")
        self._anchors[anchor] = None

    def _close(self, node: Node, anchor: str | None, size: int) -> None:
        """A value is complete: give it to the container that waits for it."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Unreadable(
                node.line, node.column, f"The file holds more than {MAX_NODES:,} values.", INSTEAD
            )
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.size += size
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node)
        else:
            self._pair(frame, frame.node, frame.key, node)
            frame.key = None

    def _key(self, node: Node) -> Key:
        if not isinstance(node, Scalar):
            raise Unreadable(node.line, node.column, "A key is a list or an object.", "Keys are plain words.")
        return Key(node.line, node.column, node.source)

    def _pair(self, frame: _Frame, into: Mapping, key: Key, value: Node) -> None:
        if key.text == "<<":
            self._say(key.line, key.column, "Merge keys ('<<') are not read.", "Write the merged values out.")
        elif key.text in frame.seen:
            first = frame.seen[key.text]
            self._say(
                key.line,
                key.column,
                f"The key {shown(key.text)} is given twice; the first is on line {first}.",
                "Keep one of them.",
            )
        else:
            frame.seen[key.text] = key.line
            into.items.append((key, value))

    def _alias(self, anchor: str, line: int, column: int) -> None:
        known = self._anchors.get(anchor)
        if known is None:
            problem = "contains itself" if anchor in self._anchors else "is not defined before it is used"
            raise Unreadable(line, column, f"The anchor {shown(anchor)} {problem}.", "Write the value out.")
        node, size = known
        self._repeated += size
        if self._repeated > MAX_REPEATED:
            raise Unreadable(
                line, column, "Aliases repeat too many values (a YAML bomb).", "Write the values out."
            )
        self._close(node, None, size)

    def _scalar(self, event: Any, line: int, column: int) -> Scalar:
        self._tag(event, line, column)
        text: str = event.value
        plain = event.implicit[0] and event.tag != _TEXT_TAG
        if plain and text in _EMPTY:
            return Scalar(line, column, None, text, True)
        truth = _TRUTH.fullmatch(text) if plain else None
        if truth:
            return Scalar(line, column, truth.group(1) is not None, text, True)
        return Scalar(line, column, text, text, plain)

    def _tag(self, event: Any, line: int, column: int) -> None:
        if event.tag is not None and event.tag != "!" and event.tag not in _TAGS:
            self._say(line, column, f"The tag {shown(event.tag)} is not read.", "Remove the tag.")

    def _say(self, line: int, column: int | None, message: str, fix: str) -> None:
        self.problems.append(Problem(line, column, "", message, fix))


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    # A quote or bracket never closed is found at the end of the file; it is wrong where it opens.
    unclosed = "end of" in (error.problem or "") or "<stream end>" in (error.problem or "")
    mark = (error.context_mark if unclosed else None) or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n", line)
    here = lines[line - 1] if line <= len(lines) else ""
    if "\t" in here[: len(here) - len(here.lstrip()) + 1]:
        return Unreadable(line, column, "A tab is used to indent.", "Indent with spaces; YAML has no tabs.")
    words = (error.problem or "the text cannot be read").replace("\\t", "tab")
    context = f" {error.context}" if error.context else ""
    return Unreadable(
        line,
        column,
        f"This is not YAML:{context} {words}.".replace("  ", " "),
        "Check indentation, colons, quotes and brackets on this line and the one above.",
    )
