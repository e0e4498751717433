"""`scim-bridge departures brake`: leavers that wait because there were too many, and who lets them go."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.files import read
from scim_bridge.cli.output import EXIT_HELD, DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.departures.approver import approver_of
from scim_bridge.departures.releasing import Approver, Verdict, brakes, held_people, reject, release
from scim_bridge.kernel.errors import Forbidden, NotFound
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.tokens import authenticate

app = typer.Typer(no_args_is_help=True, help="Too many leavers at once: what waits, and who lets it go.")

Id = Annotated[str, typer.Argument(metavar="BRAKE", help="id of a brake (brake list)")]
Reason = Annotated[str, reason_option("why: audited and shown")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="decide as the holder of this admin token, not as the account"),
]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="also those that are over")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Brakes that are on: whose news, why, how many wait, who released them so far. Exit 4 when one is on."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        return await brakes(bridge.ctx.store.reads, bridge.rules.brake, every=every)

    found = with_bridge(database_url, body)
    show(found, output, empty="No brake is on.")
    if any(row["state"] == "HELD" for row in found):
        raise typer.Exit(EXIT_HELD)


@app.command("show")
def show_(brake: Id, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """One brake with everybody whose case it holds."""

    async def body(bridge: Bridge) -> dict[str, Any]:
        reads = bridge.ctx.store.reads
        for row in await brakes(reads, bridge.rules.brake, every=True):
            if row["id"] == brake:
                return {**row, "people": await held_people(reads, brake)}
        raise NotFound(
            "brake-unknown", f"There is no brake {brake!r}.", "See `scim-bridge departures brake list`."
        )

    found = with_bridge(database_url, body)
    if output is not Format.TABLE:
        show(found, output)
        return
    show({key: value for key, value in found.items() if key != "people"}, output)
    say("")
    show(found["people"], output, empty="It holds nothing.")


@app.command("release")
def release_(
    brake: Id,
    reason: Reason,
    token_file: TokenFile = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Let what waits go on. Above a number of cases a second, different person has to say so too."""

    async def body(bridge: Bridge) -> Verdict:
        by, who = await _approver(bridge, token_file)

        async def change(work: Work) -> Verdict:
            return await release(work, bridge.rules.brake, brake, who, reason)

        return await bridge.ctx.store.transact(by, change)

    verdict = with_bridge(database_url, body)
    _report(brake, verdict, output)
    if verdict.missing:
        raise typer.Exit(EXIT_HELD)


@app.command("reject")
def reject_(
    brake: Id,
    reason: Reason,
    token_file: TokenFile = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Say that the news was wrong: every waiting case is cancelled, everybody counts as here."""

    async def body(bridge: Bridge) -> Verdict:
        by, who = await _approver(bridge, token_file)
        return await bridge.ctx.store.transact(by, lambda work: reject(work, brake, who, reason))

    _report(brake, with_bridge(database_url, body), output)


def _report(brake: str, verdict: Verdict, output: Format) -> None:
    state = "HELD" if verdict.missing else verdict.state
    show({"brake": brake, "state": state, "cases": verdict.cases, "still_needed": verdict.missing}, output)


async def _approver(bridge: Bridge, token_file: Path | None) -> tuple[Actor, Approver]:
    """Who decides: the holder of a token, else the account this process really runs as (not what $USER says)."""
    if token_file is None:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = f"uid {os.getuid()}"
        return actor(), Approver(name.casefold(), name, f"account {name}")
    store = bridge.ctx.store
    token = read(token_file).decode(errors="replace").strip()
    grant = await authenticate(store.reads, bridge.ctx.master, token, store.clock.now())
    if grant.connection_id is not None or "admin" not in grant.scopes:
        raise Forbidden("scope-missing", "This is no admin's token.", "Use tokens create --scope admin.")
    who = approver_of(grant.label, grant.token_id)
    return Actor("admin", grant.token_id, who.name), who
