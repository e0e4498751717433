"""Tables of a page as values: what each cell says, where it leads, and how it is toned. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GOOD, BAD, WARN, PLAIN = "good", "bad", "warn", "plain"
# Words for how something stands, wherever they come from, and the tone they are shown in.
TONES: Mapping[str, str] = {
    **dict.fromkeys(("closed", "OK", "done", "ok", "passed", "confirmed", "success", "works"), GOOD),
    **dict.fromkeys(
        ("open", "WARNING", "waiting", "planned", "RUNNING", "opening", "running", "lapsed"), WARN
    ),
    **dict.fromkeys(
        ("held", "HELD", "stuck", "FAILED", "dead", "failing", "failed", "refused", "trouble"), BAD
    ),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `tone` makes it a badge, `url` a link, `at` a time (microseconds) in place of a text.

    `post` makes it a button that sends to that address, for whoever may. `own`: it is about an agent that whoever
    looks answers for.
    """

    text: str = ""
    url: str = ""
    tone: str = ""
    under: str = ""
    at: int | None = None
    post: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption for those who do not see it; the first cell of a row is its head."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "Nothing here."
    # Where rows are left out: how many are shown, and where all of them are ("": nowhere else).
    rest: tuple[str, str] | None = None


def state(word: str, under: str = "") -> Cell:
    """How something stands, toned."""
    return Cell(word.lower().replace("-", " "), tone=TONES.get(word, PLAIN), under=under)


def number(value: int, tone: str = "") -> Cell:
    """A count; toned only when there is something."""
    return Cell(f"{value:,}", tone=tone if value else "")


@dataclass(frozen=True, slots=True)
class Tile:
    """A count above a page. `tone` only shows when it is not zero."""

    count: str
    label: str
    tone: str = ""
    url: str = ""
