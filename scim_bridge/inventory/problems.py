"""What is wrong with a file, place by place, so that one reading is enough to repair it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from scim_bridge.kernel.errors import Invalid

# A file of garbage has a problem on each of a million lines; nobody reads more than this.
MOST = 2_000
# Beyond this many candidates a comparison with each of them costs seconds; a hint is not worth it.
MOST_CANDIDATES = 2_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to repair: `line` and `column` count from 1; `where` is a path such as
    `agents[3].owner` (empty: the file as a whole); `fix` says what to do.
    """

    line: int
    column: int | None
    where: str
    message: str
    fix: str

    def text(self, filename: str) -> str:
        """One line in the form compilers use: `agents.yaml:12:5: agents[0].owner: message. fix`."""
        place = f"{filename}:{self.line}" if self.column is None else f"{filename}:{self.line}:{self.column}"
        subject = f"{self.where}: " if self.where else ""
        return f"{place}: {subject}{self.message} {self.fix}".rstrip()

    def as_dict(self) -> dict[str, object]:
        """The problem as JSON-ready values."""
        return {
            "line": self.line,
            "column": self.column,
            "where": self.where,
            "message": self.message,
            "fix": self.fix,
        }


class ManifestProblems(Invalid):
    """A file cannot be taken as it is; `problems` holds every reason, in the order of the file."""

    def __init__(self, filename: str, problems: Iterable[Problem]) -> None:
        self.filename = filename
        self.problems: tuple[Problem, ...] = tuple(in_order(problems))
        count = len(self.problems)
        super().__init__(
            "manifest-problems",
            f"{filename}: {count} problem{'' if count == 1 else 's'} found; nothing was imported.",
            "Repair the lines listed and import the file again.",
        )

    def text(self) -> str:
        """The summary and then one line for each problem."""
        return "\n".join([super().text(), *(problem.text(self.filename) for problem in self.problems)])

    def problem(self) -> dict[str, object]:
        """The RFC 9457 body, with the list of problems as an extension member."""
        return {**super().problem(), "problems": [problem.as_dict() for problem in self.problems]}


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems by line, each once, and at most `MOST` of them (a last entry says so)."""
    ordered = sorted(set(problems), key=lambda found: (found.line, found.column or 0, found.where))
    if len(ordered) <= MOST:
        return ordered
    rest = len(ordered) - MOST
    last = ordered[MOST - 1]
    return [
        *ordered[:MOST],
        Problem(last.line, None, "", f"{rest} more problems follow.", "Repair these first."),
    ]


def nearest(word: str, candidates: Collection[str]) -> str:
    """`Did you mean 'x'?` for a word that is close to a candidate, else an empty string.

    Differences of case, `_`, `-` and spaces count as the same word.
    """
    if len(candidates) > MOST_CANDIDATES or len(word) > 100:
        return ""
    plain = _plain(word)
    for candidate in candidates:
        if _plain(candidate) == plain or (len(plain) > 3 and _plain(candidate).startswith(plain)):
            return f"Did you mean '{candidate}'?"
    # Addresses of one company share most of their letters already.
    cutoff = 0.85 if "@" in word else 0.7
    close = difflib.get_close_matches(word.casefold(), [c.casefold() for c in candidates], n=1, cutoff=cutoff)
    if not close:
        return ""
    found = next(candidate for candidate in candidates if candidate.casefold() == close[0])
    return f"Did you mean '{found}'?"


def shown(text: str) -> str:
    """A value as it may stand in a message: quoted, short, without control characters."""
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:60])
    return f"'{printable}…'" if len(text) > 60 else f"'{printable}'"


def _plain(word: str) -> str:
    return "".join(char for char in word.casefold() if char not in "_- ")
