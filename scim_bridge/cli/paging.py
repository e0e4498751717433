"""Long lists page by page: how much is shown, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated, TypeVar

import typer

from scim_bridge.cli.output import Format, say

T = TypeVar("T")
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="at most so many, 1 to 1000")]


def page(found: Sequence[T], limit: int) -> tuple[list[T], bool]:
    """What is shown of one more than that, and whether there is more."""
    return list(found[:limit]), len(found) > limit


def go_on(output: Format, *words: str) -> None:
    """Say to people that there is more, and the command that shows it, ready to be pasted."""
    if output is Format.TABLE:
        say(f"\nThere is more: scim-bridge {shlex.join(word for word in words if word)}")
