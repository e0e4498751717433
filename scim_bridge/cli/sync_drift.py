"""`scim-bridge sync drift|settle|strangers|adopt|ignore|retire`: what others did at an IdP, and what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.sync import adopting
from scim_bridge.sync.drift_keeping import KeptDrift, drifts_of
from scim_bridge.sync.meaning import meaning_of
from scim_bridge.sync.settling import settle as settle_drift
from scim_bridge.sync.stranger_keeping import KeptStranger, strangers_of
from scim_bridge.sync.strangers import OPEN, what
from scim_bridge.sync.wanting import rules_of

T = TypeVar("T")

Name = Annotated[str, typer.Argument(help="the connection")]
Remote = Annotated[str, typer.Argument(help="the object's id at the IdP, as sync strangers shows it")]
Reason = Annotated[str, reason_option()]
Every = Annotated[bool, typer.Option("--all", help="those that are settled, too")]


class Choice(StrEnum):
    """Whose word counts."""

    THEIRS = "theirs"
    OURS = "ours"


def add_to(app: typer.Typer) -> None:
    """Add these commands to the noun `sync`."""
    for verb in (drift, settle, strangers, adopt, ignore, retire):
        app.command(verb.__name__)(verb)


def drift(
    name: Name, every: Every = False, database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """What somebody changed at the IdP since it was last written: ours, theirs, who, and what the rules say."""

    async def body(bridge: Bridge) -> list[KeptDrift]:
        reads = bridge.ctx.store.reads
        return await drifts_of(reads, (await connection(reads, name)).id, every=every)

    found = with_bridge(database_url, body)
    nothing = f"Nothing waits. `sync plan {name}` reads again."
    if output in (Format.JSON, Format.JSONL):
        show([_drift_record(row) for row in found], output)
    else:
        show(
            [_drift_row(row) for row in found], output, empty=nothing, brief=("agent", "attribute", "theirs")
        )


def settle(
    name: Name,
    agent: Annotated[str, typer.Argument(help="slug or id")],
    attribute: Annotated[str, typer.Argument(help="the IdP's name or ours, as sync drift shows them")],
    take: Annotated[Choice, typer.Option("--take", help="whose word counts")],
    reason: Reason,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Settle one: `theirs` changes the registry, `ours` is written back. A stop may be taken, a start never."""

    async def act(work: Work, there: Connection) -> KeptDrift:
        return await settle_drift(work, there, agent, attribute, take.value, reason)

    row = _act(name, database_url, act)
    if output is Format.TABLE:
        done = "is written back" if take is Choice.OURS else "is taken over"
        say(f"{row.slug}: {row.attribute} {done}.")
    else:
        show({**_drift_record(row), "state": "taken" if take is Choice.THEIRS else "overridden"}, output)


