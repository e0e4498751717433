"""`scim-bridge sandbox okta|entra|hr|platform`: a simulated other side, for rehearsal and tests."""

from __future__ import annotations

from importlib import import_module

import typer

KINDS = ("okta", "entra", "hr", "platform")


def sandbox(context: typer.Context, kind: str) -> None:
    """Run a sandbox: okta, entra, hr or platform. Options: --port, --data, --control-token."""
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is no sandbox; use one of {', '.join(KINDS)}")
    module = import_module(f"scim_bridge.sandbox.{kind}.__main__")
    raise typer.Exit(module.main(context.args) or 0)
