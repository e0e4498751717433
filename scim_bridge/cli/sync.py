"""`scim-bridge sync`: facts pushed to an IdP: planned, applied exactly as planned, looked after."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import (
    EXIT_ERROR,
    EXIT_HELD,
    EXIT_PENDING,
    DatabaseUrl,
    Format,
    Output,
    fail,
    say,
    show,
)
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.cli.sync_drift import add_to
from scim_bridge.cli.sync_one import one
from scim_bridge.cli.sync_run import Telling, see_through
from scim_bridge.cli.sync_runs import runs
from scim_bridge.cli.sync_show import (
    SHOWN,
    change_record,
    change_rows,
    finding_record,
    plan_record,
    run_record,
    status_record,
    status_row,
    tell_plan,
    trouble_record,
)
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Actor
from scim_bridge.kernel.worker import sole_worker
from scim_bridge.registry.connections import connection, connections
from scim_bridge.registry.findings import findings_at
from scim_bridge.registry.people_refs import find_person
from scim_bridge.sync import apply as applying
from scim_bridge.sync.plan import HELD, KeptChange, Plan, changes_of, make_plan
from scim_bridge.sync.plan import plan as kept_plan
from scim_bridge.sync.run import HELD as RUN_HELD
from scim_bridge.sync.run import OK, RUNNING, Run, cancel_run, open_run
from scim_bridge.sync.run import run as kept_run
from scim_bridge.sync.service import Status, Trouble, status, troubles_of

T = TypeVar("T")
EXIT_INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True, help="Push facts to an IdP.")

app.command("one")(one)
app.command("runs")(runs)
Name = Annotated[str, typer.Argument(help="the connection")]


def _interruptible(database_url: str | None, body: Callable[[Bridge], Awaitable[T]], resume: str) -> T:
    """Run `body`; Ctrl-C ends it cleanly and says how to go on."""
    try:
        return with_bridge(database_url, body)
    except KeyboardInterrupt:
        fail("interrupted.", f"What was begun is finished, the rest was not written. Go on: {resume}")
        raise typer.Exit(EXIT_INTERRUPTED) from None


@app.command()
def plan(
    name: Name,
    whole: Annotated[bool, typer.Option("--all", help="show every change, not the first few")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Read the IdP and show what would change, and why; writes nothing. Exit 3: changes; 4: held by the brake."""

    async def body(bridge: Bridge) -> tuple[Plan, list[KeptChange]]:
        with Telling(output) as telling:
            there, idp = await bridge.idps.of(name)
            made = await make_plan(bridge.ctx, actor(), there, idp, telling.reading)
        return made, await changes_of(bridge.ctx.store.reads, made.id)

    made, changes = _interruptible(database_url, body, f"sync plan {name}")
    if output is Format.TABLE:
        rows = change_rows(changes)
        show(rows if whole else rows[:SHOWN], output, empty="Nothing would change.")
        if len(rows) > SHOWN and not whole:
            say(f"… and {len(rows) - SHOWN} more rows (--all shows them).")
        tell_plan(made, name)
    elif output is Format.CSV:
        show(change_rows(changes), output)
    else:
        if output is Format.JSONL:
            show([{"event": "change", **change_record(kept)} for kept in changes], output)
        record = plan_record(made, name, changes)
        if whole:
            record["all"] = [change_record(kept) for kept in changes]
        show({"event": "plan", **record} if output is Format.JSONL else record, output)
    if made.state == HELD:
        raise typer.Exit(EXIT_HELD)
    if made.changes:
        raise typer.Exit(EXIT_PENDING)


@app.command()
def apply(
    name: Name,
    plan_id: Annotated[
        str | None, typer.Option("--plan", help="apply exactly this plan; else a new one is made")
    ] = None,
    release: Annotated[
        str, typer.Option("--release", help="why a plan the brake holds is meant; audited with your name")
    ] = "",
    person: Annotated[
        str, typer.Option("--as", help="who lets it go, where several use one account: a person known here")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="wait until everything is written")] = True,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Write a plan's changes to the IdP, each once. Goes on with a run that was cut off. Exit 4: held."""

    async def body(bridge: Bridge) -> tuple[Run, list[Trouble]]:
        with Telling(output) as telling:
            who = await _person(bridge, person)
            run_id = await _begin(bridge, who, name, plan_id, release, telling)
            if wait:
                found = await see_through(bridge, run_id, telling)
            else:
                found = await kept_run(bridge.ctx.store.reads, run_id)
        return found, await troubles_of(bridge.ctx.store.reads, found)

    found, troubles = _interruptible(database_url, body, f"sync apply {name}")
    record = run_record(found, name, troubles)
    if output is Format.TABLE:
        _tell_run(record)
    else:
        show({"event": "finished", **record} if output is Format.JSONL else record, output)
    if found.state == RUN_HELD:
        raise typer.Exit(EXIT_HELD)
    if found.state not in (OK, RUNNING):
        raise typer.Exit(EXIT_ERROR)


