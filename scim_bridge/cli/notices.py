"""`scim-bridge notices`: the templates of what people are told, and how one reads."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.output import DatabaseUrl, Format, Output, refuse, say, show
from scim_bridge.cli.session import settings
from scim_bridge.kernel.errors import BridgeError, NotFound
from scim_bridge.watch.notices import example, read_templates, written

app = typer.Typer(no_args_is_help=True, help="Notices to people.")


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Every template by name, and whether it is the packaged one or your own."""
    try:
        own = settings(database_url).templates
        packaged, all_ = read_templates(), read_templates(own)
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error
    rows = [
        {
            "template": name,
            "subject": found.subject,
            "from": "package" if packaged.get(name) == found else own,
        }
        for name, found in sorted(all_.items())
    ]
    show(rows, output)


@app.command("preview")
def preview(
    template: Annotated[str, typer.Argument(help="its name, as `notices list` shows it")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """One notice with made-up values, as its receiver reads it."""
    try:
        found = read_templates(settings(database_url).templates)
        if template not in found:
            raise NotFound("template-unknown", f"There is no template {template!r}.", "See `notices list`.")
        to: dict[str, Any] = {"name": "Olga Novak", "email": "olga@corp.example"}
        notice = written(found, template, to, example(template))
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error
    if output is not Format.TABLE:
        show({"subject": notice.subject, "text": notice.text}, output)
        return
    say(f"Subject: {notice.subject}\n\n{notice.text}")
