"""A database in use, with its key file; and commands, as at a terminal."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scim_bridge.cli.run import run
from tests.cli.conftest import command
from tests.moving.databases import KEY

__all__ = ["command"]


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database in use: agents, secrets, tokens, audit rows, and its key file."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copy(sqlite_template, folder / "bridge.db")
    (folder / "scim-bridge.key").write_text(KEY.hex() + "\n")
    url = f"sqlite:///{folder / 'bridge.db'}"
    example = Path(__file__).resolve().parents[2] / "config" / "examples" / "agents.yaml"
    assert run(["agents", "import", str(example), "--database-url", url]) == 0
    assert run(["tokens", "create", "--scope", "admin", "--label", "ops", "--database-url", url]) == 0
    assert run(["audit", "verify", "--database-url", url]) == 0
    with closing(sqlite3.connect(folder / "bridge.db")) as there, there:
        there.execute(
            "INSERT INTO sb_effect (id, kind, lane, payload, state, attempts, round, created, next_at, rank)"
            " VALUES ('e1', 'x', 'l', '{}', 'handed', 1, 0, 1, 1, 1), ('e2', 'x', 'l', '{}', 'done', 1, 0, 1, 1, 1)"
        )
        there.execute(
            "INSERT INTO sb_connection (id, name, kind, dialect, settings, secrets, created) VALUES"
            " ('c', 'nön\tascii', 'okta', 'okta', '{}', ?, 7)",
            (bytes(range(256)),),
        )
    return folder


@pytest.fixture
def here(filled: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    folder = tmp_path / "house"
    shutil.copytree(filled, folder)
    return folder


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key file's content as the setting, as PostgreSQL wants it."""
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", KEY.hex())
