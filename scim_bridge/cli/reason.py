"""Why somebody does something, as an option: what is asked for is kept and shown, so it is not blank."""

from __future__ import annotations

from typing import Any

import typer


def reason_option(about: str = "audited and shown") -> Any:
    """`--reason TEXT`, without blanks around it; one that is given and says nothing is refused (exit 2).

    A default, where a command has one, stays as it is.
    """
    return typer.Option("--reason", help=about, callback=_said)


def _said(context: typer.Context, param: typer.CallbackParam, value: str) -> str:
    if context.resilient_parsing or value == param.default:
        return value
    if not value.strip():
        raise typer.BadParameter("it is blank: say why, for it is kept and shown")
    return value.strip()
