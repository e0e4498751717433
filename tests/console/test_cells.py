"""Promises of a table's cells: whatever they say is text, and they lead only where one may go."""

from __future__ import annotations

import pytest

from scim_bridge.console.cells import rows
from scim_bridge.console.tables import Cell, Table
from scim_bridge.kernel.clock import HOUR

NOW = 1_800_000_000_000_000
HOSTILE = "<b a='1'>&\""
CELLS = (
    Cell(HOSTILE, under=HOSTILE),
    Cell(HOSTILE, url=f"/console/{HOSTILE}"),
    Cell(HOSTILE, url="/console", tone=HOSTILE),
    Cell(HOSTILE, tone="bad"),
    Cell(HOSTILE, post=f"/console/{HOSTILE}"),
)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_what_a_cell_says_is_never_markup(cell: Cell, allowed: bool) -> None:
    made = rows(Table("", (HOSTILE, HOSTILE), ((cell, cell),)), NOW, HOSTILE, lambda *_: allowed)
    assert "<b a" not in made and "&lt;b a=&#39;1&#39;&gt;&amp;&#34;" in made


def test_a_cell_leads_and_sends_only_where_one_may() -> None:
    links, buttons = Cell("there", url="/console/there"), Cell("Do it", post="/console/do")
    table = Table("", ("A", "B"), ((links, buttons),))
    reader = str(rows(table, NOW, "key", lambda method, *_: method == "GET"))
    assert '<a href="/console/there">there</a>' in reader and "<form" not in reader and "key" not in reader
    nobody = str(rows(table, NOW, "key", lambda *_: False))
    assert "<a" not in nobody and ">there</th>" in nobody


def test_times_are_told_from_now_both_ways_and_nothing_is_a_dash() -> None:
    row = (Cell(at=NOW - 2 * HOUR), Cell(at=NOW + 2 * HOUR), Cell())
    made = str(rows(Table("", ("A", "B", "C"), (row,)), NOW, "", lambda *_: True))
    assert (
        "2 hours ago</time>" in made and "in 2 hours</time>" in made and '<span class="soft">–</span>' in made
    )
