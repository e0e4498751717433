"""`scim-bridge sync one`: provision on demand, step by step."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import orjson
import typer

from scim_bridge.app import Bridge, effects_of
from scim_bridge.cli.output import (
    EXIT_ERROR,
    EXIT_HELD,
    EXIT_PENDING,
    DatabaseUrl,
    Format,
    Output,
    fail,
    show,
)
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.worker import sole_worker
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.idp.port import Idp
from scim_bridge.sync.one import Look, Told, ask_for, look_at

LOOK = 0.2
# A write that does not come through is tried on by the worker; who asked for it is not kept longer.
PATIENCE = 120.0


def one(
    name: Annotated[str, typer.Argument(help="the connection")],
    agent: Annotated[str, typer.Argument(help="slug, userName, id or workload id")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="stop before the write; exit 3 when it would write")
    ] = False,
    release: Annotated[
        str, typer.Option("--release", help="why a write the brake holds is meant; audited with your name")
    ] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Bring one agent up to date at an IdP and show every step, with old, new and why. Exit 4: held."""

    async def body(bridge: Bridge) -> tuple[Look, list[Told], str]:
        there, idp = await bridge.idps.of(name)
        look = await look_at(bridge.ctx, there, idp, agent)
        if dry_run or look.stopped or look.found.change is None or (look.held and not release.strip()):
            return look, [], ""
        return (look, *await _written(bridge, there, idp, look, release))

    look, after, trouble = with_bridge(database_url, body)
    _show(look, after, trouble, output, dry_run=dry_run)
    if look.stopped or trouble:
        fail(look.stopped or trouble)
        raise typer.Exit(EXIT_ERROR)
    if look.held and not after:
        fail(
            f"held: {look.held}", f"Look first. If it is meant: sync one {name} {look.slug} --release REASON"
        )
        raise typer.Exit(EXIT_HELD)
    if dry_run and look.found.change is not None:
        raise typer.Exit(EXIT_PENDING)


async def _written(
    bridge: Bridge, there: Connection, idp: Idp, look: Look, release: str
) -> tuple[list[Told], str]:
    """The steps from the write on, and what went wrong with it."""
    store = bridge.ctx.store
    effect = await store.transact(actor(), lambda work: ask_for(work, there, look, release))
    change = look.found.change
    steps = [] if change is None else [Told("write", change.action, dict(change.after))]
    row = await _settled(bridge, effect)
    result = orjson.loads(row["result"]) if row["result"] else {}
    if row["state"] != "done":
        why = row["last_error"] or "nothing came back yet; the worker goes on (effects list)"
        return [*steps, Told("answer", "not written", {"state": row["state"], "why": why})], str(why)
    steps.append(Told("answer", str(result.get("outcome", "done")), result))
    again = await look_at(bridge.ctx, there, idp, look.slug)
    left = again.found.change
    what = "as wanted" if left is None else f"still different: {', '.join(left.after)}"
    detail = next((dict(step.detail) for step in again.steps if step.step == "look-up"), {})
    return [*steps, Told("read back", what, detail)], ""


async def _settled(bridge: Bridge, effect: str) -> Any:
    """The effect once it is settled, performed here while no server does; or as it stands after a while."""
    loop, store = asyncio.get_running_loop(), bridge.ctx.store
    until = loop.time() + PATIENCE
    while True:
        async with sole_worker(store.database) as mine:
            pause = await effects_of(bridge).attempt(effect) if mine else LOOK
        row: Any = await store.reads.one(
            "SELECT state, result, last_error FROM sb_effect WHERE id = ?", effect
        )
        if row["state"] not in ("pending", "handed") or loop.time() + (pause or 0) > until:
            return row
        await asyncio.sleep(pause or LOOK)


def _show(look: Look, after: list[Told], trouble: str, output: Format, *, dry_run: bool) -> None:
    steps = [*look.steps, *after]
    if output in (Format.TABLE, Format.CSV):
        show([{"step": step.step, "outcome": step.what, "detail": _words(step)} for step in steps], output)
        return
    records = [{"step": step.step, "outcome": step.what, **step.detail} for step in steps]
    if output is Format.JSONL:
        show(records, output)
        return
    found = {
        "agent": look.slug,
        "steps": records,
        "dry_run": dry_run,
        "written": bool(after) and not trouble,
        "held": look.held or None,
        "stopped": look.stopped or trouble or None,
    }
    show(found, output)


def _words(step: Told) -> str:
    """The detail of a step in one line."""
    detail = dict(step.detail)
    if step.step == "mapping":
        said = f"{detail['target']} = {_value(detail['value'])}"
        source = f"  ← {detail['source']}" if detail["source"] else ""
        when = f" when {detail['when']}" if detail.get("when") else ""
        return said + source + when + (f" ({detail['note']})" if detail.get("note") else "")
    if step.step == "difference" and "attributes" in detail:
        lines = (
            f"{a['name']}: {_value(a['old'])} → {_value(a['new'])} ({a['why']})" for a in detail["attributes"]
        )
        return "; ".join([*lines, *detail["notes"]])
    return "; ".join(
        f"{name}: {_value(value)}" for name, value in detail.items() if value not in (None, [], "")
    )


def _value(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else str(value)
    return f"{text[:57]}…" if len(text) > 58 else text
