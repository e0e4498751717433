"""The rows of a table as HTML, not by a template: a page of a hundred rows spends its time on them. Pure."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup, escape

from scim_bridge.console.tables import Cell, Table
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.pages import ago, moment, until

# A cell that says more takes the whole width of a card on a phone.
LONG = 48
# Whether whoever looks may use a method at an address; of an agent they answer for.
May = Callable[[str, str, bool], bool]


def rows(table: Table, now: int, form_key: str, may: May) -> Markup:
    """Every row of a table; whatever a cell says is escaped, and it leads only where `may` lets one go.

    `now` in microseconds; `form_key` goes into the form of each button.
    """
    labels = [escape(name) for name in table.columns]
    made = []
    for row in table.rows:
        made.append('<tr role="row">')
        for place, cell in enumerate(row):
            said = content(cell, now, form_key, may)
            made.append(
                f'<td role="cell"{_width(cell)} data-label="{labels[place]}">{said}</td>'
                if place
                else f'<th role="rowheader" scope="row" class="name">{said}</th>'
            )
        made.append("</tr>\n")
    return Markup("".join(made))


def _width(cell: Cell) -> str:
    return ' class="long"' if len(cell.text) > LONG else ""


def content(cell: Cell, now: int, form_key: str, may: May) -> str:
    """What a cell says, as HTML."""
    under = f' <span class="why small">{escape(cell.under)}</span>' if cell.under else ""
    return _said(cell, now, form_key, may) + under


def _said(cell: Cell, now: int, form_key: str, may: May) -> str:
    if cell.at is not None:
        span = ago(cell.at, now) if cell.at <= now else until(cell.at, now)
        return f'<time datetime="{iso(cell.at)}" title="{moment(cell.at)}">{span}</time>'
    text = escape(cell.text)
    if cell.post:
        if not may("POST", cell.post, cell.own):
            return ""
        key = f'<input type="hidden" name="form_key" value="{escape(form_key)}">'
        button = f'<button class="quiet">{text}</button>'
        return f'<form method="post" action="{escape(cell.post)}">{key}{button}</form>'
    look = f' class="badge {escape(cell.tone)}"' if cell.tone else ""
    if cell.url and may("GET", cell.url, cell.own):
        return f'<a{look} href="{escape(cell.url)}">{text}</a>'
    if cell.tone:
        return f"<span{look}>{text}</span>"
    return str(text) if cell.text else '<span class="soft">–</span>'
