"""`scim-bridge departures`: who left, what became of their agents, and what is still to be decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any

import typer

from scim_bridge.cli import departures_answers, departures_brake, departures_drill, departures_policy
from scim_bridge.cli.leave_file import import_
from scim_bridge.cli.output import DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.departures.hand_over import HandedOver
from scim_bridge.departures.hand_over import hand_over as give
from scim_bridge.departures.model import ADMIN_SOURCE
from scim_bridge.departures.service import reactor
from scim_bridge.departures.status import status
from scim_bridge.departures.view import listed, shown
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.signal import LEFT, RETURNED, React, Signal
from scim_bridge.signals.hr import end_of_day, zone_of
from scim_bridge.signals.service import accept

app = typer.Typer(no_args_is_help=True, help="Owners who leave.")
app.add_typer(departures_brake.app, name="brake")
app.add_typer(departures_policy.app, name="policy")
app.command()(departures_policy.simulate)
app.command()(departures_answers.accept)
app.command()(departures_answers.decline)
app.command("return")(departures_answers.give_back)
app.command()(departures_answers.keep)
app.command()(departures_drill.drill)
app.command("import")(import_)

Person = Annotated[str, typer.Argument(help="userName, e-mail or id")]
Reason = Annotated[str, reason_option()]


@app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option("--state", help="planned, held, open, stuck, closed or cancelled")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500)] = 100,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The newest departures: who, in what state, how many agents met which fate."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return await listed(bridge.ctx.store.reads, state=state, limit=limit)

    show(with_bridge(database_url, body), output, empty="Nobody left.")


@app.command("show")
def show_(
    case: Annotated[str, typer.Argument(help="id of a case, or the person's userName")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """One departure: every agent, every step, what is missing."""

    async def body(bridge: Any) -> dict[str, Any]:
        store = bridge.ctx.store
        return await shown(store.reads, case, store.clock.now())

    found = with_bridge(database_url, body)
    if output is not Format.TABLE:
        show(found, output)
        return
    show({key: value for key, value in found.items() if key not in ("agents", "effects")}, output)
    for title in ("agents", "effects"):
        say("")
        show(found[title], output, empty=f"No {title}.")


@app.command("status")
def status_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """What runs, waits and is late, how the five minutes were kept, and the last drill."""

    async def body(bridge: Any) -> dict[str, Any]:
        store = bridge.ctx.store
        return await status(store.reads, store.clock.now())

    show(with_bridge(database_url, body), output)


@app.command("hand-over")
def hand_over(
    case: Annotated[str, typer.Argument(help="id of a case, or the userName of who left")],
    agent: Annotated[str, typer.Argument(help="slug, userName or id")],
    to: Annotated[str, typer.Option("--to", help="the new owner: userName, e-mail or id")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Make somebody the owner of an agent of a departure, and release the departure's hold on it."""

    async def body(bridge: Any) -> HandedOver:
        done = await bridge.ctx.store.transact(actor(), lambda work: give(work, case, agent, to))
        assert isinstance(done, HandedOver)
        return done

    done = with_bridge(database_url, body)
    result = {
        "agent": done.slug,
        "owner": done.owner.user_name,
        "state": "held" if done.holds else "active",
        "holds": [hold.reason for hold in done.holds],
    }
    show(result, output)


@app.command("open")
def open_(
    person: Person,
    last_day: Annotated[
        str | None, typer.Option("--last-day", help="such as 2026-11-27: ends at midnight where they work")
    ] = None,
    involuntary: Annotated[bool, typer.Option("--involuntary", help="at once, without grace")] = False,
    reason: Reason = "reported by an admin",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Report that somebody leaves: at once, or at the end of their last day."""
    day = _date(last_day) if last_day is not None and not involuntary else None

    async def effective(work: Work, person_id: str) -> int:
        if day is None:
            return work.now
        row = await work.tx.one("SELECT time_zone FROM sb_person WHERE id = ?", person_id)
        return end_of_day(day, zone_of([row["time_zone"]] if row is not None else []))

    show(_told(LEFT, person, reason, effective, involuntary, database_url), output)


@app.command()
def returned(
    person: Person,
    reason: Reason = "reported by an admin",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Say that somebody stays or is back. Cancels a plan; what was stopped starts only by hand-over."""

    async def now(work: Work, _person_id: str) -> int:
        return work.now

    show(_told(RETURNED, person, reason, now, False, database_url), output)


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year not in range(1970, 2200):
        raise typer.BadParameter(f"{text!r} is no date such as 2026-11-27.", param_hint="--last-day")
    return day


def _told(
    kind: str,
    name: str,
    reason: str,
    effective: Callable[[Work, str], Awaitable[int]],
    immediate: bool,
    database_url: str | None,
) -> dict[str, Any]:
    """Tell what an admin says as any door does; the person's newest case afterwards."""

    async def change(work: Work, react: React) -> PersonRef:
        person = await find_person(work.tx, name)
        if person is None:
            raise NotFound("person-unknown", f"No person is known as {name!r}.", "Give a userName or e-mail.")
        key, at = work.ids.new(), await effective(work, person.id)
        await accept(work, Signal(ADMIN_SOURCE, key, kind, person.id, work.now, at, reason, immediate), react)
        return person

    async def body(bridge: Any) -> dict[str, Any]:
        store = bridge.ctx.store
        react = reactor(bridge.rules)
        person = await store.transact(actor(), lambda work: change(work, react))
        rows = await listed(store.reads, person_id=person.id, limit=1)
        return rows[0] if rows else {"id": None, "person": person.user_name, "state": "no departure"}

    return with_bridge(database_url, body)
