"""Every `--reason` is the same option."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

import scim_bridge.cli as cli
from scim_bridge.cli.reason import reason_option

HOME = Path(cli.__file__).parent


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
def test_a_reason_that_says_nothing_is_refused_and_one_that_does_is_kept_without_blanks_around(
    blank: str,
) -> None:
    app = typer.Typer()

    @app.command()
    def told(reason: Annotated[str, reason_option()]) -> None:
        typer.echo(f"<{reason}>")

    assert CliRunner().invoke(app, ["--reason", blank]).exit_code == 2
    assert CliRunner().invoke(app, ["--reason", " leak "]).output == "<leak>\n"


def test_no_command_asks_for_a_reason_in_another_way() -> None:
    others = [one.name for one in HOME.rglob("*.py") if '"--reason"' in one.read_text()]
    assert others == ["reason.py"]
