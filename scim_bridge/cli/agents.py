"""`scim-bridge agents`: the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.cli.agent_timeline import timeline
from scim_bridge.cli.lines import report_lines, run_lines
from scim_bridge.cli.output import (
    EXIT_ERROR,
    EXIT_PENDING,
    DatabaseUrl,
    Format,
    Output,
    done,
    fail,
    say,
    show,
)
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.console.agent_search import agents_found
from scim_bridge.inventory.a2a import draft
from scim_bridge.inventory.fetch import fetch_card
from scim_bridge.inventory.lines.service import PORTION, LinesResult, is_lines
from scim_bridge.inventory.problems import ManifestProblems
from scim_bridge.inventory.service import ImportResult, import_agent, import_manifest
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.agent_facts import AgentFacts, all_agents, find_agent
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.findings import findings_of
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.holds import place_hold, release_hold

app = typer.Typer(no_args_is_help=True, help="The agents.")
app.command()(timeline)


def line(facts: AgentFacts, groups: list[tuple[str, str]]) -> dict[str, Any]:
    """One agent as a line of a list."""
    owner = facts.owners.owner
    return {
        "id": facts.resource.id,
        "slug": facts.slug,
        "displayName": facts.resource.doc.get("displayName", facts.slug),
        "platform": facts.platform,
        "environment": facts.environment,
        "risk": facts.risk_tier,
        "owner": owner.user_name if owner is not None else None,
        "state": "active" if facts.resource.active else "held",
        "why": "; ".join(hold.reason for hold in facts.holds) or None,
        "attestation": facts.attestation.state,
        "groups": [name for _, name in groups],
    }


@app.command("list")
def list_(
    search: Annotated[
        str, typer.Argument(help='as in the console: "state:held owner:ann -env:dev"; none: all')
    ] = "",
    held: Annotated[bool, typer.Option("--held", help="only agents that may not act")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """List agents: owner, state and why."""

    async def body(bridge: Any) -> tuple[int, list[dict[str, Any]]]:
        reads = bridge.ctx.store.reads
        found = await all_agents(reads)
        if search:
            ids, _ = await agents_found(reads, search, "", len(found))
            known = {facts.resource.id: facts for facts in found}
            found = [known[agent] for agent in ids if agent in known]
        groups: dict[str, list[tuple[str, str]]] = {}
        for start in range(0, len(found), 500):
            ids = [facts.resource.id for facts in found[start : start + 500]]
            groups |= await groups_of(reads, ids)
        lines = [line(facts, groups.get(facts.resource.id, [])) for facts in found]
        return len(lines), [item for item in lines if not held or item["state"] == "held"]

    agents, rows = with_bridge(database_url, body)
    if output is Format.TABLE:
        rows = [{k: v for k, v in row.items() if k not in ("id", "displayName")} for row in rows]
    brief = ("slug", "owner", "state", "environment")
    nothing = "No agents. Import some: scim-bridge agents import config/examples/agents.yaml"
    if search and not agents:
        nothing = "No agent fits this search."
    nothing = "No agent is held." if held and agents else nothing
    show(rows, output, empty=nothing, brief=brief)


@app.command("show")
def show_(name: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Everything about one agent (by slug, userName, id or workload id)."""

    async def body(bridge: Any) -> dict[str, Any]:
        reads = bridge.ctx.store.reads
        facts = await find_agent(reads, name)
        if facts is None:
            raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
        groups = (await groups_of(reads, [facts.resource.id]))[facts.resource.id]
        credentials = [
            {"label": c["label"], "kind": c["kind"], "system": c["system"], "state": c["state"]}
            for c in await credentials_of(reads, facts.resource.id)
        ]
        until = facts.attestation.until
        return {
            **line(facts, groups),
            "userName": facts.resource.name,
            "purpose": facts.extension.get("purpose"),
            "model": facts.extension.get("model"),
            "coOwners": [person.user_name for person in facts.owners.co_owners],
            "sponsors": [person.user_name for person in facts.owners.sponsors],
            "holds": [
                {
                    "source": h.source,
                    "by": h.placed_by,
                    "reason": h.reason,
                    "since": iso(h.placed),
                    "released_by": h.release,
                }
                for h in facts.holds
            ],
            "attested_until": None if until is None else iso(until),
            "credentials": credentials,
            "findings": [
                {"at": k.connection, "code": k.finding.code, "says": k.finding.message, "since": iso(k.since)}
                for k in await findings_of(reads, facts.resource.id)
            ],
            "origin": facts.origin,
            "version": facts.resource.version,
        }

    show(with_bridge(database_url, body), output)


