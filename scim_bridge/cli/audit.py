"""`scim-bridge audit`: verify, export and read the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.audit.anchors import anchored
from scim_bridge.audit.export import chain_lines, decoded, rows_between
from scim_bridge.audit.forms import FORMS, csv_head, form_of
from scim_bridge.audit.model import Verdict
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import LONGEST_LINE, read_anchors, verify_database, verify_export
from scim_bridge.cli import audit_streams
from scim_bridge.cli.audit_list import list_
from scim_bridge.cli.files import lines, read, writing
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, busy, fail, show
from scim_bridge.cli.session import with_bridge
from scim_bridge.kernel import crypto
from scim_bridge.kernel.clock import iso, parse_iso
from scim_bridge.kernel.crypto import trusted_keys
from scim_bridge.kernel.errors import UniqueViolation

CHAIN = "chain"
EXIT_STOPPED = 130

app = typer.Typer(no_args_is_help=True, help="The tamper-evident record of every change.")
app.add_typer(audit_streams.app, name="streams")
app.command("list")(list_)


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C ends what was begun with a word and its own exit code; nothing of it is kept."""
    try:
        yield
    except KeyboardInterrupt as error:
        fail("Stopped before the end: nothing can be said of the rest.", "The same command begins anew.")
        raise typer.Exit(EXIT_STOPPED) from error


def report(verdict: Verdict, keys: str, output: Format) -> None:
    """Print a verdict and whose keys it rests on; exit 1 when something does not add up."""
    findings = [{"seq": f.seq, "row": f.row_id, "message": f.message} for f in verdict.findings]
    summary: dict[str, Any] = {
        "ok": verdict.ok,
        "rows": verdict.rows,
        "checkpoints": verdict.checkpoints,
        "unsealed": verdict.unsealed,
        "keys": keys,
        "anchors": verdict.anchors,
        "as_of": None if verdict.as_of is None else iso(verdict.as_of),
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
    anchor: Annotated[
        Path | None, typer.Option("--anchor", help="checkpoints kept outside: the chain must go through them")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Check every row and signature; says which row was altered. Exit 1 when one was."""
    anchors = [] if anchor is None else read_anchors(lines(anchor, LONGEST_LINE))
    if file is not None:
        trusted = trusted_keys(read(public_keys), "audit keys") if public_keys is not None else None
        with stoppable(), busy("Checking every row of the export"):
            found = verify_export(lines(file, LONGEST_LINE), trusted, anchors)
        report(found, "given" if trusted is not None else "the file's own", output)
        return
    if public_keys is not None:
        raise typer.BadParameter("--public-keys goes with --file")

    async def body(bridge: Any) -> Verdict:
        # A row that was taken out of its place cannot be sealed again: the walk says where it is missing.
        with suppress(UniqueViolation):
            await seal(bridge.ctx.store, bridge.ctx.master)
        return await verify_database(bridge.ctx.store.database, anchors, processes=True)

    with stoppable(), busy("Checking every row and signature"):
        found = with_bridge(database_url, body)
    report(found, "the database's", output)


def _instant(name: str, text: str | None) -> int | None:
    """An RFC 3339 instant or a day, in microseconds."""
    try:
        return None if text is None else parse_iso(text if "T" in text.upper() else f"{text}T00:00:00Z")
    except ValueError as error:
        raise typer.BadParameter(f"{name}: {error}") from error


@app.command()
def export(
    file: Annotated[Path, typer.Option("--file", help="where to write it")],
    format_: Annotated[
        str, typer.Option("--format", help=f"{CHAIN} (verifiable), {', '.join(FORMS)}")
    ] = CHAIN,
    since: Annotated[str | None, typer.Option("--since", help="from this day or instant on (UTC)")] = None,
    until: Annotated[str | None, typer.Option("--until", help="before this day or instant (UTC)")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Write the whole chain with its public keys, verifiable on any machine; or rows in another form."""
    if format_ not in (CHAIN, *FORMS):
        raise typer.BadParameter(f"{format_!r} is no form; use one of {', '.join((CHAIN, *FORMS))}")
    begin, end = _instant("--since", since), _instant("--until", until)
    if format_ == CHAIN and (begin, end) != (None, None):
        raise typer.BadParameter(
            "a part of a chain proves nothing: give --since and --until with another --format"
        )

    async def body(bridge: Any) -> int:
        await seal(bridge.ctx.store, bridge.ctx.master)
        if format_ == CHAIN:
            return await _chain(bridge, file)
        return await _rows(bridge, file, format_, begin, end)

    with stoppable(), busy(f"Writing {file}"):
        count = with_bridge(database_url, body)
    show({"file": str(file), "format": format_, "lines": count}, output)


async def _chain(bridge: Any, file: Path) -> int:
    count = 0
    with writing(file) as out:
        async for line in chain_lines(bridge.ctx.store, bridge.ctx.master):
            out.write(line + b"\n")
            count += 1
    return count


async def _rows(bridge: Any, file: Path, form: str, since: int | None, until: int | None) -> int:
    count = 0
    with writing(file) as out:
        if form == "csv":
            out.write(csv_head() + b"\r\n")
        async with bridge.ctx.store.database.snapshot() as reader, decoded(reader):
            async for rows in rows_between(reader, since, until):
                out.writelines(form_of(row, form) + (b"\r\n" if form == "csv" else b"\n") for row in rows)
                count += len(rows)
    return count


@app.command()
def keys(database_url: DatabaseUrl = None, output: Output = Format.JSON) -> None:
    """The public keys of checkpoints by id: keep them apart from exports, for --public-keys."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await crypto.public_keys(bridge.ctx.store.reads, "audit")

    show(with_bridge(database_url, body), output)


@app.command()
def anchors(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Where checkpoints are kept outside, and the last row each place vouches for."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return await anchored(bridge.ctx.store.reads, bridge.settings.audit)

    show(
        with_bridge(database_url, body), output, empty="No anchors. Add [audit.anchors.NAME] to the settings."
    )
