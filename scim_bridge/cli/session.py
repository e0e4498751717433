"""Opening a bridge for one command, and turning refusals into one line and an exit code."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import typer

from scim_bridge.app import Bridge, open_bridge
from scim_bridge.cli.dry_run import DryStore, Rehearsed, chosen_format, wanted
from scim_bridge.cli.output import EXIT_PENDING, Format, refuse, say, show
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.telemetry import configure_logging
from scim_bridge.kernel.work import Actor
from scim_bridge.migrations import absent
from scim_bridge.settings.load import PREFIX, settings_from_environment
from scim_bridge.settings.model import Settings

T = TypeVar("T")


def actor() -> Actor:
    """Who runs the command: the operating system's user."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Actor("cli", name, name)


def settings(database_url: str | None, **more: str) -> Settings:
    """The settings of this command; an address that only stands in the environment is no override.

    `more` are settings the command line gives.
    """
    given = database_url and database_url != os.environ.get(f"{PREFIX}DATABASE_URL")
    overrides: dict[str, Any] = {**more, **({"database_url": database_url} if given else {})}
    return settings_from_environment(overrides)


def with_bridge(
    database_url: str | None,
    body: Callable[[Bridge], Awaitable[T]],
    *,
    create: bool = False,
    rehearse: bool = False,
) -> T:
    """Open the database (migrated), run `body`, close it; exit codes for every refusal.

    With `create` the database is made when there is none. With `rehearse`, `body` gets an empty one then
    that is thrown away afterwards. All other commands say that there is none, and make nothing.
    """

    dry = wanted.get()
    # What does not exist is not made to see what would be made in it.
    rehearse = rehearse or (dry and create)

    async def main(chosen: Settings) -> T:
        bridge = await open_bridge(chosen, create=create or rehearse)
        if dry:
            kept = bridge.ctx.store
            bridge.ctx = replace(
                bridge.ctx, store=DryStore(kept.database, kept.clock, kept.ids, kept.indexes)
            )
        try:
            return await body(bridge)
        finally:
            await bridge.close()

    try:
        chosen = settings(database_url)
        configure_logging("warning", chosen.log_format)
        with TemporaryDirectory() if rehearse and absent(chosen.database_url) else nullcontext() as aside:
            if aside is not None:
                chosen = replace(chosen, database_url=f"sqlite:///{aside}/rehearsal.db")
            return asyncio.run(main(chosen))
    except Rehearsed as rehearsed:
        raise typer.Exit(_tell(rehearsed)) from None
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error


def _tell(rehearsed: Rehearsed) -> int:
    """Show what would have been written; the exit code."""
    show(rehearsed.rows, chosen_format(), empty="Nothing would change.")
    if chosen_format() is Format.TABLE and rehearsed.rows:
        calls = f", with {rehearsed.effects} outward call(s)" if rehearsed.effects else ""
        say(f"\nNothing was written (--dry-run): it would be audited as above{calls}.")
    return EXIT_PENDING if rehearsed.rows else 0
