"""The language of the search field: `key:value` filters and words, kept in the address. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from urllib.parse import urlencode

LONGEST = 400
MOST = 16
KEYS = {
    "state": "active or held",
    "owner": "a person, or none",
    "person": "owner, co-owner or sponsor",
    "group": "a group's name",
    "platform": "where it runs",
    "env": "production, staging, dev",
    "risk": "high, medium, low",
    "attestation": "valid, refused, lapsed, none; missing for all but valid",
    "hold": "who holds it: departure, attestation, admin, or a connection",
}
ALIASES = {"environment": "env", "is": "state", "source": "hold"}
_TERM = re.compile(
    r"""(?P<no>-?)(?P<key>[A-Za-z]+):(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^\s"]*))"""
    r"""|"(?P<phrase>[^"]*)"?|(?P<word>\S+)"""
)


@dataclass(frozen=True, slots=True)
class Term:
    """One filter; `negated` turns it round."""

    key: str
    value: str
    negated: bool = False

    def text(self) -> str:
        """The term as it is typed."""
        value = f'"{self.value}"' if re.search(r"\s", self.value) else self.value
        return f"{'-' if self.negated else ''}{self.key}:{value}"


@dataclass(frozen=True, slots=True)
class Search:
    """Filters, words (all must be found), and what was not understood."""

    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()
    ignored: tuple[str, ...] = field(default=())

    def text(self) -> str:
        """The search as it is typed; parsing it again gives the same search."""
        words = [f'"{word}"' if re.search(r"[\s:]", word) else word for word in self.words]
        return " ".join([*(term.text() for term in self.terms), *words])

    def without(self, term: Term) -> Search:
        """The same search with one filter less."""
        return Search(tuple(one for one in self.terms if one != term), self.words)

    def having(self, key: str, value: str) -> Search:
        """The same search with this filter in place of any other of its key."""
        others = tuple(one for one in self.terms if one.key != key or one.negated)
        return Search((*others, Term(key, value)), self.words)

    def has(self, key: str, value: str) -> bool:
        """True when exactly this filter is set."""
        return Term(key, value) in self.terms


def parse(text: str) -> Search:
    """Read a search; anything whatever is one. Over-long text is cut, unknown keys are reported."""
    terms: list[Term] = []
    words: list[str] = []
    ignored: list[str] = []
    for found in _TERM.finditer(cleaned(text)):
        if len(terms) + len(words) >= MOST:
            ignored.append("the rest")
            break
        key = found["key"]
        if key is None:
            word = (
                (found["phrase"] if found["phrase"] is not None else found["word"]).replace('"', "").strip()
            )
            if word:
                words.append(word)
            continue
        name = ALIASES.get(key.casefold(), key.casefold())
        value = (found["quoted"] if found["quoted"] is not None else found["plain"]).strip()
        if name not in KEYS:
            ignored.append(f"{key}:")
            if value:
                words.append(value)
        elif value:
            terms.append(Term(name, value, bool(found["no"])))
    return Search(tuple(dict.fromkeys(terms)), tuple(dict.fromkeys(words)), tuple(dict.fromkeys(ignored)))


def cleaned(text: str) -> str:
    """Text without control characters and lone surrogates, cut to a sensible length."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text[:LONGEST])
    return " ".join(kept.split())


def address(search: Search, **more: str) -> str:
    """The address of the list with this search."""
    said = {"q": search.text(), **more}
    query = urlencode({name: value for name, value in said.items() if value})
    return f"/console?{query}" if query else "/console"
