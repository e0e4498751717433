"""Promises about databases: only commands that bring something in make one; others' files are left alone."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import psycopg
import pytest

from scim_bridge.migrations import head
from tests.cli.command import Command
from tests.conftest import with_database

MANIFEST = Path(__file__).resolve().parents[2] / "config" / "examples" / "agents.yaml"
READING = [
    ("agents", "list"),
    ("agents", "show", "x"),
    ("agents", "hold", "x", "--reason", "y"),
    ("audit", "list"),
    ("audit", "verify"),
    ("connections", "show", "okta"),
    ("departures", "list"),
    ("effects", "list"),
    ("sync", "status", "okta"),
    ("tokens", "list"),
    ("tokens", "create", "--scope", "admin"),
]


def held() -> set[str]:
    """What the folder holds."""
    return {str(file) for file in Path().rglob("*")}


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_command_that_needs_a_database_says_there_is_none_and_makes_nothing(
    command: Command, words: tuple[str, ...]
) -> None:
    done = command(*words, "--database-url", "sqlite:///nowhere/x.db")
    assert done.code == 1, done
    assert "no database of scim-bridge in nowhere/x.db" in done.err and "agents import" in done.err
    assert held() == set()


def test_an_empty_postgresql_database_is_left_empty_by_reading(
    command: Command, postgres_server: str, postgres_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "empty_for_presence"
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "b3f1c2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718")
    with psycopg.connect(with_database(postgres_server, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            url = with_database(postgres_server, name)
            done = command("agents", "list", "--database-url", url)
            assert done.code == 1 and "no database of scim-bridge" in done.err
            with psycopg.connect(url) as inside:
                assert (
                    inside.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
                    == []
                )
            assert command("connections", "create", "okta", "--kind", "okta", "--database-url", url).code == 0
            assert command("agents", "list", "--database-url", url).code == 0
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_dry_run_before_there_is_a_database_shows_the_changes_and_makes_none(command: Command) -> None:
    Path("m.yaml").write_bytes(MANIFEST.read_bytes())
    done = command("agents", "import", "m.yaml", "--dry-run")
    assert done.code == 3 and "refund-assistant" in done.out, done
    assert held() == {"m.yaml"}
    assert command("agents", "import", "m.yaml").code == 0
    assert "refund-assistant" in command("agents", "list").out


def test_a_file_of_another_program_is_refused_and_stays_as_it_is(command: Command) -> None:
    with contextlib.closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE t (x)")
        other.commit()
    before = Path("other.db").read_bytes()
    for words in (
        ("agents", "list"),
        ("connections", "create", "okta", "--kind", "okta"),
        ("serve", "--port", "0"),
    ):
        done = command(*words, "--database-url", "sqlite:///other.db")
        assert done.code == 78 and "another program (tables t)" in done.err, done
    assert Path("other.db").read_bytes() == before and held() == {"other.db"}


def test_a_database_of_a_newer_version_is_not_touched(command: Command) -> None:
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    with contextlib.closing(sqlite3.connect("scim-bridge.db", isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    done = command("agents", "list")
    assert done.code == 78 and f"schema 9999, this one knows {head()}" in done.err


def test_garbage_is_no_database_and_is_told_in_one_line(command: Command) -> None:
    Path("g.db").write_bytes(b"garbage " * 700)
    for words in (("agents", "list"), ("serve", "--port", "0")):
        done = command(*words, "--database-url", "sqlite:///g.db")
        assert done.code == 78 and done.err.count("\n") == 1 and "not a SQLite database" in done.err
    Path("folder.db").mkdir()
    assert command("agents", "list", "--database-url", "sqlite:///folder.db").code in (1, 78)
