"""JSON text (RFC 8259) as a tree with places; repeated keys are reported, not silently merged."""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import JSONDecodeError, JSONDecoder
from typing import NoReturn

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

_DECODER = JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\s,:\[\]{}\"]{0,20}")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def read_json(text: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one JSON value (None for an empty file) and the keys given twice.

    Unreadable for syntax errors and the limits of size and depth.
    """
    reader = _Reader(text)
    start = reader.skip(0)
    if start == len(text):
        return None, []
    node, end = reader.value(start, 0)
    end = reader.skip(end)
    if end != len(text):
        raise reader.broken(end, "Something follows the end of the JSON value.", "Remove it.")
    return node, reader.problems


class _Reader:
    """A recursive-descent reader; `MAX_DEPTH` bounds the recursion."""

    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._nodes = 0

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of an offset in the text."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def broken(self, offset: int, message: str, fix: str) -> Unreadable:
        """The error for text that is not JSON at this offset."""
        return Unreadable(*self.place(min(offset, len(self._text))), message, fix)

    def skip(self, offset: int) -> int:
        """The offset of the next character that is not white space."""
        match = _SPACE.match(self._text, offset)
        return match.end() if match else offset

    def value(self, offset: int, depth: int) -> tuple[Node, int]:
        """The value that starts at `offset`, and the offset after it."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self.broken(offset, f"The file holds more than {MAX_NODES:,} values.", INSTEAD)
        char = self._text[offset : offset + 1]
        if char in ("{", "["):
            if depth >= MAX_DEPTH:
                raise self.broken(
                    offset, f"Values are nested deeper than {MAX_DEPTH} levels.", "Flatten them."
                )
            return self._object(offset, depth) if char == "{" else self._array(offset, depth)
        if char == '"':
            text, end = self._string(offset)
            return Scalar(*self.place(offset), text, text), end
        return self._literal(offset)

    def _literal(self, offset: int) -> tuple[Node, int]:
        number = _NUMBER.match(self._text, offset)
        if number:
            # No field is a number, so its value is never needed: only that it is one.
            return Scalar(*self.place(offset), 0, number.group()), number.end()
        match = _WORD.match(self._text, offset)
        word = match.group() if match else ""
        if word in _WORDS:
            return Scalar(*self.place(offset), _WORDS[word], word), offset + len(word)
        if offset >= len(self._text):
            raise self.broken(offset, "The file ends in the middle of a value.", "Close what is open.")
        if word.startswith(("'", "`")):
            raise self.broken(offset, "JSON text is written in double quotes.", 'Use "…".')
        if word.startswith(("//", "/*", "#")):
            raise self.broken(offset, "JSON has no comments.", "Remove it, or use YAML.")
        self._unexpected(offset, "A value is expected here")

    def _unexpected(self, offset: int, message: str) -> NoReturn:
        found = shown(self._text[offset : offset + 1]) if offset < len(self._text) else "the end of the file"
        raise self.broken(offset, f"{message}, not {found}.", "Check commas, quotes and brackets.")

    def _string(self, offset: int) -> tuple[str, int]:
        try:
            text, end = _DECODER.raw_decode(self._text, offset)
            return str(text), end
        except JSONDecodeError as error:
            raise self.broken(
                error.pos, "This text is not closed or holds a raw control character.", "Escape it, close it."
            ) from None

    def _object(self, offset: int, depth: int) -> tuple[Node, int]:
        made = Mapping(*self.place(offset))
        seen: dict[str, int] = {}
        at = self.skip(offset + 1)
        if self._text[at : at + 1] == "}":
            return made, at + 1
        while True:
            if self._text[at : at + 1] != '"':
                self._unexpected(at, "A key in double quotes is expected here")
            line, column = self.place(at)
            key, after = self._string(at)
            after = self.skip(after)
            if self._text[after : after + 1] != ":":
                self._unexpected(after, "A colon is expected after the key")
            value, after = self.value(self.skip(after + 1), depth + 1)
            if key in seen:
                message = f"The key {shown(key)} is given twice; the first is on line {seen[key]}."
                self.problems.append(Problem(line, column, "", message, "Keep one of them."))
            else:
                seen[key] = line
                made.items.append((Key(line, column, key), value))
            at = self.skip(after)
            if self._text[at : at + 1] == "}":
                return made, at + 1
            at = self._comma(at, "}")

    def _array(self, offset: int, depth: int) -> tuple[Node, int]:
        made = Sequence(*self.place(offset))
        at = self.skip(offset + 1)
        if self._text[at : at + 1] == "]":
            return made, at + 1
        while True:
            value, after = self.value(at, depth + 1)
            made.items.append(value)
            at = self.skip(after)
            if self._text[at : at + 1] == "]":
                return made, at + 1
            at = self._comma(at, "]")

    def _comma(self, at: int, closing: str) -> int:
        if self._text[at : at + 1] != ",":
            self._unexpected(at, f"A comma or '{closing}' is expected here")
        after = self.skip(at + 1)
        if self._text[after : after + 1] == closing:
            raise self.broken(at, f"A comma stands before '{closing}'.", "Remove the comma.")
        return after
