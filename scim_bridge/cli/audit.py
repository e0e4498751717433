"""`scim-bridge audit`: verify, export and read the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.audit.model import Verdict
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import export_lines, verify_database, verify_export
from scim_bridge.cli.files import read, write
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, show
from scim_bridge.cli.session import with_bridge
from scim_bridge.kernel import crypto
from scim_bridge.kernel.crypto import trusted_keys

app = typer.Typer(no_args_is_help=True, help="The tamper-evident record of every change.")


def report(verdict: Verdict, keys: str, output: Format) -> None:
    """Print a verdict and whose keys it rests on; exit 1 when something does not add up."""
    findings = [{"seq": f.seq, "row": f.row_id, "message": f.message} for f in verdict.findings]
    summary: dict[str, Any] = {
        "ok": verdict.ok,
        "rows": verdict.rows,
        "checkpoints": verdict.checkpoints,
        "unsealed": verdict.unsealed,
        "keys": keys,
        "findings": findings,
    }
    if output is Format.TABLE:
        summary["findings"] = [
            f"row {f['seq']}: {f['message']}" if f["seq"] else f["message"] for f in findings
        ] or "none"
    show(summary, output)
    if not verdict.ok:
        raise typer.Exit(EXIT_ERROR)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Option("--file", help="an export, checked offline")] = None,
    public_keys: Annotated[
        Path | None, typer.Option("--public-keys", help="JSON of the keys you trust (audit keys)")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Check every row and signature; says which row was altered. Exit 1 when one was."""
    if file is not None:
        trusted = trusted_keys(read(public_keys), "audit keys") if public_keys is not None else None
        found = verify_export(read(file).splitlines(), trusted)
        report(found, "given" if trusted is not None else "the file's own", output)
        return
    if public_keys is not None:
        raise typer.BadParameter("--public-keys goes with --file")

    async def body(bridge: Any) -> Verdict:
        await seal(bridge.ctx.store, bridge.ctx.master)
        return await verify_database(bridge.ctx.store.database)

    report(with_bridge(database_url, body), "the database's", output)


@app.command()
def export(
    file: Annotated[Path, typer.Option("--file", help="where to write the JSON lines")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Write the whole chain with its public keys, verifiable on any machine."""

    async def body(bridge: Any) -> list[bytes]:
        await seal(bridge.ctx.store, bridge.ctx.master)
        return await export_lines(bridge.ctx.store.database)

    lines = with_bridge(database_url, body)
    write(file, b"\n".join(lines) + b"\n")
    show({"file": str(file), "lines": len(lines)}, output)


@app.command()
def keys(database_url: DatabaseUrl = None, output: Output = Format.JSON) -> None:
    """The public keys of checkpoints by id: keep them apart from exports, for --public-keys."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await crypto.public_keys(bridge.ctx.store.reads, "audit")

    show(with_bridge(database_url, body), output)


@app.command("list")
def list_(
    subject: Annotated[str | None, typer.Option("--subject", help="id of an agent, person, group …")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The newest audit rows."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        where, values = ("WHERE subject_id = ?", [subject]) if subject is not None else ("", [])
        rows = await bridge.ctx.store.reads.all(
            "SELECT at, actor_name, action, subject_kind, subject_id, outcome, detail, seq FROM sb_audit"
            f" {where} ORDER BY at DESC, id DESC LIMIT ?",
            *values,
            limit,
        )
        return [dict(row) for row in rows]

    show(with_bridge(database_url, body), output)
