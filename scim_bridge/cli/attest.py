"""`scim-bridge attest`: ask owners, read what they stated, verify it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from scim_bridge.attestations import bundle, evidence
from scim_bridge.attestations.requests import requests
from scim_bridge.attestations.service import ask
from scim_bridge.cli.files import read, write
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.crypto import public_keys
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.agent_facts import find_agent

app = typer.Typer(no_args_is_help=True, help="Owner attestations.")

# What is signed by keys that came along proves that nobody changed it since, and not whose it is.
WHOSE_KEYS = (
    "the file brings its own keys: give --public-keys to know whose it is,"
    " or --trust-bundle-keys to see only that it is whole"
)
OWN_KEYS = "the file's own: give --public-keys to know whose"

AgentOption = Annotated[str | None, typer.Option("--agent", help="slug, userName, id or workload id")]


async def _agent_id(bridge: Any, name: str | None) -> str | None:
    if name is None:
        return None
    facts = await find_agent(bridge.ctx.store.reads, name)
    if facts is None:
        raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
    return facts.resource.id


@app.command()
def request(
    agent: Annotated[str, typer.Argument(help="slug, userName, id or workload id")],
    to: Annotated[
        str | None, typer.Option("--to", help="userName or e-mail of its owner, co-owner or sponsor")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask an owner to attest an agent: sends the link, and prints it. An older link to them ends."""

    async def body(bridge: Any) -> dict[str, Any]:
        asked = await ask(bridge.ctx, bridge.settings.attestations, actor(), agent, to)
        return {"link": asked.link, "expires": asked.expires, "to": asked.person.user_name}

    show(with_bridge(database_url, body), output)


@app.command("list")
def list_(
    agent: AgentOption = None,
    asked: Annotated[bool, typer.Option("--requests", help="who was asked, instead of who answered")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The newest statements: who said what about which agent, until when."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        reads = bridge.ctx.store.reads
        agent_id = await _agent_id(bridge, agent)
        if asked:
            return await requests(reads, bridge.ctx.store.clock.now(), agent_id, limit)
        return await evidence.summaries(reads, bridge.ctx.store.clock.now(), agent_id, limit)

    show(
        with_bridge(database_url, body),
        output,
        empty="Nothing yet. Ask an owner: scim-bridge attest request AGENT",
    )


@app.command("show")
def show_(attestation_id: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """One statement with the facts it is about and its signed form."""

    async def body(bridge: Any) -> dict[str, Any]:
        row = await evidence.statement(bridge.ctx.store.reads, attestation_id)
        record = evidence.record_of(row)
        ended = None if row["ended"] is None else iso(row["ended"])
        return {**record, "facts": orjson.loads(record["facts"]), "ended": ended}

    show(with_bridge(database_url, body), output)


@app.command()
def verify(
    attestation_id: Annotated[str | None, typer.Argument(help="one statement; without, all of them")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="an export or a bundle, checked offline")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--public-keys", help="JSON of the keys you trust (attest keys)")
    ] = None,
    own_keys: Annotated[
        bool,
        typer.Option(
            "--trust-bundle-keys",
            help="with --file: use the keys inside it, which say nothing of whose they are",
        ),
    ] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Check signatures, and that the facts are those that were signed. Exit 1 when something is not."""
    if file is not None and attestation_id is not None:
        raise typer.BadParameter("give an id or --file, not both")
    if file is None and (own_keys or keys is not None):
        raise typer.BadParameter("--public-keys and --trust-bundle-keys go with --file")
    if file is not None:
        if own_keys == (keys is not None):
            raise typer.BadParameter(
                WHOSE_KEYS if keys is None else "give --public-keys or --trust-bundle-keys"
            )
        raw = read(file)
        checked = bundle.verify_bundle if bundle.is_bundle(raw) else _verify_lines
        _report(checked(raw, _trusted(keys)), "given" if keys is not None else OWN_KEYS, output)
        return

    async def body(bridge: Any) -> evidence.Verdict:
        return await evidence.verify_stored(bridge.ctx.store.database, attestation_id)

    _report(with_bridge(database_url, body), "the database's", output)


def _verify_lines(raw: bytes, trusted: evidence.Keys | None) -> evidence.Verdict:
    return evidence.verify_export(raw.splitlines(), trusted)


def _trusted(file: Path | None) -> evidence.Keys | None:
    return None if file is None else evidence.trusted_keys(read(file))


def _report(verdict: evidence.Verdict, keys_from: str, output: Format) -> None:
    findings: list[Any] = [{"id": f.id, "message": f.message} for f in verdict.findings]
    if output is Format.TABLE:
        findings = [f"{f['id']}: {f['message']}" for f in findings] or ["none"]
    told = {"ok": verdict.ok, "statements": verdict.statements, "keys": keys_from, "findings": findings}
    show(told, output)
    if not verdict.ok:
        raise typer.Exit(EXIT_ERROR)


@app.command()
def export(
    file: Annotated[Path, typer.Option("--file", help="where to write the JSON lines")],
    agent: AgentOption = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Write the statements with their facts and public keys, verifiable on any machine."""

    async def body(bridge: Any) -> list[bytes]:
        return await evidence.export_lines(bridge.ctx.store.database, await _agent_id(bridge, agent))

    lines = with_bridge(database_url, body)
    write(file, b"\n".join(lines) + b"\n")
    count = len(lines) - 2
    done(f"Wrote {count} statements to {file}.", {"file": str(file), "statements": count}, output)


@app.command("bundle")
def bundle_(
    file: Annotated[Path, typer.Option("--file", help="where to write the zip")],
    agent: AgentOption = None,
    of: Annotated[str | None, typer.Option("--campaign", help="only what was answered in it")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Evidence for an auditor in one file: statements, the audit chain, keys, and a page to read."""
    if agent is not None and of is not None:
        raise typer.BadParameter("give --agent or --campaign, not both")

    async def body(bridge: Any) -> bundle.Made:
        agent_id = await _agent_id(bridge, agent)
        return await bundle.bundle(bridge.ctx, actor(), agent_id=agent_id, of=of)

    made = with_bridge(database_url, body)
    write(file, made.content)
    done(
        f"Wrote {made.statements} statements to {file}. Check it anywhere:"
        f" scim-bridge attest verify --file {file} --public-keys KEYS (from `attest keys`, kept apart)",
        {"file": str(file), "statements": made.statements},
        output,
    )


@app.command("keys")
def keys_(database_url: DatabaseUrl = None, output: Output = Format.JSON) -> None:
    """The public keys by id, of statements and of the audit chain: keep them apart, for --public-keys."""

    async def body(bridge: Any) -> dict[str, Any]:
        reads = bridge.ctx.store.reads
        return {**await public_keys(reads, "attestation"), **await public_keys(reads, "audit")}

    show(with_bridge(database_url, body), output)


@app.command("rotate-key")
def rotate_key(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Sign statements with a new key from now on. Old statements go on to verify: give out `attest keys` again."""

    async def body(bridge: Any) -> dict[str, Any]:
        ctx = bridge.ctx
        done: dict[str, Any] = await ctx.store.transact(
            actor(), lambda work: evidence.rotate_key(work, ctx.master)
        )
        return done

    show(with_bridge(database_url, body), output)
