"""`scim-bridge effects`: outward calls that wait, failed, or are dead; retry or drop them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from scim_bridge.audit.record import record
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.effects import revive
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.watch.ssf_push import given_up

app = typer.Typer(no_args_is_help=True, help="Outward calls.")


class EffectState(StrEnum):
    """Where an effect is on its way."""

    PENDING = "pending"
    HANDED = "handed"
    DONE = "done"
    DEAD = "dead"
    DROPPED = "dropped"


@app.command("list")
def list_(
    state: Annotated[
        EffectState | None, typer.Option("--state", help="pending, handed, done, dead or dropped")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The newest effects: kind, state, attempts, last error."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        where, values = ("WHERE state = ?", [state.value]) if state is not None else ("", [])
        rows = await bridge.ctx.store.reads.all(
            "SELECT id, kind, state, subject_id, case_id, attempts, last_error, created FROM sb_effect"
            f" {where} ORDER BY created DESC, id LIMIT ?",
            *values,
            limit,
        )
        return [dict(row) for row in rows]

    show(with_bridge(database_url, body), output, empty="No effects.")


@app.command()
def retry(
    effect_id: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Give a dead effect a fresh round of attempts."""

    async def body(bridge: Any) -> None:
        async def note(work: Work) -> None:
            await record(work, "effect.retried", "effect", effect_id)

        await revive(bridge.ctx.store, actor(), effect_id, note)

    with_bridge(database_url, body)
    text = f"Effect {effect_id} will be tried again by the worker."
    done(text, {"id": effect_id, "state": "pending"}, output)


@app.command()
def drop(
    effect_id: str,
    reason: Annotated[str, reason_option()],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Give up a dead effect for good, with a reason that is audited."""

    async def body(bridge: Any) -> None:
        async def change(work: Work) -> None:
            gone = await work.tx.run(
                "UPDATE sb_effect SET state = 'dropped' WHERE id = ? AND state = 'dead'", effect_id
            )
            if not gone:
                raise NotFound(
                    "effect-not-dead", f"There is no dead effect {effect_id}.", "See `effects list`."
                )
            await given_up(work, effect_id, reason)
            await record(work, "effect.dropped", "effect", effect_id, {"reason": reason})

        await bridge.ctx.store.transact(actor(), change)

    with_bridge(database_url, body)
    done(f"Dropped {effect_id}.", {"id": effect_id, "state": "dropped"}, output)