def strangers(
    name: Name, every: Every = False, database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """Objects at the IdP that are of our kind and nobody's here: where they came from, and who owns them there."""

    async def body(bridge: Bridge) -> tuple[list[KeptStranger], set[str]]:
        reads = bridge.ctx.store.reads
        found = await strangers_of(reads, (await connection(reads, name)).id, every=every)
        rows = await reads.all("SELECT id FROM sb_agent") if any(row.mark for row in found) else []
        return found, {row["id"] for row in rows}

    found, agents = with_bridge(database_url, body)
    records = [_stranger_record(row, row.mark in agents) for row in found]
    if output in (Format.JSON, Format.JSONL):
        show(records, output)
        return
    for record in records:
        record.pop("attributes")
    nothing = f"Nobody's objects: none. `sync plan {name}` reads again."
    show(records, output, empty=nothing, brief=("remote", "name", "what", "owner"))


def adopt(
    name: Name,
    remote: Remote,
    slug: Annotated[str, typer.Option("--as", help="make an agent of it, with this slug")] = "",
    into: Annotated[str, typer.Option("--into", help="it is this agent, which has no object there yet")] = "",
    owner: Annotated[
        str, typer.Option("--owner", help="who answers for it here; else whom the IdP names, if known")
    ] = "",
    reason: Annotated[str, reason_option()] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Make an object an agent here. Nothing is written there before the next apply, which marks it as ours."""
    if bool(slug) is bool(into):
        raise Invalid("adopt-how", "An object is adopted as a new agent or into one.", "Give --as or --into.")
    if into and owner:
        raise Invalid("adopt-how", "An agent that is there has its owner.", "Leave --owner out.")

    async def body(bridge: Bridge) -> str:
        there, idp = await bridge.idps.of(name)
        meaning = meaning_of(idp, await rules_of(bridge.ctx.store.reads, there.id))

        async def act(work: Work) -> str:
            if into:
                return await adopting.adopt_into(work, there, remote, into, reason)
            return await adopting.adopt_as(work, there, remote, slug, owner, reason, meaning)

        return await bridge.ctx.store.transact(actor(), act)

    agent_id = with_bridge(database_url, body)
    if output is Format.TABLE:
        say(
            f"{remote} is the agent {slug or into} now. Look, then mark it: sync plan {name}, sync apply {name}."
        )
    else:
        show({"connection": name, "remote": remote, "agent": slug or into, "agent_id": agent_id}, output)


def ignore(
    name: Name,
    remote: Remote,
    reason: Reason,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Leave an object alone for good; it is not shown any more."""
    row = _act(name, database_url, lambda work, there: adopting.ignore(work, there, remote, reason))
    _tell(row, name, output, "is left alone from now on", "ignored")


def retire(
    name: Name,
    remote: Remote,
    reason: Reason,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Have an object switched off there: it is in the next plan, under the brake like any other."""
    row = _act(name, database_url, lambda work, there: adopting.retire(work, there, remote, reason))
    _tell(row, name, output, f"is in the next plan: sync plan {name}", "retiring")


def _act(name: str, database_url: str | None, body: Callable[[Work, Connection], Awaitable[T]]) -> T:
    """Do something about one connection in one transaction, in the name of who runs the command."""

    async def main(bridge: Bridge) -> T:
        there = await connection(bridge.ctx.store.reads, name)
        return await bridge.ctx.store.transact(actor(), lambda work: body(work, there))

    return with_bridge(database_url, main)


def _tell(row: KeptStranger, name: str, output: Format, words: str, state: str) -> None:
    if output is Format.TABLE:
        say(f"{row.name} ({row.remote_id}) {words}.")
    else:
        show({"connection": name, "remote": row.remote_id, "name": row.name, "state": state}, output)


def _when(instant: int | None) -> str | None:
    return None if instant is None else iso(instant)


def _drift_record(row: KeptDrift) -> dict[str, Any]:
    """One drift, whole."""
    return {
        "agent": row.slug,
        "agent_id": row.agent_id,
        "attribute": row.attribute,
        "ours_is_called": row.field or None,
        "ours": row.ours,
        "theirs": row.theirs,
        "rule": row.rule,
        "changed_by": row.changed_by or None,
        "changed_at": _when(row.changed_at),
        "who_is_unknown_because": row.unknown or None,
        "first_seen": _when(row.first_seen),
        "last_seen": _when(row.last_seen),
        "state": row.state,
        "settled": _when(row.settled),
        "settled_by": row.settled_by or None,
        "reason": row.reason or None,
    }


def _drift_row(row: KeptDrift) -> dict[str, Any]:
    """One drift in a line."""
    return {
        "agent": row.slug,
        "attribute": row.attribute,
        "ours": _short(row.ours),
        "theirs": _short(row.theirs),
        "by": row.changed_by or f"unknown: {row.unknown}" if row.changed_by or row.unknown else None,
        "first seen": _when(row.first_seen),
        "rule": row.rule,
        "state": row.state if row.state == OPEN else f"{row.state} by {row.settled_by}",
        "reason": row.reason or None,
    }


def _short(value: Any) -> Any:
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"{text[:57]}…" if isinstance(text, str) and len(text) > 58 else text


def _stranger_record(row: KeptStranger, known: bool) -> dict[str, Any]:
    """One stranger, whole."""
    return {
        "remote": row.remote_id,
        "name": row.name,
        "what": what(row.mark, known),
        "owner": row.owner or None,
        "from": row.origin or None,
        "made": _when(row.made),
        "unknown": row.unknown or None,
        "first_seen": _when(row.first_seen),
        "last_seen": _when(row.last_seen),
        "state": row.state,
        "reason": row.reason or None,
        "attributes": dict(row.attributes),
    }
