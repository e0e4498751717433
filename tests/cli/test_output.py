"""Promises about what commands print: nothing in it steers the terminal, and no word of it is broken."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from scim_bridge.cli.layout import print_rows, widths
from scim_bridge.cli.output import Format, console, fail, say, show

EVIL = "E\x1b]0;pwn\x07\x1b[31mVIL\x9b2J\u202egnp\x7f\x00\r\u2066"
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(form: Format, monkeypatch: pytest.MonkeyPatch, columns: int, many: bool, terminal: bool) -> str:
    """What `show` writes of a hostile record."""
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    record = {"name": EVIL, "list": [EVIL], "nested": {"a": EVIL}}
    show([record, record] if many else record, form)
    return out.getvalue()


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("columns", [40, 300])
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_that_is_shown_steers_the_terminal(
    monkeypatch: pytest.MonkeyPatch, form: Format, columns: int, many: bool, terminal: bool
) -> None:
    text = shown(form, monkeypatch, columns, many, terminal)
    # RFC 4180 ends the lines of CSV with both.
    assert "pwn" in text and not STEERS.search(text.replace("\r\n", "\n"))
    if form in (Format.JSON, Format.JSONL):
        first = json.loads(text.splitlines()[0] if form is Format.JSONL else text)
        assert (first[0] if isinstance(first, list) else first)["name"] == EVIL


def test_lines_errors_and_screens_steer_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"one {EVIL}\ntwo")
    fail(EVIL, EVIL)
    console().print(EVIL, markup=False)
    said = capsys.readouterr()
    assert not STEERS.search(said.out) and not STEERS.search(said.err)
    assert "\ntwo" in said.out and r"\x1b]0;pwn\x07" in said.out


def test_a_line_break_in_a_value_cannot_forge_a_line_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"slug": "a\nb  active", "state": "held"}], Format.TABLE)
    assert len(capsys.readouterr().out.splitlines()) == 2
    show([{"slug": "a\nb", "state": "held"}], Format.CSV)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out)))[1] == ["a\nb", "held"]


WORDS = st.text(alphabet="abcdefghij-", min_size=1, max_size=50)
CELLS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
ROWS = st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=1, max_size=4)


def printed(rows: list[dict[str, str]], width: int | None, brief: tuple[str, ...] = ()) -> str:
    out = io.StringIO()
    print_rows(Console(file=out, width=width or 200, highlight=False), rows, width, brief)
    return out.getvalue()


@example([["a b " * 20, "a", "a", "a", "a"]] * 2, 60)
@given(ROWS, st.one_of(st.none(), st.integers(20, 250)))
def test_no_word_is_broken_or_lost_however_narrow_the_terminal_is(
    rows: list[list[str]], width: int | None
) -> None:
    words = sorted(word for row in rows for cell in row for word in cell.split())
    named = [dict(zip("vwxyz", row, strict=True)) for row in rows]
    text = printed(named, width)
    found = sorted(word for word in text.split() if word not in set("vwxyz"))
    assert found == words


@given(ROWS, st.integers(20, 250))
def test_a_table_is_never_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    named = [dict(zip("vwxyz", row, strict=True)) for row in rows]
    lines = printed(named, width).splitlines()
    if lines[0].split() == list("vwxyz"):
        assert max(map(cell_len, lines)) <= width


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 90)), min_size=1), st.integers(0, 300))
def test_columns_share_what_is_left_and_take_no_more_than_they_need(
    columns: list[tuple[int, int]], spare: int
) -> None:
    least = [low for low, _ in columns]
    whole = [low + more for low, more in columns]
    made = widths(least, whole, sum(least) + spare)
    assert all(low <= width <= full for low, width, full in zip(least, made, whole, strict=True))
    assert sum(made) == min(sum(least) + spare, sum(whole))


def test_an_id_can_be_copied_whole_at_eighty_columns_and_when_piped() -> None:
    rows = [
        {
            "id": str(uuid.UUID(int=number)),
            "kind": "notify",
            "state": "dead",
            "subject_id": str(uuid.UUID(int=99)),
            "case_id": "–",
            "last_error": "The receiver answered 500 twenty-three times, the last time at noon.",
        }
        for number in (1, 2)
    ]
    for width in (40, 80, 120, 200, None):
        text = printed(rows, width)
        assert str(uuid.UUID(int=2)) in text and text.count(str(uuid.UUID(int=99))) == 2
    assert len(printed(rows, None).splitlines()) == 3


def test_a_narrow_terminal_gets_the_brief_columns_and_is_told_what_is_missing() -> None:
    rows = [{"slug": "triage", "why": "w" * 30, "state": "held", "groups": "x" * 40, "risk": "low"}] * 2
    text = printed(rows, 60, ("slug", "state"))
    assert text.splitlines()[0].split() == ["slug", "why", "state", "risk"]
    assert "Not shown: groups" in text
    assert printed(rows, 14, ("slug", "state")).splitlines()[0].split() == ["slug", "state"]
    assert printed(rows, 8, ("slug", "state")).splitlines()[0].split() == ["slug", "triage"]
