"""Filters as values: the grammar of RFC 7644 section 3.4.2.2, read in linear time by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from scim_bridge.scim.errors import ScimError, invalid_filter, invalid_path
from scim_bridge.scim.text import storable

MAX_LENGTH: Final = 8192
MAX_DEPTH: Final = 32
MAX_TERMS: Final = 256

OPERATORS: Final = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})


@dataclass(frozen=True, slots=True)
class AttrPath:
    """A written attribute path: an optional schema URN, a name, an optional sub-attribute. Case as written."""

    name: str
    sub: str | None = None
    urn: str | None = None

    def __str__(self) -> str:
        prefix = "" if self.urn is None else f"{self.urn}:"
        return f"{prefix}{self.name}" if self.sub is None else f"{prefix}{self.name}.{self.sub}"


Literal: TypeAlias = str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class Compare:
    """`path op value`; `op` is lower case: eq ne co sw ew gt ge lt le."""

    path: AttrPath
    op: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Present:
    """`path pr`."""

    path: AttrPath


@dataclass(frozen=True, slots=True)
class Element:
    """`path[filter]`: one element of a multi-valued attribute fulfils the whole filter."""

    path: AttrPath
    filter: Filter


@dataclass(frozen=True, slots=True)
class Not:
    """`not (filter)`."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class And:
    """Every term holds; at least two terms."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one term holds; at least two terms."""

    terms: tuple[Filter, ...]


Filter: TypeAlias = Compare | Present | Element | Not | And | Or

_SPACE: Final = " \t\r\n"
# Possessive, so that no input can make the matcher try again.
_TOKEN: Final = re.compile(
    r'[ \t\r\n]*+(?:([()\[\]])|("(?:[^"\\\x00-\x1f]++|\\.)*+")|([^ \t\r\n()\[\]"]++))', re.DOTALL
)
_NAME: Final = re.compile(r"\$?[A-Za-z][A-Za-z0-9$_-]*+")
_PLAIN: Final = re.compile(r"(\$?[A-Za-z][A-Za-z0-9$_-]*+)(?:\.(\$?[A-Za-z][A-Za-z0-9$_-]*+))?")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_RESERVED: Final = frozenset({"and", "or", "not"})
_WORDS: Final[dict[str, Literal]] = {"true": True, "false": False, "null": None}
# A float holds 17 significant digits; nothing SCIM counts needs more.
_LONGEST_NUMBER: Final = 40


def parse(text: str, *, tolerant: bool = True) -> Filter:
    """The filter a text says; ScimError invalidFilter naming the position otherwise.

    `tolerant` also reads what Entra sends beside the grammar: unquoted values, and a comparison
    behind a value path (`emails[type eq "work"].value eq "x"`).
    """
    reader = _Reader(text, tolerant)
    found = reader.disjunction()
    reader.end()
    return found


def parse_target(text: str) -> tuple[AttrPath, Filter | None]:
    """A PATCH path: what it names, with the sub-attribute behind its brackets, and the filter in them.

    ScimError naming the position otherwise: invalidFilter for what stands in brackets, else invalidPath.
    """
    reader = _Reader(text, True, invalid_path)
    path = reader.attribute()
    if reader.mark != "[":
        reader.end()
        return path, None
    filter_ = reader.brackets(path)
    sub = reader.below()
    reader.end()
    return AttrPath(path.name, sub, path.urn), filter_


