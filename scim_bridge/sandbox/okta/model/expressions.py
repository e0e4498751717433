"""Okta's filter and search expressions: SCIM's grammar with fewer words, read and judged.

`filter` compares exactly, knows few properties, and only `eq` (dates also order). `search` ignores case,
knows every profile property, and has sw, co, pr and order. Neither knows `ne` or `not`; what Okta would
not follow is E0000031 here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from scim_bridge.sandbox.okta.errors import OktaError

Value = str | bool | int | float
Test = Callable[[Mapping[str, Any]], bool]
MAX_LENGTH = 8192
MAX_DEPTH = 32

_TOKEN = re.compile(
    r'\s*(?:(?P<bracket>[()])|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][\w.]*)|(?P<number>-?\d+(?:\.\d+)?))'
)
_ORDER = ("gt", "ge", "lt", "le")


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which properties and operators an expression may use; how text compares."""

    knows: Callable[[str], bool]
    operators: Callable[[str], Set[str]]
    fold: bool


USER_FILTER = frozenset(
    {"status", "lastUpdated", "id", "profile.login", "profile.email", "profile.firstName", "profile.lastName"}
)
_USER_TOP = frozenset({"id", "status", "created", "activated", "statusChanged", "lastUpdated", "type.id"})
_CONTAINS = frozenset({"profile.firstName", "profile.lastName", "profile.email", "profile.login"})


def user_filter() -> Dialect:
    """`filter` of GET /api/v1/users."""
    return Dialect(
        USER_FILTER.__contains__,
        lambda name: frozenset({"eq", *_ORDER}) if name == "lastUpdated" else frozenset({"eq"}),
        fold=False,
    )


def user_search(properties: Set[str]) -> Dialect:
    """`search` of GET /api/v1/users, over the properties of every user type."""
    return Dialect(
        lambda name: name in _USER_TOP or (name.removeprefix("profile.") in properties and "." in name),
        lambda name: frozenset({"eq", "sw", "pr", *_ORDER, *(("co",) if name in _CONTAINS else ())}),
        fold=True,
    )


def group_search() -> Dialect:
    """`search` and `filter` of GET /api/v1/groups."""
    known = frozenset(
        {
            "id",
            "type",
            "lastUpdated",
            "lastMembershipUpdated",
            "created",
            "profile.name",
            "profile.description",
        }
    )
    return Dialect(known.__contains__, lambda _: frozenset({"eq", "sw", "co", "pr", *_ORDER}), fold=True)


def event_filter() -> Dialect:
    """`filter` of GET /api/v1/logs: any property but the time it was published."""
    return Dialect(
        lambda name: name != "published",
        lambda _: frozenset({"eq", "sw", "co", "pr", *_ORDER}),
        fold=True,
    )


def compiled(text: str, dialect: Dialect) -> Test:
    """A test for an expression; E0000031 when Okta would refuse it."""
    if len(text) > MAX_LENGTH:
        raise _refusal("The expression is too long")
    parser = _Parser(_tokens(text), dialect)
    test = parser.either(0)
    if parser.peek() is not None:
        raise _refusal(f"Unexpected {parser.peek()!r}")
    return test


def values_at(item: Mapping[str, Any], path: str) -> list[Any]:
    """Every value at a dotted path; arrays on the way are walked."""
    found: list[Any] = [item]
    for part in path.split("."):
        below: list[Any] = []
        for value in found:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping) and one.get(part) is not None:
                    below.append(one[part])
        found = below
    return [one for value in found for one in (value if isinstance(value, list) else [value])]


def _refusal(reason: str) -> OktaError:
    return OktaError("E0000031", "", [reason])


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _refusal(f"Unexpected character at position {at}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    if not found:
        raise _refusal("The expression is empty")
    return found


class _Parser:
    """Recursive descent over or, and, brackets and comparisons."""

    def __init__(self, tokens: list[tuple[str, str]], dialect: Dialect) -> None:
        self._tokens = tokens
        self._at = 0
        self._dialect = dialect

    def peek(self) -> str | None:
        """The next token's text, or None at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise _refusal("The expression ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self, *words: str) -> str | None:
        here = self._tokens[self._at : self._at + 1]
        if here and here[0][0] == "word" and here[0][1].casefold() in words:
            return self._next()[1].casefold()
        return None

    def either(self, depth: int) -> Test:
        """Terms joined by `or`."""
        if depth > MAX_DEPTH:
            raise _refusal("The expression is nested too deeply")
        tests = [self._both(depth)]
        while self._word("or"):
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else lambda item: any(test(item) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._term(depth)]
        while self._word("and"):
            tests.append(self._term(depth))
        return tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests)

    def _term(self, depth: int) -> Test:
        kind, text = self._next()
        if (kind, text) == ("bracket", "("):
            inner = self.either(depth + 1)
            if self._next()[1] != ")":
                raise _refusal("A bracket is not closed")
            return inner
        if kind != "word":
            raise _refusal(f"Unexpected {text!r}")
        return self._comparison(text)

    def _comparison(self, name: str) -> Test:
        if not self._dialect.knows(name):
            raise _refusal(f"Unknown property {name}")
        operator = self._next()[1].casefold()
        if operator not in self._dialect.operators(name):
            raise _refusal(f"The operator {operator} is not supported for {name}")
        if operator == "pr":
            return lambda item: bool(values_at(item, name))
        wanted = self._literal()
        compare = _COMPARE[operator]
        fold = self._dialect.fold

        def test(item: Mapping[str, Any]) -> bool:
            return any(_holds(compare, value, wanted, fold=fold) for value in values_at(item, name))

        return test

    def _literal(self) -> Value:
        kind, text = self._next()
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return float(text) if "." in text else int(text)
        if text.casefold() in ("true", "false"):
            return text.casefold() == "true"
        raise _refusal(f"{text!r} is not a value; text stands in double quotes")


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: bool(value == wanted),
    "sw": lambda value, wanted: str(value).startswith(str(wanted)),
    "co": lambda value, wanted: str(wanted) in str(value),
    "gt": lambda value, wanted: bool(value > wanted),
    "ge": lambda value, wanted: bool(value >= wanted),
    "lt": lambda value, wanted: bool(value < wanted),
    "le": lambda value, wanted: bool(value <= wanted),
}


def _holds(compare: Callable[[Any, Any], bool], value: Any, wanted: Value, *, fold: bool) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return compare(value.casefold(), wanted.casefold()) if fold else compare(value, wanted)
    if (
        isinstance(value, bool) is not isinstance(wanted, bool)
        or isinstance(value, str)
        or isinstance(wanted, str)
    ):
        return False
    return compare(value, wanted)
