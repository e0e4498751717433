"""`scim-bridge budgets`: how much agents may do, what is used, and what would happen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from scim_bridge.access.budget_file import load_budgets, parse
from scim_bridge.access.budget_model import key_of
from scim_bridge.access.budgets import SOURCE, reset, used
from scim_bridge.access.facts import facts_about
from scim_bridge.access.foresee import foresee
from scim_bridge.access.model import Question
from scim_bridge.app import Bridge
from scim_bridge.cli.duration import duration
from scim_bridge.cli.files import read
from scim_bridge.cli.grants import agent_named
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, done, fail, say, show
from scim_bridge.cli.pairs import pairs
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, settings, with_bridge
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.holds import release_hold

app = typer.Typer(no_args_is_help=True, help="The budgets of the setting access.budgets.")
CONTEXT = Annotated[list[str] | None, typer.Option("--context", help="of the question: key=value")]


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """The budgets in force."""
    rows = [
        {
            "budget": each.name,
            "per": list(each.per) or ["everybody"],
            "limits": [limit.words() for limit in each.limits],
            "counts": each.counts,
            "when": {
                key: sorted(value) for key in each.match.__slots__ if (value := getattr(each.match, key))
            },
            "holds": None if each.breach is None else f"after {each.breach.after} refusals",
            "about": each.about,
        }
        for each in load_budgets(settings(database_url).access.budgets)
    ]
    show(rows, output, empty="There are no budgets: name a file in the setting access.budgets.")


@app.command("show")
def show_(
    agent: Annotated[str | None, typer.Argument(help="only what counts this agent by itself")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What is used, the fullest first."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        store = bridge.ctx.store
        agent_id = None if agent is None else (await agent_named(store.reads, agent))[0]
        now = store.clock.now()
        rows = []
        for row in await used(store.reads):
            key = orjson.loads(row["key"])
            if agent_id is not None and agent_id not in key:
                continue
            full = min(100, 100 * max(0, row["tat"] - now) // row["room"])
            rows.append(
                {
                    "budget": row["budget"],
                    "for": key,
                    "used_percent": full,
                    "asked_in_its_minute": row["asked"],
                    "refused": row["strikes"],
                    "at": row["at"],
                }
            )
        return sorted(rows, key=lambda row: -row["used_percent"])

    show(with_bridge(database_url, body), output, empty="Nothing was counted yet.")


@app.command()
def check(file: Path, output: Output = Format.TABLE) -> None:
    """Check a file of budgets: each problem with its line and what to write. Exit 1 with any."""
    try:
        found, problems = parse(read(file).decode())
    except UnicodeDecodeError as error:
        fail(f"{file} cannot be read ({error}).", "Save it as UTF-8.")
        raise typer.Exit(EXIT_ERROR) from error
    rows = [{"line": each.line, "problem": each.message, "fix": each.fix} for each in problems]
    if problems or output is not Format.TABLE:
        show(rows, output)
    else:
        say(f"{file} is right: {len(found)} budget{'' if len(found) == 1 else 's'}.")
    if problems:
        raise typer.Exit(EXIT_ERROR)


@app.command("test")
def test_(
    agent: str,
    action: str,
    resource_type: str,
    resource_id: str,
    times: Annotated[int, typer.Option("--times", min=1, max=100_000, help="so many calls")] = 1,
    every: Annotated[str, typer.Option("--every", help="so far apart: 0, 1m, 1h")] = "0",
    context: CONTEXT = None,
    file: Annotated[Path | None, typer.Option("--budgets", help="instead of those in force")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What the budgets would say to such calls from now on. Nothing is counted. Exit 1 when one is refused."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        store = bridge.ctx.store
        budgets = load_budgets(str(file) if file is not None else bridge.settings.access.budgets)
        found = await facts_about(store.reads, agent)
        if len(found) != 1:
            raise NotFound("agent-unknown", f"{agent!r} names {len(found)} agents.", "Ask by id.")
        question = Question("agent", agent, action, resource_type, resource_id, {}, pairs(context))
        told = await foresee(
            store.reads, budgets, question, found[0], store.clock.now(), times=times, every=duration(every)
        )
        return [
            {
                "budget": each.cell.budget.name,
                "limit": each.cell.limit.words(),
                "left": each.left,
                "passed": each.passed,
                "first_refused": each.first_refused,
                "retry_after": each.retry_after,
            }
            for each in told
        ]

    rows = with_bridge(database_url, body)
    show(rows, output, empty="No budget is about this question.")
    if any(row["first_refused"] for row in rows):
        raise typer.Exit(EXIT_ERROR)


@app.command("reset")
def reset_(
    budget: str,
    agent: Annotated[
        str | None, typer.Option("--agent", help="only what counts this agent by itself")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Give a budget back all its room."""

    async def body(bridge: Bridge) -> int:
        store = bridge.ctx.store
        if budget not in {each.name for each in load_budgets(bridge.settings.access.budgets)}:
            raise NotFound(
                "budget-unknown", f"There is no budget {budget!r}.", "See scim-bridge budgets list."
            )
        key = None if agent is None else key_of([(await agent_named(store.reads, agent))[0]])

        async def change(work: Work) -> int:
            return await reset(work, budget, key)

        return await store.transact(actor(), change)

    count = with_bridge(database_url, body)
    text = f"{budget}: {count} count{'' if count == 1 else 's'} forgotten."
    done(text, {"budget": budget, "forgotten": count}, output)


@app.command()
def release(
    agent: str,
    reason: Annotated[str, reason_option()],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Release the hold of an agent that was over a budget too often; holds of other sources stand."""

    async def body(bridge: Bridge) -> tuple[str, bool]:
        store = bridge.ctx.store
        agent_id, slug = await agent_named(store.reads, agent)

        async def change(work: Work) -> bool:
            work.bookkeeping("no budget holds it")
            return await release_hold(work, agent_id, SOURCE, reason)

        return slug, await store.transact(actor(), change)

    slug, freed = with_bridge(database_url, body)
    done(
        f"{slug}: {'released' if freed else 'no budget holds it'}.",
        {"agent": slug, "released": freed},
        output,
    )
