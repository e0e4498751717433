"""How records fill a terminal: as a table while every word fits, else one below the other. No id is ever broken."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Below this a column of prose is no pleasure to read.
PROSE = 16
GAP = 2
NOTHING = "–"
Cells = Mapping[str, str]


def tabular(rows: Sequence[Cells], width: int | None) -> Table | None:
    """A table in which no word is broken; None when it cannot be so narrow. Without a width nothing wraps."""
    names = list(rows[0])
    columns = [[name, *(row[name] for row in rows)] for name in names]
    whole = [max(map(cell_len, column)) for column in columns]
    least = [
        max(_longest_word(column), min(full, PROSE)) for column, full in zip(columns, whole, strict=True)
    ]
    room = sum(whole) if width is None else width - GAP * (len(names) - 1)
    if sum(least) > room:
        return None
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for name, cells in zip(names, widths(least, whole, room), strict=True):
        table.add_column(escape(name), width=cells, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row.values()))
    return table


def widths(least: Sequence[int], whole: Sequence[int], room: int) -> list[int]:
    """Each column's width: what is left beyond the least goes to those that need little first."""
    made = list(least)
    spare = room - sum(least)
    wanting = sorted(range(len(least)), key=lambda at: whole[at] - least[at])
    for number, at in enumerate(wanting):
        more = min(whole[at] - least[at], spare // (len(wanting) - number))
        made[at] += more
        spare -= more
    return made


def _longest_word(column: Sequence[str]) -> int:
    return max((cell_len(word) for cell in column for word in cell.split()), default=0)


def print_rows(out: Console, rows: Sequence[Cells], width: int | None, brief: Sequence[str] = ()) -> None:
    """Print rows as the widest form that fits: all columns, those with values, the brief ones, or lines.

    `brief` names the columns that matter most, others join them as far as they fit; a line says what is missing.
    """
    filled = [name for name in rows[0] if any(row[name] != NOTHING for row in rows)]
    for names in (list(rows[0]), filled, _chosen(rows, filled, width, brief)):
        table = tabular(_only(rows, names), width) if names else None
        if table is not None:
            whole = sum(column.width or 0 for column in table.columns) + GAP * len(names)
            out.width = max(out.width, whole) if width is None else width
            out.print(table)
            missing = [name for name in filled if name not in names]
            if missing:
                out.print(f"[dim]Not shown: {', '.join(missing)} (a wider window or --output json does).[/]")
            return
    for number, row in enumerate(rows):
        if number:
            out.print()
        print_record(out, row, width)


def _chosen(
    rows: Sequence[Cells], filled: Sequence[str], width: int | None, brief: Sequence[str]
) -> list[str]:
    """The brief columns, and of the others as many as fit beside them, in their order."""
    chosen = [name for name in filled if name in brief]
    for name in filled if chosen else ():
        more = [other for other in filled if other in chosen or other == name]
        if tabular(_only(rows, more), width) is not None:
            chosen = more
    return chosen


def _only(rows: Sequence[Cells], names: Sequence[str]) -> list[Cells]:
    return [{name: row[name] for name in names} for row in rows]


def print_record(out: Console, row: Cells, width: int | None) -> None:
    """Print one record, a line for each member; prose is wrapped between words, and no word is broken."""
    label = max(map(cell_len, row))
    for name, cell in row.items():
        lines = [cell] if width is None else _wrapped(cell, max(width - label - GAP, PROSE))
        head = escape(name) + " " * (label - cell_len(name) + GAP)
        out.print(f"[bold]{head}[/]{escape(lines[0])}", soft_wrap=True)
        for line in lines[1:]:
            out.print(" " * (label + GAP) + escape(line), soft_wrap=True)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [text]
