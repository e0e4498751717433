"""`scim-bridge departures policy` and `simulate`: what the rules say, before anything happens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.app import Bridge
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, refuse, say, show
from scim_bridge.cli.session import settings, with_bridge
from scim_bridge.departures.model import LEAVES, VOLUNTARY
from scim_bridge.departures.policy_file import parse, read
from scim_bridge.departures.simulate import simulated
from scim_bridge.kernel.errors import BridgeError

app = typer.Typer(no_args_is_help=True, help="Who takes over, and how many leavers are believed at once.")


@app.command("show")
def show_() -> None:
    """Print the policies in force, to read or to start a file of your own from."""
    try:
        typer.echo(read(settings(None).departures.policies)[1], nl=False)
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="default: the file of the setting `departures.policies`")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Check a policy file word by word: each problem with its line and what to write. Exit 1 with any."""
    try:
        name, text = read(file if file is not None else settings(None).departures.policies)
    except BridgeError as error:
        code = refuse(error)
        raise typer.Exit(EXIT_ERROR if file is not None else code) from error
    rules, problems = parse(text)
    rows = [
        {"file": name, "line": problem.line, "problem": problem.message, "fix": problem.fix}
        for problem in problems
    ]
    if rules is None or output is not Format.TABLE:
        show(rows, output)
    else:
        count = len(rules.policies.rules)
        say(f"{name} is right: {count} rule{'' if count == 1 else 's'} and a default.")
    if rules is None:
        raise typer.Exit(EXIT_ERROR)


def simulate(
    person: Annotated[str, typer.Argument(help="userName, e-mail or id")],
    leave: Annotated[str, typer.Option("--leave", help="voluntary, involuntary or absence")] = VOLUNTARY,
    door: Annotated[str, typer.Option("--door", help="as if this door said so, such as hr:workday")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What would become of each agent if this person left now, by which rule and why. Changes nothing."""
    if leave not in LEAVES:
        raise typer.BadParameter(f"{leave!r} is none of {', '.join(LEAVES)}.", param_hint="--leave")

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        store = bridge.ctx.store
        return await simulated(store.reads, person, store.clock.now(), bridge.rules, leave=leave, door=door)

    found = with_bridge(database_url, body)
    brief = ("agent", "outcome", "successor", "rule", "reason")
    show(found, output, empty="This person answers for no agent.", brief=brief)
