"""`scim-bridge mappings`: which attribute of an agent goes where at an IdP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from scim_bridge.app import Bridge
from scim_bridge.cli.files import read
from scim_bridge.cli.output import DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.errors import BadFile, Invalid, NotFound
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.sync.facts import desired_of
from scim_bridge.sync.idp.port import Idp, Target
from scim_bridge.sync.mapping import OUT, Row
from scim_bridge.sync.mapping_check import checked, row_of
from scim_bridge.sync.mapping_store import keep_mapping, mapping_rows
from scim_bridge.sync.one import mapping_detail, mapping_steps
from scim_bridge.sync.wanting import rules_of

app = typer.Typer(no_args_is_help=True, help="Which attribute of an agent goes where at an IdP.")

Name = Annotated[str, typer.Argument(help="the connection")]
File = Annotated[Path | None, typer.Option("--file", help="YAML or JSON: a list of rows, instead of one row")]


def _rows_in(file: Path) -> list[Row]:
    try:
        found = yaml.safe_load(read(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadFile(
            "mapping-file", f"{file} cannot be read as YAML or JSON.", "Give a list of rows."
        ) from error
    if not isinstance(found, list):
        raise BadFile(
            "mapping-file", f"{file} is no list.", "Give a list of rows: target, source, direction, when."
        )
    return [row_of(number, one) for number, one in enumerate(found, 1)]


def _record(row: Row) -> dict[str, Any]:
    return {"target": row.target, "source": row.source, "direction": row.direction, "when": row.when or None}


@app.command("show")
def show_(
    name: Name,
    targets: Annotated[bool, typer.Option("--targets", help="ask the IdP what could be mapped, too")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the rows of a connection's mapping; with --targets all its IdP has, and what is written there."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        reads = bridge.ctx.store.reads
        there = await connection(reads, name)
        rows = await mapping_rows(reads, there.id)
        if not targets:
            return [_record(row) for row in rows]
        _, idp = await bridge.idps.of(there.id)
        ours = {row.target: row.source for row in rows}
        return [_target(one, ours.get(one.name, one.default)) for one in (await idp.targets()).values()]

    found = with_bridge(database_url, body)
    show(found, output, empty="No rows: everything is written as the adapter does it (--targets shows how).")


def _target(one: Target, source: str) -> dict[str, Any]:
    limits = [f"at most {one.longest}"] if one.longest else []
    limits += [f"one of {', '.join(one.choices[:6])}"] if one.choices else []
    return {
        "target": one.name,
        "source": source or None,
        "type": f"list of {one.kind}" if one.several else one.kind,
        "limits": "; ".join(limits) or None,
        "fixed": one.fixed or None,
    }


@app.command("set")
def set_(
    name: Name,
    target: Annotated[str | None, typer.Argument(help="attribute at the IdP")] = None,
    source: Annotated[str | None, typer.Argument(help="expression, or - to leave it to the IdP")] = None,
    when: Annotated[str, typer.Option("--when", help="condition under which the row counts")] = "",
    direction: Annotated[
        str, typer.Option("--direction", help="out; or in: drift may take the IdP's value into SOURCE")
    ] = OUT,
    file: File = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Set one row, or with --file all of them; held against the IdP's schema first. The next plan shows the effect."""
    given = _rows_in(file) if file is not None else None
    if given is None and (target is None or source is None):
        raise Invalid("mapping-row", "A row needs a target and a source.", "Or give --file with all rows.")
    if given is not None and target is not None:
        raise Invalid("mapping-row", "Give either a row or a file.", "--file holds every row.")

    async def body(bridge: Bridge) -> list[Row]:
        there, idp = await bridge.idps.of(name)
        before = await mapping_rows(bridge.ctx.store.reads, there.id)
        rows = given if given is not None else _with(before, Row(str(target), str(source), direction, when))
        return await _keep(bridge, there, idp, rows)

    show([_record(row) for row in with_bridge(database_url, body)], output, empty="No rows.")