@app.command()
def hold(
    name: str,
    reason: Annotated[str, reason_option()],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Stop an agent until an admin resumes it."""
    _switch(name, reason, True, database_url, output)


@app.command()
def resume(
    name: str,
    reason: Annotated[str, reason_option()],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Release the admin's hold; holds of other sources stand."""
    _switch(name, reason, False, database_url, output)


def _switch(name: str, reason: str, stop: bool, database_url: str | None, output: Format) -> None:
    async def body(bridge: Any) -> AgentFacts | None:
        store = bridge.ctx.store
        facts = await find_agent(store.reads, name)
        if facts is None:
            raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
        agent_id = facts.resource.id

        async def change(work: Any) -> bool:
            work.bookkeeping("the hold is already as asked")
            if stop:
                return await place_hold(work, agent_id, "admin", "admin", reason, "an admin: agents resume")
            return await release_hold(work, agent_id, "admin", reason)

        await store.transact(actor(), change)
        return await find_agent(store.reads, agent_id)

    after = with_bridge(database_url, body)
    assert after is not None
    why = "; ".join(h.reason for h in after.holds)
    state = "active" if after.resource.active else "held"
    text = f"{after.slug} is {state}{f': {why}' if why else ''}."
    done(text, {"slug": after.slug, "state": state, "why": why or None}, output)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="manifest: .yaml, .json, .csv, or .jsonl of any size")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what would change; exit 3 when something would")
    ] = False,
    portion: Annotated[
        int, typer.Option("--portion", min=1, max=10_000, help=".jsonl: entries in one transaction")
    ] = PORTION,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Import a manifest: all of it or, with any problem, nothing. Deletes nothing.

    JSON Lines are applied in portions once the whole file is found right; stopped in between, the same
    import goes on where it was.
    """

    async def body(bridge: Any) -> ImportResult | LinesResult | ManifestProblems:
        if is_lines(file):
            return await run_lines(
                bridge.ctx.store, actor(), file, dry_run=dry_run, size=portion, output=output
            )
        try:
            data = file.read_bytes()
        except OSError as error:
            raise NotFound(
                "manifest-file", f"{file} cannot be read ({error.strerror}).", "Check the path."
            ) from error
        try:
            return await import_manifest(bridge.ctx.store, actor(), data, file.name, dry_run=dry_run)
        except ManifestProblems as problems:
            return problems

    found = with_bridge(database_url, body, create=not dry_run, rehearse=dry_run)
    if isinstance(found, LinesResult):
        report_lines(found, output, file)
    else:
        _report(found, output)


@app.command("import-card")
def import_card(
    url: Annotated[str, typer.Argument(help="the agent's address, or that of its card")],
    owner: Annotated[str, typer.Option("--owner", help="userName or e-mail of a person")],
    environment: Annotated[str, typer.Option("--environment", help="dev, staging or production")],
    risk: Annotated[str, typer.Option("--risk", help="low, medium or high")],
    platform: Annotated[str, typer.Option("--platform")],
    slug: Annotated[str, typer.Option("--slug", help="default: from the card's name")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Fetch an A2A 1.x agent card and import the agent it describes; a card names no owner, so you do."""

    async def body(bridge: Any) -> ImportResult | ManifestProblems:
        try:
            fetched = await fetch_card(bridge.ctx.outbound, url)
            assert fetched.card is not None
            entry = draft(fetched.card, slug).completed(
                owner=owner, environment=environment, risk_tier=risk, platform=platform
            )
            return await import_agent(bridge.ctx.store, actor(), entry, fetched.url, dry_run=dry_run)
        except ManifestProblems as problems:
            return problems

    _report(with_bridge(database_url, body), output)


def _report(found: ImportResult | ManifestProblems, output: Format) -> None:
    if isinstance(found, ManifestProblems):
        rows = [problem.as_dict() for problem in found.problems]
        if output is Format.TABLE:
            show(rows, output)
            fail(f"{len(rows)} problem(s); nothing was imported.", "Mend them and run this again.")
        else:
            show({"imported": False, "problems": rows}, output)
        raise typer.Exit(EXIT_ERROR)
    if output is Format.TABLE:
        counts = found.diff.counts()
        show(found.diff.rows(), output, empty="Nothing to change.")
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        say(f"\n{'Would be' if found.dry_run else 'Imported'}: {told or 'nothing'}.")
    else:
        show(found.as_dict(), output)
    if found.dry_run and not found.diff.empty:
        raise typer.Exit(EXIT_PENDING)
