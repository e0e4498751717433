"""The command line as a person runs it: arguments in, exit code and text out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from scim_bridge.cli.run import run


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


class Command:
    """Runs commands in this process, with the environment as it is."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        """Run one command."""
        self._capsys.readouterr()
        code = run(list(arguments))
        said = self._capsys.readouterr()
        return Done(code, said.out, said.err)
