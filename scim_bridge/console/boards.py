"""Pages made of counts, notices and tables: departures, attestations, sync, audit, status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.door import required_session
from scim_bridge.console.pages import Pages
from scim_bridge.console.session import form_key
from scim_bridge.console.tables import Table, Tile
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.pages import html


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. `kind` is text, area, select (of `options`: value and words), date or hidden."""

    name: str
    label: str = ""
    value: str = ""
    kind: str = "text"
    options: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """Something that needs a look; with `actions` (verdict, label, tone) a person decides, with a `reason`.

    `compared` are lines of a comparison, each with "+", "-", "@" or " ". The form is shown to whoever may send it.
    """

    title: str
    lines: tuple[str, ...] = ()
    tone: str = "warn"
    action_url: str = ""
    actions: tuple[tuple[str, str, str], ...] = ()
    fields: tuple[Field, ...] = ()
    reason: bool = True
    links: tuple[tuple[str, str], ...] = ()
    compared: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A form that changes nothing: its fields (name, label, value) go into the address of `url`."""

    title: str
    url: str
    fields: tuple[tuple[str, str, str], ...]
    button: str
    more: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """What such a page shows. `here` is its place in the navigation.

    `follow` is the page's own address while something goes on: it is asked again until nothing does.
    """

    title: str
    here: str
    lead: str = ""
    tiles: Sequence[Tile] = ()
    boxes: Sequence[Box] = ()
    sections: Sequence[tuple[str, Table, str]] = ()
    facts: tuple[str, Sequence[tuple[str, str]]] | None = None
    crumb: tuple[str, str] | None = None
    older: str = ""
    ask: Ask | None = None
    links: Sequence[tuple[str, str]] = ()
    follow: str = ""


Made = Callable[[Request, int], Awaitable[Board]]


def board(ctx: Context, pages: Pages, made: Made) -> Callable[[Request], Awaitable[Response]]:
    """The handler of a page that shows what `made` says of the request at an instant."""

    async def show(request: Request) -> Response:
        session = await required_session(ctx, request)
        now = ctx.store.clock.now()
        found = await made(request, now)
        return html(pages.board(session, form_key(ctx, session), found, now))

    return show
