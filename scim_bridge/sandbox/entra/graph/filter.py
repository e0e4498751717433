"""The `$filter` language, the part directory objects serve: parsed to a predicate, or refused as Graph does.

Source: OData 4.01 part 2, section 5.1.1; Graph "advanced query capabilities on directory objects".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.sandbox.entra.graph.errors import malformed, unsupported

Predicate = Callable[[Mapping[str, Any]], bool]

MAX_LENGTH = 8000
MAX_OR = 15
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<mark>[(),])|(?P<word>[^\s(),']+))",
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a is not None and a > b,
    "ge": lambda a, b: a is not None and a >= b,
    "lt": lambda a, b: a is not None and a < b,
    "le": lambda a, b: a is not None and a <= b,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter; `advanced` ones need ConsistencyLevel eventual and $count=true."""

    matches: Predicate
    advanced: bool


def parse(text: str, properties: Mapping[str, bool], resource: str) -> Filter:
    """The filter as a predicate over objects; GraphError 400 when it cannot be served.

    `properties` are the filterable ones of the resource; True means only as an advanced query.
    """
    if len(text) > MAX_LENGTH:
        raise malformed("Invalid filter clause: it is too long.")
    parser = _Parser(_tokens(text), properties, resource)
    matches = parser.any_of()
    if parser.peek() is not None:
        raise malformed(f"Invalid filter clause: Syntax error at '{parser.peek()}' in '{text[:200]}'.")
    return Filter(matches, parser.advanced)


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            raise malformed(f"Invalid filter clause: Syntax error at position {place} in '{text[:200]}'.")
        found.append(match.group().strip())
        place = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[str], properties: Mapping[str, bool], resource: str) -> None:
        self._tokens = tokens
        self._place = 0
        self._properties = properties
        self._resource = resource
        self._depth = 0
        self.advanced = False

    def peek(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _next(self, wanted: str | None = None) -> str:
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise malformed(f"Invalid filter clause: {wanted or 'an expression'} expected.")
        self._place += 1
        return token

    def any_of(self) -> Predicate:
        parts = [self._all_of()]
        while (self.peek() or "").lower() == "or":
            self._next()
            parts.append(self._all_of())
            self._count_or(len(parts))
        return parts[0] if len(parts) == 1 else (lambda value: any(part(value) for part in parts))

    def _count_or(self, count: int) -> None:
        if count > MAX_OR:
            raise unsupported(
                "Too many child clauses specified in search filter expression containing 'OR' operators: "
                f"{count}. Max allowed: {MAX_OR}."
            )

    def _all_of(self) -> Predicate:
        parts = [self._one()]
        while (self.peek() or "").lower() == "and":
            self._next()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else (lambda value: all(part(value) for part in parts))

    def _one(self) -> Predicate:
        token = self._next()
        self._depth += 1
        if self._depth > 200:
            raise malformed("Invalid filter clause: it is too deep.")
        if token.lower() == "not":
            self.advanced = True
            inner = self._one()
            return lambda value: not inner(value)
        if token == "(":
            inside = self.any_of()
            self._next(")")
            return inside
        if token.lower() in ("startswith", "endswith") and self.peek() == "(":
            return self._function(token.lower())
        if token.lower() == "isof" and self.peek() == "(":
            return self._is_of()
        if token.endswith(("/any", "/Any")):
            return self._any(token.rsplit("/", 1)[0])
        return self._comparison(token)

    def _function(self, name: str) -> Predicate:
        self._next("(")
        prop = self._property(self._next())
        self._next(",")
        wanted = str(_literal(self._next())).lower()
        self._next(")")
        if name == "endswith":
            self.advanced = True
            return lambda value: str(_value(value, prop) or "").lower().endswith(wanted)
        return lambda value: str(_value(value, prop) or "").lower().startswith(wanted)

    def _is_of(self) -> Predicate:
        self._next("(")
        wanted = "#" + str(_literal(self._next())).lstrip("#")
        self._next(")")
        self.advanced = True
        return lambda value: str(value.get("@odata.type", "")).lower() == wanted.lower()

    def _any(self, name: str) -> Predicate:
        prop = self._property(name)
        self._next("(")
        # "t:t", "t: t", "t :t" and "t : t" are one and the same.
        declared = self._next()
        while ":" not in declared[:-1] and len(declared) < 100:
            declared += self._next()
        variable, _, used = declared.partition(":")
        if used.lower() == "startswith" and variable.isidentifier():
            return self._any_starts(prop, variable)
        if not variable.isidentifier() or used != variable or self._next().lower() != "eq":
            raise malformed("Invalid filter clause: a lambda such as (t:t eq 'x') expected.")
        wanted = _folded(_literal(self._next()))
        self._next(")")
        return lambda value: wanted in [_folded(one) for one in _value(value, prop) or []]

    def _any_starts(self, prop: str, variable: str) -> Predicate:
        self._next("(")
        if self._next() != variable:
            raise malformed("Invalid filter clause: a lambda such as (t:startswith(t,'x')) expected.")
        self._next(",")
        wanted = str(_literal(self._next())).lower()
        self._next(")")
        self._next(")")
        return lambda value: any(str(one).lower().startswith(wanted) for one in _value(value, prop) or [])

    def _comparison(self, name: str) -> Predicate:
        prop = self._property(name)
        operator = self._next().lower()
        if operator == "in":
            return self._among(prop)
        compare = _COMPARE.get(operator)
        if compare is None:
            raise malformed(f"Invalid filter clause: '{operator}' is no operator.")
        literal = _folded(_literal(self._next()))
        if operator == "ne":
            self.advanced = True
        if operator in ("gt", "ge", "lt", "le") and not prop.endswith("DateTime"):
            raise unsupported(self._refusal(prop))
        return lambda value: compare(_folded(_value(value, prop)), literal)

    def _among(self, prop: str) -> Predicate:
        self._next("(")
        wanted = [_folded(_literal(self._next()))]
        while self.peek() == ",":
            self._next()
            wanted.append(_folded(_literal(self._next())))
            self._count_or(len(wanted))
        self._next(")")
        return lambda value: _folded(_value(value, prop)) in wanted

    def _property(self, name: str) -> str:
        if name.startswith("customSecurityAttributes/"):
            self.advanced = True
            return name
        if name not in self._properties:
            raise unsupported(self._refusal(name))
        self.advanced = self.advanced or self._properties[name]
        return name

    def _refusal(self, name: str) -> str:
        return (
            f"Unsupported or invalid query filter clause specified for property '{name}' of resource "
            f"'{self._resource}'."
        )


def _literal(token: str) -> Any:
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    if token in ("true", "false"):
        return token == "true"
    if token == "null":
        return None
    if re.fullmatch(r"-?\d{1,18}", token):
        return int(token)
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", token):
        return token
    raise malformed(f"Invalid filter clause: '{token[:60]}' is no value.")


def _value(value: Mapping[str, Any], prop: str) -> Any:
    if prop.startswith("customSecurityAttributes/"):
        found: Any = value.get("$", {}).get("attributes") or {}
        for part in prop.split("/")[1:]:
            found = found.get(part) if isinstance(found, Mapping) else None
        return found
    return value.get(prop)


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
