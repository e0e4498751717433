"""`scim-bridge connect okta|entra`: from nothing to a connection that works both ways, step by step."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, fail, refuse, say, show
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.paths import SCIM_PATH

INTERRUPTED = 130


def connect(
    kind: Annotated[str, typer.Argument(help="okta or entra")],
    name: Annotated[str, typer.Option("--name", help="of the connection; default: the kind")] = "",
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="rehearse with a simulated tenant of its own")
    ] = False,
    base_url: Annotated[
        str, typer.Option("--base-url", help="the SCIM address the IdP calls; default: public_url/scim/v2")
    ] = "",
    secrets_file: Annotated[
        Path | None,
        typer.Option("--secrets-file", help="JSON file with the API credentials; else you are asked"),
    ] = None,
    setting: Annotated[
        str,
        typer.Option("--tenant", help="Okta: the org's address; Entra: the tenant id; else you are asked"),
    ] = "",
    agent: Annotated[str, typer.Option("--agent", help="show this agent's mapping; default: the first")] = "",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="seconds to wait for the first call")
    ] = 1800.0,
    data: Annotated[
        Path, typer.Option("--data", help="with --sandbox: directory; one that is there goes on")
    ] = Path(".rehearsal"),
    yes: Annotated[
        bool, typer.Option("--yes", help="ask nothing: take what is given, and the defaults")
    ] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Connect an IdP: what to enter where, then wait for its first call, probe it, and show what would be written.

    Ctrl-C loses nothing: the same command goes on. Exit 1 when a step went wrong.
    """
    from scim_bridge.cli.connecting.rehearsal import rehearsing
    from scim_bridge.cli.connecting.telling import Talk
    from scim_bridge.cli.connecting.walk import Walk, Wish
    from scim_bridge.cli.story.world import Broken
    from scim_bridge.connecting.pages import VENDORS, filled

    if kind not in VENDORS:
        raise typer.BadParameter(
            f"{kind!r} is neither okta nor entra; another server: docs/how-to/any-scim-server.md"
        )
    table = output is Format.TABLE
    talk = Talk(ask=not yes and table and sys.stdin.isatty(), quiet=not table)
    try:
        with ExitStack() as stack:
            other = None
            if sandbox:
                talk.say(
                    f"Starting a sandbox {VENDORS[kind].name} and a bridge of its own in {data / kind} …\n"
                )
                other = stack.enter_context(rehearsing(kind, data / kind))
                base_url, database_url = other.base_url, None
            wish = Wish(name or kind, kind, base_url, timeout, secrets_file, setting, agent, database_url)
            good = Walk(wish, VENDORS[kind], talk, other).go()
    except KeyboardInterrupt:
        fail("Stopped.", "Nothing is lost: the same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    except Broken as error:
        fail(str(error), "The same command goes on where it was.")
        raise typer.Exit(EXIT_ERROR) from error
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error
    if table:
        say("\nChecklist\n")
    show(talk.checklist, output)
    if table and good:
        say("\nThen:")
        values = {"name": name or kind, "bridge": base_url.removesuffix(SCIM_PATH) or "public_url"}
        for line in VENDORS[kind].then:
            say(f"   • {filled(line, values)}")
    if not good:
        raise typer.Exit(EXIT_ERROR)