def attr_path(text: str) -> AttrPath | None:
    """The attribute path a bare text is, None when it is none."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        return AttrPath(plain.group(1), plain.group(2))
    urn = None
    names = text
    if text[:4].casefold() == "urn:":
        urn, _, names = text.rpartition(":")
    parts = names.split(".")
    if len(parts) > 3 or not all(_NAME.fullmatch(part) for part in parts):
        return None
    if len(parts) == 3:
        # The old way of writing `urn:…:User:manager.value`, with a dot behind the URN.
        if urn is None:
            return None
        return AttrPath(parts[1], parts[2], f"{urn}:{parts[0]}")
    return AttrPath(parts[0], parts[1] if len(parts) == 2 else None, urn)


def text_of(filter_: Filter) -> str:
    """A filter as text, from which `parse` makes the same filter again."""
    match filter_:
        case Compare(path, op, value):
            return f"{path} {op} {json.dumps(value)}"
        case Present(path):
            return f"{path} pr"
        case Element(path, inner):
            return f"{path}[{text_of(inner)}]"
        case Not(inner):
            return f"not ({text_of(inner)})"
        case And(terms):
            return " and ".join(f"({text_of(t)})" if isinstance(t, And | Or) else text_of(t) for t in terms)
        case Or(terms):
            return " or ".join(f"({text_of(t)})" if isinstance(t, Or) else text_of(t) for t in terms)


def size(filter_: Filter) -> int:
    """How many comparisons a filter makes at most."""
    match filter_:
        case And(terms) | Or(terms):
            return sum(map(size, terms))
        case Not(inner) | Element(_, inner):
            return size(inner)
    return 1


class _Reader:
    """A text with one token of sight: `mark` is a bracket, `string` a literal, `word` anything else."""

    __slots__ = (
        "_after",
        "_at",
        "_depth",
        "_inside",
        "_refusal",
        "_terms",
        "_text",
        "_tolerant",
        "mark",
        "string",
        "word",
    )

    def __init__(
        self, text: str, tolerant: bool, refusal: Callable[[str, str], ScimError] = invalid_filter
    ) -> None:
        self._text = text
        self._tolerant = tolerant
        self._refusal = refusal
        self._at = self._after = 0
        self._depth = self._terms = 0
        self._inside = False
        self.mark = self.string = self.word = ""
        if len(text) > MAX_LENGTH:
            self._at = MAX_LENGTH
            self._fail(f"only {MAX_LENGTH} characters are read", "Ask in smaller steps.")
        if not storable(text):
            self._fail("a NUL or half a surrogate pair is in it")
        self._advance()

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._after)
        if found is None:
            rest = self._text[self._after :].lstrip(_SPACE)
            self._at = len(self._text) - len(rest)
            if rest:
                self._fail("a quotation mark has no partner, or a control character stands in a string")
            self.mark = self.string = self.word = ""
            return
        kind = found.lastindex or 0
        token: str = found.group(kind)
        self.mark = token if kind == 1 else ""
        self.string = token if kind == 2 else ""
        self.word = token if kind == 3 else ""
        self._after = found.end()
        self._at = self._after - len(token)

    def _fail(self, what: str, fix: str = "") -> NoReturn:
        if self._inside or self._refusal is invalid_filter:
            raise invalid_filter(f"Filter, position {self._at + 1}: {what}.", fix)
        raise self._refusal(f"Path, position {self._at + 1}: {what}.", fix)

    def _seen(self) -> str:
        seen = self.mark or self.string or self.word
        return "the end" if not seen else repr(seen if len(seen) <= 24 else seen[:24] + "…")

    def end(self) -> None:
        """Refuse anything that is left."""
        if self.mark or self.string or self.word:
            self._fail(f"{self._seen()} stands where 'and', 'or' or the end was expected")

    def disjunction(self) -> Filter:
        """`a or b`."""
        terms = [self._conjunction()]
        while self.word.lower() == "or":
            self._advance()
            terms.append(self._conjunction())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _conjunction(self) -> Filter:
        terms = [self._term()]
        while self.word.lower() == "and":
            self._advance()
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _term(self) -> Filter:
        if self.mark == "(":
            return self._group(")")
        if self.word.lower() == "not":
            self._advance()
            if self.mark != "(":
                self._fail("'not' needs parentheses", "Write not (…).")
            return Not(self._group(")"))
        path = self.attribute()
        if self.mark == "[":
            if self._inside:
                self._fail("brackets stand inside brackets")
            return self._behind(path, self.brackets(path))
        return self._expression(path)

    def _group(self, closing: str) -> Filter:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} levels of brackets", "Ask in smaller steps.")
        self._advance()
        found = self.disjunction()
        if self.mark != closing:
            self._fail(f"{self._seen()} stands where '{closing}' was expected")
        self._depth -= 1
        # What stands directly behind a bracket decides whether `.value` belongs to it.
        self._advance()
        return found

    def attribute(self) -> AttrPath:
        """An attribute path."""
        path = None if self.word.lower() in _RESERVED else attr_path(self.word)
        if path is None:
            self._fail(f"{self._seen()} stands where an attribute was expected")
        self._advance()
        return path

    def brackets(self, path: AttrPath) -> Filter:
        """`[filter]`, without brackets inside."""
        if path.sub is not None:
            self._fail("brackets choose among the elements of an attribute, not of a sub-attribute")
        self._inside = True
        found = self._group("]")
        self._inside = False
        return found

    def below(self) -> str | None:
        """`.name` directly behind a closing bracket."""
        if not self.word.startswith(".") or self._text[self._at - 1] != "]":
            return None
        name = self.word[1:]
        if not _NAME.fullmatch(name):
            self._fail(f"{self._seen()} stands where a sub-attribute was expected")
        self._advance()
        return name

    def _behind(self, path: AttrPath, inner: Filter) -> Filter:
        name = self.below() if self._tolerant else None
        if name is None:
            return Element(path, inner)
        extra = self._expression(AttrPath(name))
        terms = inner.terms if isinstance(inner, And) else (inner,)
        return Element(path, And((*terms, extra)))

    def _expression(self, path: AttrPath) -> Filter:
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._fail(f"more than {MAX_TERMS} terms", "Ask in smaller steps.")
        op = self.word.lower()
        if op == "pr":
            self._advance()
            return Present(path)
        if op not in OPERATORS:
            self._fail(
                f"{self._seen()} stands where an operator was expected",
                "One of eq ne co sw ew gt ge lt le pr.",
            )
        self._advance()
        value = self._literal()
        quoted = bool(self.string)
        self._advance()
        if quoted and self.word and not self._tolerant and self._text[self._at - 1] == '"':
            self._fail(f"{self._seen()} stands where a space was expected")
        return Compare(path, op, value)

    def _literal(self) -> Literal:
        if self.string:
            return self._string()
        word = self.word
        if word.lower() in _WORDS:
            return _WORDS[word.lower()]
        if _NUMBER.fullmatch(word):
            return self._number(word)
        if not word or not self._tolerant or word.startswith("'"):
            self._fail(
                f"{self._seen()} stands where a value was expected",
                "Put strings into double quotation marks.",
            )
        return word

    def _string(self) -> str:
        if "\\" not in self.string:
            return self.string[1:-1]
        try:
            value = json.loads(self.string)
        except ValueError:
            self._fail("an escape in this string is none of JSON's")
        if not isinstance(value, str) or not storable(value):
            self._fail("a NUL or half a surrogate pair is in this string")
        return value

    def _number(self, word: str) -> int | float:
        if len(word) > _LONGEST_NUMBER:
            self._fail("this number is too long")
        if word.lstrip("-").isdigit():
            return int(word)
        value = float(word)
        if value in (float("inf"), float("-inf")):
            self._fail("this number is too large")
        return value
