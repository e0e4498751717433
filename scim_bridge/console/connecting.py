"""The connect wizard: Okta's and Entra's own pages in their words and order, and what happens here between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.connecting import steps
from scim_bridge.connecting.asked import KINDS, PREVIEW, PROBE, PROOF, REHEARSAL
from scim_bridge.connecting.pages import VENDORS, Page, Vendor, filled
from scim_bridge.connecting.place import unreachable
from scim_bridge.connecting.shown import MINUTES
from scim_bridge.connecting.shown import seen as seen_tokens
from scim_bridge.connecting.steps import Standing, standing
from scim_bridge.console.asked import Asked, newest_of
from scim_bridge.console.connect_form import FORMS, NOTHING, fields_of
from scim_bridge.console.door import Screen, required_session
from scim_bridge.console.known import Known
from scim_bridge.console.may import permitted
from scim_bridge.console.pages import Pages
from scim_bridge.console.scripted import Following
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH, Session, form_key
from scim_bridge.console.sync_shown import said
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.pages import html
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.registry.connections import Connection, connection, connections
from scim_bridge.registry.first_calls import CHANGE, CREATE, DISCOVERY, GROUPS, LISTING, LOOK_UP
from scim_bridge.sync.features import features_of

HERE = f"{PATH}/connect"
ANEW = "the token (it was shown once, when it was made)"
# What a wizard waits for: what it is called in the vendor's console, and the calls that tell of it.
WAITED: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "okta": (
        ("Test Connector Configuration", (LISTING, LOOK_UP, DISCOVERY)),
        ("The first look-up of a user", (LOOK_UP,)),
        ("The first user created", (CREATE,)),
        ("The first update of a user", (CHANGE,)),
        ("The first pushed group", (GROUPS,)),
    ),
    "entra": (
        ("Test connection", (LOOK_UP, LISTING, DISCOVERY)),
        ("The first user created", (CREATE,)),
        ("The first update of a user", (CHANGE,)),
        ("The first group", (GROUPS,)),
    ),
}
# Where on the page that stands which a worker was asked for.
PLACES: Mapping[str, str] = {PROBE: "way-back", PREVIEW: "s6", PROOF: "s5", REHEARSAL: "rehearse"}


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing the wizard waits for; `at` is when it came."""

    what: str
    at: int | None


def url_of(name: str, *more: str) -> str:
    """The address of a connection's wizard, or of one below it."""
    return "/".join((f"{HERE}/{quote(name, safe='')}", *more))


def token_url(name: str, once: str, seen: str = "") -> str:
    """The address of the page that shows the token a form made."""
    return f"{url_of(name, 'token')}?{urlencode({'once': once, **({'seen': seen} if seen else {})})}"


def vendor_of(there: Connection) -> Vendor:
    """The vendor of a connection; NotFound for a kind without pages of its own."""
    found = VENDORS.get(there.kind)
    if found is None:
        raise NotFound(
            "wizard-kind",
            f"{there.name} is no connection to Okta or Entra: there is no wizard for it.",
            "See docs/how-to/any-scim-server.md.",
        )
    return found


