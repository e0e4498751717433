"""Commands over a database with the example company in it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, Done

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "agents.yaml"
LENA = "lena.fischer@harborpine.example"


class Company:
    """The command line of the example company."""

    def __init__(self, command: Command) -> None:
        self.run = command
        assert command("agents", "import", str(EXAMPLE)).code == 0

    def read(self, *words: str) -> Any:
        """What a command prints as JSON."""
        done: Done = self.run(*words, "--output", "json")
        assert done.code == 0, done
        return json.loads(done.out)


@pytest.fixture
def company(command: Command, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Company:
    """The example company on both back ends."""
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "an unguessable key of more than 32 bytes")
    return Company(command)
