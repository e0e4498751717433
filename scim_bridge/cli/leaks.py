"""`scim-bridge leaks`: secrets that were found in public, and one that somebody tells by hand."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated, Any

import typer

from scim_bridge.app import leak_intake
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.credentials.leaks.github import Found, shown_url
from scim_bridge.credentials.leaks.intake import leaks, message_id, report_credential
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.kernel.work import Work

app = typer.Typer(no_args_is_help=True, help="Secrets that were found in public.")

BRIEF = ("reported", "verdict", "subject_kind", "done")


@app.command("list")
def list_(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="at most so many, the newest")
    ] = 100,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """List what was told: where it was found, whose it was, what was done. Never a value."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        rows = await leaks(bridge.ctx.store.reads, limit)
        return [{**dict(row), "reported": iso(row["reported"])} for row in rows]

    show(with_bridge(database_url, body), output, empty="No leaks were told.", brief=BRIEF)


@app.command()
def report(
    url: Annotated[str, typer.Option("--url", help="where it was found")] = "",
    credential: Annotated[
        str | None,
        typer.Option("--credential", help="an agent's credential by its id or reference, without the value"),
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Tell of a leaked secret: it is read from standard input, or asked for, and never named on the command line."""
    found = None
    if credential is None:
        text = getpass.getpass("Leaked secret: ") if sys.stdin.isatty() else sys.stdin.read(16_384)
        if not text.strip():
            raise typer.BadParameter("standard input holds no secret")
        found = Found(SecretText(text.strip()), "", shown_url(url), "manual")

    async def body(bridge: Any) -> dict[str, Any]:
        who = actor()
        intake = leak_intake(bridge)

        async def take(work: Work) -> dict[str, Any]:
            if found is None:
                ended = await report_credential(work, intake.on_leak, str(credential), who.name)
                return {"verdict": "true_positive", "what": f"{ended.kind} {ended.id}", "done": ended.done}
            sender = message_id(b"manual", work.ids.new().encode())
            await intake.take(work, sender, who.name, [found])
            row = await work.tx.one("SELECT * FROM sb_leak WHERE id = ?", f"{sender}:000")
            assert row is not None
            what = f"{row['subject_kind']} {row['subject_id']}" if row["subject_id"] else None
            return {"verdict": row["verdict"], "what": what, "done": row["done"]}

        done: dict[str, Any] = await bridge.ctx.store.transact(who, take)
        return done

    show(with_bridge(database_url, body), output)