async def _person(bridge: Bridge, name: str) -> Actor:
    """The account that runs the command, or the person who says to act through it."""
    account = actor()
    if not name:
        return account
    found = await find_person(bridge.ctx.store.reads, name)
    if found is None or not found.active:
        raise NotFound(
            "person-unknown", f"No active person {name!r} is known here.", "Name them by userName."
        )
    return replace(account, name=found.user_name)


async def _begin(
    bridge: Bridge, who: Actor, name: str, plan_id: str | None, release: str, telling: Telling
) -> str:
    reads = bridge.ctx.store.reads
    chosen = await connection(reads, name)
    unfinished = await open_run(reads, chosen.id)
    if unfinished is not None and plan_id in (None, unfinished.plan_id):
        # Cut off by a kill, or still being written by a server: the same run, seen through.
        print(f"Going on with run {unfinished.id}.", file=sys.stderr)
        return unfinished.id
    there, idp = await bridge.idps.of(name)
    if plan_id is None:
        return await applying.apply_now(bridge.ctx, who, there, idp, telling.reading, release=release)
    chosen_plan = await kept_plan(reads, plan_id)
    return await applying.apply_plan(
        bridge.ctx, who, there, idp, chosen_plan, telling.reading, release=release
    )


def _tell_run(record: dict[str, Any]) -> None:
    troubles = record.pop("parked")
    if troubles:
        show(troubles, Format.TABLE)
        say()
    seconds = "" if record["seconds"] is None else f" in {record['seconds']:.1f} s"
    say(f"{record['state']}: {record['done']} of {record['total']} changes written{seconds}.")
    if record["reason"]:
        say(record["reason"])


@app.command("status")
def status_(
    name: Annotated[str | None, typer.Argument(help="one connection; else all that can be pushed to")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Runs with stage, progress and next try; what is parked and why; the last plan."""

    async def body(bridge: Bridge) -> tuple[list[Status], dict[str, list[dict[str, Any]]]]:
        reads = bridge.ctx.store.reads
        chosen = [await connection(reads, name)] if name is not None else await connections(reads)
        shown = [one for one in chosen if name is not None or one.has_secrets]
        wrong = {one.name: list(map(finding_record, await findings_at(reads, one.id))) for one in shown}
        return [await status(reads, one) for one in shown], wrong

    found, wrong = with_bridge(database_url, body)
    if output in (Format.TABLE, Format.CSV):
        show([status_row(one) for one in found], output, empty="No connection can be pushed to.")
        troubles = [{"connection": s.connection.name, **trouble_record(t)} for s in found for t in s.troubles]
        if troubles and output is Format.TABLE:
            say("\nNot written:")
            show(troubles, output)
        if any(wrong.values()) and output is Format.TABLE:
            say("\nFound wrong by the IdP itself:")
            show([{"connection": at, **one} for at, ones in wrong.items() for one in ones], output)
        return
    records = [{**status_record(one), "findings": wrong[one.connection.name]} for one in found]
    show(records if name is None else records[0], output)


@app.command()
def cancel(
    name: Name,
    reason: Annotated[str, reason_option()],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Give up the rest of a run; what is written stays, and sync apply does the rest later."""

    async def body(bridge: Bridge) -> Run:
        reads = bridge.ctx.store.reads
        there = await connection(reads, name)
        unfinished = await open_run(reads, there.id)
        if unfinished is None:
            raise NotFound("run-none", f"No run of {name} is under way.", "See sync status.")
        store = bridge.ctx.store
        async with sole_worker(store.database) as idle:
            await store.transact(actor(), lambda work: cancel_run(work, unfinished.id, reason, idle=idle))
        return await kept_run(reads, unfinished.id)

    record = run_record(with_bridge(database_url, body), name, [])
    if output is Format.TABLE:
        _tell_run(record)
    else:
        show(record, output)


add_to(app)
