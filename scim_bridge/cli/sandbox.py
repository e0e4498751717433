"""`scim-bridge sandbox okta|entra|hr|platform|ssf`: a simulated other side, for rehearsal and tests."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

KINDS = ("okta", "entra", "hr", "platform", "ssf")


def sandbox(
    kind: Annotated[str, typer.Argument(help="okta, entra, hr, platform or ssf")],
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="where to listen on 127.0.0.1; 0 takes a free port"),
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="directory of its state and its authority; default: .sandbox/KIND"),
    ] = None,
    control_token: Annotated[
        str | None,
        typer.Option(
            "--control-token",
            envvar="SANDBOX_CONTROL_TOKEN",
            show_default=False,
            help="steers it under /sandbox; default: a random one, kept in DATA/control-token",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            help="platform only: be the platform, secret stores and inbox of this manifest's agents;"
            " writes DATA/agents.yaml and DATA/bridge.toml",
        ),
    ] = None,
    exit_with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False,
) -> None:
    """Run a simulated Okta, Entra, HR system, agent platform or SSF transmitter, over HTTPS on this machine.

    It prints one line of JSON when it listens: its address, its authority (ca_file), the file with the token
    that steers it, and a certificate for whoever else must speak HTTPS here. docs/how-to/rehearse.md goes on.
    """
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is no sandbox; use one of {', '.join(KINDS)}")
    if manifest is not None and kind != "platform":
        raise typer.BadParameter(f"--manifest is for the platform, not for {kind}")
    arguments = ["--port", str(port)]
    for name, value in (("--data", data), ("--control-token", control_token), ("--manifest", manifest)):
        arguments += [name, str(value)] if value else []
    arguments += ["--exit-with-parent"] if exit_with_parent else []
    module = import_module(f"scim_bridge.sandbox.{kind}.__main__")
    raise typer.Exit(module.main(arguments) or 0)