class Connecting:
    """The pages of the wizard."""

    def __init__(self, ctx: Context, pages: Pages, known: Known) -> None:
        self._ctx = ctx
        self._pages = pages
        self._known = known

    def screens(self) -> dict[str, Screen]:
        """Their addresses; what their forms are sent to is in `connect_acts`."""
        ctx, pages = self._ctx, self._pages
        return {
            f"{HERE}/{{name}}": Following(ctx, pages, get=self._one),
            f"{HERE}/{{name}}/now": Screen(ctx, pages, get=self._now),
        }

    async def _one(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        there = await connection(self._ctx.store.reads, cleaned(request.path_params["name"]))
        return html(await wizard(self._ctx, self._pages, self._known, session, there))

    async def _now(self, request: Request) -> Response:
        """The part that waits for the IdP's calls and for what a worker was asked for."""
        await required_session(self._ctx, request)
        ctx = self._ctx
        there = await connection(ctx.store.reads, cleaned(request.path_params["name"]))
        vendor_of(there)
        stand, asked = await _how_far(ctx, there)
        going = going_of(asked)
        seen = request.query_params.get("seen", "")
        mark = mark_of(stand, asked)
        # A token that is shown is not taken away by what else comes.
        once = request.query_params.get("once", "")
        page_url = token_url(there.name, once, mark) if once else f"{url_of(there.name)}?seen={mark}"
        go = "" if seen == mark else f"{page_url}#{place_of(asked, seen)}"
        page = self._pages.part(
            "connect_now.html",
            waits=waits_of(there.kind, stand),
            vendor=VENDORS[there.kind],
            going=going,
            heard=stand.heard,
            go=go,
            now=ctx.store.clock.now(),
        )
        return html(page)


async def _how_far(ctx: Context, there: Connection) -> tuple[Standing, dict[str, Asked]]:
    reads = ctx.store.reads
    stand = await standing(reads, there.id, ctx.store.clock.now())
    return stand, await newest_of(reads, there.id, KINDS)


def going_of(asked: Mapping[str, Asked]) -> Asked | None:
    """What a worker is doing for this page."""
    return next((one for one in asked.values() if one.open), None)


def mark_of(stand: Standing, asked: Mapping[str, Asked]) -> str:
    """The same while the rest of the page says what is so."""
    settled = [one.id[-8:] for one in asked.values() if not one.open]
    return "-".join((str(int(stand.heard)), *sorted(settled)))


def place_of(asked: Mapping[str, Asked], seen: str) -> str:
    """Where on the page that stands which is new to somebody who has seen a mark."""
    new = [one for one in asked.values() if not one.open and one.id[-8:] not in seen]
    return PLACES[max(new, key=lambda one: one.id).kind] if new else "s3"


def waits_of(kind: str, stand: Standing) -> list[Wait]:
    """What the wizard waits for, and when each came."""
    found = []
    for what, kinds in WAITED[kind]:
        times = [stand.calls[each] for each in kinds if each in stand.calls]
        found.append(Wait(what, min(times, default=None)))
    return found


async def wizard(
    ctx: Context,
    pages: Pages,
    known: Known,
    session: Session,
    there: Connection,
    token: str = "",
    once: str = "",
    wrong: Invalid | None = None,
    kept: Mapping[str, str] = NOTHING,
) -> str:
    """The whole page. `token` is one that the form `once` has just made: some minutes later nothing shows it.

    `wrong` is what keeps the credentials that were `kept` in their form from being taken.
    """
    vendor = vendor_of(there)
    reads, now = ctx.store.reads, ctx.store.clock.now()
    stand, asked = await _how_far(ctx, there)
    base_url = f"{ctx.public_url}{SCIM_PATH}"
    values = {"base_url": base_url, "token": token or ANEW, "name": there.name, "bridge": ctx.public_url}
    proof, preview, probe, played = (asked.get(kind) for kind in (PROOF, PREVIEW, PROBE, REHEARSAL))
    previewed = [] if preview is None else preview.result.get("attributes", [])
    return pages.page(
        "connect.html",
        session,
        form_key(ctx, session),
        now,
        f"Connect {vendor.name}",
        "settings",
        there=there,
        vendor=vendor,
        url=url_of(there.name),
        follow=f"{url_of(there.name, 'now')}?seen={mark_of(stand, asked)}{f'&once={once}' if once else ''}",
        trouble=unreachable(ctx.public_url, is_set=known.public_url_set),
        inside=steps.local(ctx.public_url),
        stand=stand,
        token=token,
        minutes=MINUTES,
        once=token_urlsafe(16),
        seen_tokens=seen_tokens(stand),
        provisioning=_page(vendor.provisioning, values),
        way_back=_page(vendor.credentials, values),
        fields=fields_of(there, kept),
        wrong=wrong,
        forms=FORMS,
        waits=waits_of(there.kind, stand),
        heard=stand.heard,
        going=going_of(asked),
        features=await features_of(reads, there.id),
        proof=proof,
        probe=probe,
        preview=preview,
        rehearsal=played,
        previewed=[
            (one["there"], said(one["value"]), one["from"]) for one in previewed if said(one["value"])
        ],
        then=[filled(line, values) for line in vendor.then],
        may_change=permitted(session, "connections.change"),
        go="",
    )


def _page(page: Page, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": page.title,
        "steps": [filled(step, values) for step in page.steps],
        "fields": [
            (name, filled(text, values), "{token}" in text, name in page.picked) for name, text in page.fields
        ],
        "after": [filled(step, values) for step in page.after],
    }


def offered(kind: str, every: Sequence[Connection], heard: Collection[str]) -> str:
    """The name a new connection of a kind may have: that of one nothing came of yet, so that one goes on with it."""
    begun = [one.name for one in every if one.kind == kind and one.name not in heard and not one.has_secrets]
    taken = {one.name for one in every}
    free = (f"{kind}-{number}" for number in range(2, len(every) + 3))
    return (
        begun[0] if begun else kind if kind not in taken else next(name for name in free if name not in taken)
    )


async def index(ctx: Context, pages: Pages, session: Session) -> str:
    """Which IdP to connect, and the connections there are."""
    now = ctx.store.clock.now()
    every = await connections(ctx.store.reads)
    found = [one for one in every if one.kind in VENDORS]
    rows = [(one, url_of(one.name), (await standing(ctx.store.reads, one.id, now)).heard) for one in found]
    return pages.page(
        "connect_index.html",
        session,
        form_key(ctx, session),
        now,
        "Connect",
        "settings",
        vendors=[
            (kind, vendor.name, offered(kind, every, {one.name for one, _, heard in rows if heard}))
            for kind, vendor in VENDORS.items()
        ],
        rows=rows,
        url=HERE,
        may_change=permitted(session, "connections.change"),
    )
