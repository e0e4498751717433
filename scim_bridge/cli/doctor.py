"""`scim-bridge doctor`: what is wrong with this installation, and what mends it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, refuse, say, show
from scim_bridge.cli.session import settings
from scim_bridge.kernel.errors import BridgeError, ConfigurationError
from scim_bridge.kernel.telemetry import configure_logging


def doctor(
    connection: Annotated[
        str, typer.Option("--connection", help="look at this one only, and what concerns all")
    ] = "",
    base_url: Annotated[
        str, typer.Option("--base-url", help="the SCIM address the IdP was told, to compare it with ours")
    ] = "",
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="also call our own address, each IdP and each store; changes nothing there"
        ),
    ] = False,
    all_: Annotated[bool, typer.Option("--all", help="show what is well, too")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Find the mistakes people make most, and what mends each. Exit 0: nothing is wrong, 1: something is.

    Works whether a server runs or not. Repairs and migrates nothing, and calls nobody without --online.
    """
    from scim_bridge.doctor.examine import examine
    from scim_bridge.doctor.model import Finding, State, wrong

    try:
        chosen = settings(database_url)
        configure_logging("error", chosen.log_format)
        found: list[Finding] = asyncio.run(
            examine(chosen, connection=connection, told_url=base_url, online=online)
        )
    except ConfigurationError as error:
        # A program that does not start is the first thing a doctor is asked about.
        found = [wrong("settings", error.message, error.fix)]
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error
    bad = sum(1 for one in found if one.state is State.WRONG)
    shown = [one for one in found if all_ or output is not Format.TABLE or one.state is not State.OK]
    records = [
        {
            "check": one.check,
            "state": one.state.value,
            "about": one.about or None,
            "found": one.found,
            "fix": one.fix or None,
        }
        for one in sorted(shown, key=lambda one: -list(State).index(one.state))
    ]
    show(records, output, empty="", brief=("check", "state", "found", "fix"))
    if output is Format.TABLE:
        notes = sum(1 for one in found if one.state is State.NOTE)
        say(f"\n{len(found)} checks: {bad} wrong, {notes} to note, {len(found) - bad - notes} well.")
    if bad:
        raise typer.Exit(EXIT_ERROR)