def _with(before: list[Row], row: Row) -> list[Row]:
    """The rows with one more: it takes the place of the row of the same target and condition.

    A row without a condition stands last among those of its target, or the others would never count.
    """
    kept = [one for one in before if (one.target, one.when) != (row.target, row.when)]
    last = [one for one in kept if one.target == row.target and not one.when]
    return [*(one for one in kept if one not in last), row, *last] if row.when else [*kept, row]


async def _held_against(idp: Idp, rows: list[Row]) -> None:
    """Invalid unless the IdP can take these rows; says so when it is only not prepared yet."""
    try:
        checked(rows, await idp.targets())
    except Invalid as error:
        if not await idp.missing():
            raise
        hint = "The IdP is not prepared yet and may lack it for that reason: sync apply first."
        raise Invalid(error.code, error.message, f"{error.fix} {hint}") from error


async def _keep(bridge: Bridge, there: Connection, idp: Idp, rows: list[Row]) -> list[Row]:
    await _held_against(idp, rows)
    await bridge.ctx.store.transact(actor(), lambda work: keep_mapping(work, there, rows))
    return rows


@app.command()
def check(
    name: Name, file: File = None, database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """Hold the rows (of --file, else those in use) against the IdP's schema as it is now; changes nothing."""

    async def body(bridge: Bridge) -> list[Row]:
        there, idp = await bridge.idps.of(name)
        rows = _rows_in(file) if file is not None else await mapping_rows(bridge.ctx.store.reads, there.id)
        await _held_against(idp, rows)
        return rows

    rows = with_bridge(database_url, body)
    if output is Format.TABLE:
        say(f"{len(rows)} rows, all of which {name} can take.")
    else:
        show({"connection": name, "rows": len(rows), "ok": True}, output)


@app.command()
def reset(
    name: Name,
    target: Annotated[str | None, typer.Argument(help="only the rows of this target")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Take rows away: the adapter writes again what they changed, and the next plan clears what only they wrote."""

    async def body(bridge: Bridge) -> list[Row]:
        reads = bridge.ctx.store.reads
        there = await connection(reads, name)
        before = await mapping_rows(reads, there.id)
        rows = [row for row in before if target is not None and row.target != target]
        if target is not None and len(rows) == len(before):
            raise NotFound(
                "mapping-none", f"No row of {name} has the target {target[:60]!r}.", "See mappings show."
            )
        await bridge.ctx.store.transact(actor(), lambda work: keep_mapping(work, there, rows))
        return rows

    rows = with_bridge(database_url, body)
    cleared = "The next plan clears what only the rows taken away wrote, where nobody changed it since."
    show([_record(row) for row in rows], output, empty=f"No rows. {cleared}")


@app.command()
def preview(
    name: Name,
    agent: Annotated[str, typer.Argument(help="slug, userName, id or workload id")],
    file: Annotated[Path | None, typer.Option("--file", help="try these rows, not those in use")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Show for one agent what each attribute would be and which row says so; writes nothing."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        reads = bridge.ctx.store.reads
        there, idp = await bridge.idps.of(name)
        facts = await find_agent(reads, agent)
        desired = None if facts is None else await desired_of(reads, there, [facts.resource.id])
        if facts is None or not desired:
            raise NotFound(
                "agent-unknown", f"{name} is told of no agent {agent!r}.", "See agents list, and its scope."
            )
        rules = await rules_of(reads, there.id)
        if file is not None:
            rules = tuple(checked(_rows_in(file), await idp.targets()))
        steps = await mapping_steps(idp, rules, desired[facts.resource.id])
        return [{"fate": step.fate, **mapping_detail(step)} for step in steps]

    found = with_bridge(database_url, body)
    if output in (Format.TABLE, Format.CSV):
        columns = ("target", "fate", "value", "source", "when", "note")
        show([{column: row.get(column) for column in columns} for row in found], output)
    else:
        show(found, output)
