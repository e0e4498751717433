"""`scim-bridge receipts`: signed proof of what a departure did and when; checked here or anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from scim_bridge.cli.files import read, write
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, done, say, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import PURPOSE, export, rotate_key, trusted_keys, verify_case, verify_file
from scim_bridge.departures.statement import Verdict, check
from scim_bridge.kernel.crypto import public_keys

app = typer.Typer(no_args_is_help=True, help="Signed proof of departures.")

CaseArgument = Annotated[str, typer.Argument(help="id of a case, or the userName of who left")]


@app.command("show")
def show_(case: CaseArgument, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """What a receipt says: every step with its time."""

    async def body(bridge: Any) -> dict[str, Any]:
        exported = await export(bridge.ctx, await find_case(bridge.ctx.store.reads, case))
        return dict(check(exported["receipt"], exported["keys"]).content)

    content = with_bridge(database_url, body)
    if output is not Format.TABLE:
        show(content, output)
        return
    show({key: value for key, value in content.items() if key not in ("agents", "steps")}, output)
    for title in ("agents", "steps"):
        say("")
        columns = ("at", "what", "agent", "detail") if title == "steps" else None
        rows = [{key: row.get(key) for key in columns or row} for row in content.get(title, ())]
        show(rows, output, empty=f"No {title}.")


@app.command("export")
def export_(
    case: CaseArgument,
    file: Annotated[Path, typer.Option("--file", help="where to write the receipt")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Write a receipt with its public keys: one JSON file, verifiable on any machine."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await export(bridge.ctx, await find_case(bridge.ctx.store.reads, case))

    content = orjson.dumps(with_bridge(database_url, body))
    write(file, content + b"\n")
    text = f"Wrote {file}. Check it anywhere: scim-bridge receipts verify --file {file}"
    done(text, {"file": str(file)}, output)


@app.command()
def keys(database_url: DatabaseUrl = None, output: Output = Format.JSON) -> None:
    """Print the public keys receipts are signed with, for --public-keys elsewhere."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await public_keys(bridge.ctx.store.reads, PURPOSE)

    show(with_bridge(database_url, body), output)


@app.command("rotate-key")
def rotate_key_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Sign with a new key from now on. Old receipts go on to verify: publish `receipts keys` again."""

    async def body(bridge: Any) -> tuple[str | None, str]:
        ctx = bridge.ctx
        done: tuple[str | None, str] = await ctx.store.transact(
            actor(), lambda work: rotate_key(work, ctx.master)
        )
        return done

    old, new = with_bridge(database_url, body)
    show({"before": old, "now": new}, output)


@app.command()
def verify(
    case: Annotated[str | None, typer.Argument(help="id of a case, or the userName of who left")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="an exported receipt, checked offline")] = None,
    trusted: Annotated[
        Path | None, typer.Option("--public-keys", help="JSON of the keys you trust (receipts keys)")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Check signature and content of a receipt. Exit 1 when something does not add up."""
    if (case is None) == (file is None):
        raise typer.BadParameter("give a case or --file, one of them")
    if file is not None:
        known = trusted_keys(read(trusted)) if trusted is not None else None
        _report(verify_file(read(file), known), "given" if trusted is not None else "the file's own", output)
        return

    async def body(bridge: Any) -> Verdict:
        return await verify_case(bridge.ctx, await find_case(bridge.ctx.store.reads, str(case)))

    _report(with_bridge(database_url, body), "the database's", output)


def _report(verdict: Verdict, keys_from: str, output: Format) -> None:
    """Print a verdict; what a receipt says is only shown when it is genuine."""
    said = verdict.content if verdict.ok else {}
    person = said.get("person", {})
    findings = list(verdict.findings)
    show(
        {
            "ok": verdict.ok,
            "within_budget": verdict.within_budget,
            "complete": said.get("complete"),
            "case": said.get("case"),
            "person": person.get("userName"),
            "seconds": said.get("seconds"),
            "steps": len(said.get("steps", ())),
            "agents": len(said.get("agents", ())),
            "keys": keys_from,
            "findings": findings if findings or output is not Format.TABLE else "none",
        },
        output,
    )
    if not verdict.ok:
        raise typer.Exit(EXIT_ERROR)
