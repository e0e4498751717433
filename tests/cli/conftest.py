"""A person at a terminal, in an empty folder, with no settings in the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command import Command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Commands run in a folder of their own."""
    for name in [name for name in os.environ if name.startswith("SCIM_BRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Command(capsys)
