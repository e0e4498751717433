"""A small language for values and conditions over an agent's attributes: how it is read. Pure.

    "AI: " + displayName                      texts put together; absent when a part is absent
    lower(x) upper(x) trim(x)                 the text, or each text of a list
    first(x, y, …)  default(x, "none")        the first that is not absent
    join(", ", coOwners.userName, sponsors.userName)      all there is, with a separator
    choose(environment, "production": "prod", "dev": "development", else: "other")
    nothing                                   absent: takes the target's value away

Conditions: `riskTier = "high"`, `model != "m-1"`, `owner.userName` (is there one), and, or, not, parentheses.
There is no eval and no loop; an expression is short and shallow, and so is what it makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.errors import Invalid

LONGEST = 1000
DEEPEST = 16
MOST_TOKENS = 200


_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\["\\])*")|(?P<name>[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)*)|(?P<sign>!=|[-+(),:=]))'
)
# function: how few and how many arguments it takes
FUNCTIONS = {
    "lower": (1, 1),
    "upper": (1, 1),
    "trim": (1, 1),
    "first": (1, 16),
    "default": (2, 2),
    "join": (2, 16),
}
CHOOSE = "choose"
WORDS = frozenset({"and", "or", "not", "nothing", "else"})


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression: what it is, the name or text it has, its parts in order."""

    kind: str
    value: str = ""
    parts: tuple[Node, ...] = ()


def paths(node: Node) -> Iterator[str]:
    """The attribute paths an expression reads."""
    if node.kind == "path":
        yield node.value
    for part in node.parts:
        yield from paths(part)


def value_parsed(text: str) -> Node:
    """The value expression in a text; Invalid says where it stops making sense."""
    return _Parser(text).whole(lambda parser: parser.value(0))


def condition_parsed(text: str) -> Node:
    """The condition in a text; an empty one always holds."""
    return _Parser(text).whole(lambda parser: parser.either(0)) if text.strip() else Node("always")


class _Parser:
    """Recursive descent, with everything it does limited."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise _wrong(f"is longer than {LONGEST} characters", "Say it shorter.")
        self._tokens: list[tuple[str, str, int]] = []
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if found is None:
                raise _wrong(
                    f"cannot be read from {text[place:].strip()[:20]!r} on",
                    'Texts stand in double quotes: "…".',
                )
            kind = str(found.lastgroup)
            self._tokens.append((kind, found.group(kind), found.start(kind)))
            place = found.end()
        if len(self._tokens) > MOST_TOKENS:
            raise _wrong(f"has more than {MOST_TOKENS} parts", "Say it shorter.")
        self._at = 0

    def whole(self, read: Any) -> Node:
        """Everything, or a refusal that names what is too much."""
        node: Node = read(self)
        if self._at < len(self._tokens):
            raise _wrong(
                f"has {self._tokens[self._at][1]!r} where it should end", "Put texts together with +."
            )
        return node

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise _wrong("ends too early", 'A value is an attribute, a text in "…", or a function.')
        kind, text, _ = self._tokens[self._at]
        self._at += 1
        return kind, text

    def _expect(self, sign: str) -> None:
        found = self._peek()
        if found != sign:
            raise _wrong(f"has {found or 'its end'!r} where {sign!r} is needed", "Check the parentheses.")
        self._at += 1

    def value(self, depth: int) -> Node:
        """term { + term }"""
        parts = [self._term(_deeper(depth))]
        while self._peek() == "+":
            self._at += 1
            parts.append(self._term(_deeper(depth)))
        return parts[0] if len(parts) == 1 else Node("together", parts=tuple(parts))

    def _term(self, depth: int) -> Node:
        kind, text = self._take()
        if kind == "text":
            return Node("text", text[1:-1].replace('\\"', '"').replace("\\\\", "\\"))
        if text == "(":
            inside = self.value(depth)
            self._expect(")")
            return inside
        if kind != "name" or (text in WORDS and text != "nothing"):
            raise _wrong(
                f"has {text!r} where a value is needed", 'Use an attribute, a text in "…", or a function.'
            )
        if text == "nothing":
            return Node("nothing")
        if self._peek() == "(":
            return self._call(text, depth)
        return Node("path", text)

    def _call(self, name: str, depth: int) -> Node:
        self._expect("(")
        if name == CHOOSE:
            return self._choose(depth)
        if name not in FUNCTIONS:
            raise _wrong(f"has no function {name!r}", f"There are {', '.join([*FUNCTIONS, CHOOSE])}.")
        arguments = [self.value(depth)]
        while self._peek() == ",":
            self._at += 1
            arguments.append(self.value(depth))
        self._expect(")")
        few, many = FUNCTIONS[name]
        if not few <= len(arguments) <= many:
            wanted = str(few) if few == many else f"{few} to {many}"
            raise _wrong(f"gives {name} {len(arguments)} values", f"It takes {wanted}.")
        return Node("call", name, tuple(arguments))

    def _choose(self, depth: int) -> Node:
        """choose(value, "a": value, …, else: value): the parts are subject, key, value, key, value, …"""
        parts = [self.value(depth)]
        while self._peek() == ",":
            self._at += 1
            kind, text = self._take()
            if kind == "text":
                parts.append(Node("text", text[1:-1].replace('\\"', '"').replace("\\\\", "\\")))
            elif text == "else":
                parts.append(Node("else"))
            else:
                raise _wrong(f"has {text!r} in choose", 'Write choose(x, "a": "b", else: "c").')
            self._expect(":")
            parts.append(self.value(depth))
        self._expect(")")
        return Node("choose", parts=tuple(parts))

    def either(self, depth: int) -> Node:
        """both { or both }"""
        parts = [self._both(_deeper(depth))]
        while self._peek() == "or":
            self._at += 1
            parts.append(self._both(_deeper(depth)))
        return parts[0] if len(parts) == 1 else Node("or", parts=tuple(parts))

    def _both(self, depth: int) -> Node:
        parts = [self._claim(_deeper(depth))]
        while self._peek() == "and":
            self._at += 1
            parts.append(self._claim(_deeper(depth)))
        return parts[0] if len(parts) == 1 else Node("and", parts=tuple(parts))

    def _claim(self, depth: int) -> Node:
        if self._peek() == "not":
            self._at += 1
            return Node("not", parts=(self._claim(_deeper(depth)),))
        if self._peek() == "(" and self._condition_inside():
            self._at += 1
            inside = self.either(depth)
            self._expect(")")
            return inside
        left = self.value(depth)
        sign = self._peek()
        if sign not in ("=", "!="):
            return Node("there", parts=(left,))
        self._at += 1
        return Node("same" if sign == "=" else "other", parts=(left, self.value(depth)))

    def _condition_inside(self) -> bool:
        """True when the parenthesis here holds a condition and not a part of a value."""
        depth = 0
        for place in range(self._at, len(self._tokens)):
            sign = self._tokens[place][1]
            depth += (sign == "(") - (sign == ")")
            if depth == 0:
                after = self._tokens[place + 1][1] if place + 1 < len(self._tokens) else ""
                return after not in ("+", "=", "!=")
        return False


def _deeper(depth: int) -> int:
    if depth >= DEEPEST:
        raise _wrong(f"is nested deeper than {DEEPEST}", "Say it with fewer parentheses.")
    return depth + 1


def _wrong(what: str, fix: str) -> Invalid:
    return Invalid("mapping-expression", f"The expression {what}.", fix)
