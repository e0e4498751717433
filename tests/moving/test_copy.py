"""Promises of moving: every row arrives as it was, proved, or the target stays empty."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel import slots
from scim_bridge.migrations import head
from scim_bridge.moving import copying, sides
from scim_bridge.moving.copying import copy
from scim_bridge.moving.digest import Digest
from tests.cli.command import Command
from tests.conftest import TESTER
from tests.moving.databases import KEY, lines, rows

ROW = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1), st.binary()
)


def test_a_database_moves_to_postgresql_and_back_with_every_row_and_serves_there_with_the_same_key_file(
    command: Command,
    here: Path,
    postgres_url: str,
    key: None,
) -> None:
    source = f"sqlite:///{here / 'bridge.db'}"
    done = command("db", "copy", source, postgres_url, "-o", "jsonl")
    assert done.code == 0, done.err
    told = lines(done.out)
    finished = told[-1]
    assert {"copying", "verifying"} <= {one["event"] for one in told}
    assert finished["handed_again"] == 1 and finished["chain"]["findings"] == []
    assert finished["tables"]["sb_agent"]["rows"] > 3
    before, there = rows(source), rows(postgres_url)
    effects = {row[: len(row)] for row in there.pop("sb_effect")}
    assert any("pending" in row for row in effects) and not any("handed" in row for row in effects)
    before.pop("sb_effect")
    assert there == before
    # Indexes that were dropped for the copying are back.
    with psycopg.connect(postgres_url) as inside:
        [(indexes,)] = inside.execute("SELECT COUNT(*) FROM pg_indexes WHERE indexname = 'sb_audit_subject'")
    assert indexes == 1
    # The key file's own text is the key there: tokens and secrets go on being read.
    verified = command("audit", "verify", "--database-url", postgres_url, "-o", "json")
    assert verified.code == 0, verified
    back = f"sqlite:///{here / 'back.db'}"
    assert command("db", "copy", postgres_url, back).code == 0
    assert sorted(file.name for file in here.iterdir() if "back" in file.name) == ["back.db"]
    again = rows(back)
    again.pop("sb_effect")
    # Verifying sealed the row that tells of the first move.
    for table in ("sb_audit", "sb_checkpoint"):
        assert len(again.pop(table)) >= len(there.pop(table))
    assert again == there
    assert os.stat(here / "back.db").st_mode & 0o777 == 0o600


def test_a_server_at_work_keeps_its_database_from_being_moved_but_for_the_state_of_this_moment(
    command: Command,
    here: Path,
) -> None:
    with (here / "bridge.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ("db", "copy", f"sqlite:///{here / 'bridge.db'}", f"sqlite:///{here / 'n.db'}")
        refused = command(*words)
        assert refused.code == 1 and "server works on the source" in refused.err and "--online" in refused.err
        taken = command(*words, "--online")
    assert taken.code == 0 and "after the copy began is not in it" in taken.out


def test_the_servers_of_postgresql_are_known_by_their_slots(
    command: Command,
    here: Path,
    postgres_url: str,
    key: None,
) -> None:
    assert command("db", "copy", f"sqlite:///{here / 'bridge.db'}", postgres_url).code == 0
    assert (slots.FAMILY, slots.ANSWERING) == sides.SERVERS
    with psycopg.connect(postgres_url) as replica:
        replica.execute("SELECT pg_advisory_lock(%s, 3)", (slots.FAMILY,))
        refused = command("db", "copy", postgres_url, f"sqlite:///{here / 'n.db'}")
    assert refused.code == 1 and "1 server processes work on the source" in refused.err


def test_what_is_not_empty_not_of_this_version_or_of_another_key_is_left_alone(
    command: Command,
    here: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, new = f"sqlite:///{here / 'bridge.db'}", f"sqlite:///{here / 'n.db'}"
    shutil.copy(here / "bridge.db", here / "full.db")
    full = command("db", "copy", source, f"sqlite:///{here / 'full.db'}")
    assert full.code == 1 and "is not empty" in full.err
    same = command("db", "copy", source, source)
    assert same.code == 1 and "same database" in same.err
    nothing = command("db", "copy", f"sqlite:///{here / 'none.db'}", new)
    assert nothing.code == 1 and "holds no database" in nothing.err
    with closing(sqlite3.connect(here / "full.db")) as old, old:
        old.execute("UPDATE alembic_version SET version_num = '0007'")
    older = command("db", "copy", f"sqlite:///{here / 'full.db'}", new)
    assert older.code == 1 and "schema 0007" in older.err and head() in older.err
    # A key file is loaded beside the setting.
    (here / "scim-bridge.key").unlink()
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "another key that is long enough to be one")
    foreign = command("db", "copy", source, new)
    assert foreign.code == 78 and "belongs to the master key" in foreign.err
    assert not (here / "n.db").exists() and not (here / "none.db").exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty target of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'target.db'}"
    else:
        yield request.getfixturevalue("postgres_url")


def test_who_stops_a_copy_or_loses_a_row_finds_the_target_empty_and_starts_again(
    here: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"sqlite:///{here / 'bridge.db'}"
    from scim_bridge.kernel.crypto import MasterKey

    master = MasterKey(KEY)

    def stop(step: str, table: str, done: int, total: int) -> None:
        if step == "verifying":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, target, master, "test", TESTER, progress=stop)
    load = sides.SqliteSide.load if target.startswith("sqlite") else sides.PostgresSide.load
    kind = sides.SqliteSide if target.startswith("sqlite") else sides.PostgresSide

    def lossy(self: Any, table: str, columns: Any, chunks: Any) -> None:
        load(self, table, columns, (chunk[:-1] if table == "sb_owner" else chunk for chunk in chunks))

    with monkeypatch.context() as broken:
        broken.setattr(kind, "load", lossy)
        with pytest.raises(copying.Different, match="sb_owner"):
            copy(source, target, master, "test", TESTER)
    moved = copy(source, target, master, "test", TESTER)
    assert moved.rows == sum(len(table) for table in rows(source).values())


def test_a_value_that_postgresql_cannot_keep_is_named_and_nothing_arrives(
    command: Command,
    here: Path,
    postgres_url: str,
    key: None,
) -> None:
    with closing(sqlite3.connect(here / "bridge.db")) as there, there:
        there.execute("UPDATE sb_connection SET name = 'a' || char(0) || 'b'")
    done = command("db", "copy", f"sqlite:///{here / 'bridge.db'}", postgres_url)
    assert done.code == 1 and "sb_connection cannot be kept" in done.err
    assert not any(rows(postgres_url).values())


def test_a_chain_that_was_altered_at_the_source_does_not_move(
    command: Command,
    here: Path,
) -> None:
    with closing(sqlite3.connect(here / "bridge.db")) as there, there:
        there.execute("UPDATE sb_audit SET actor_name = 'nobody' WHERE seq = 1")
    done = command("db", "copy", f"sqlite:///{here / 'bridge.db'}", f"sqlite:///{here / 'n.db'}")
    assert done.code == 1 and "audit chain does not verify" in done.err
    assert not list(here.glob("n.db*"))


@given(st.lists(ROW, max_size=6), st.randoms(use_true_random=False), st.integers(0, 6))
def test_a_digest_forgets_the_order_and_nothing_else(table: list[Any], random: Any, cut: int) -> None:
    def digest(*chunks: list[Any]) -> tuple[int, str]:
        made = Digest()
        for chunk in chunks:
            made.add(chunk)
        return made.rows, made.hex

    shuffled = random.sample(table, len(table))
    assert digest(table) == digest(shuffled[:cut], shuffled[cut:])
    for number, row in enumerate(table):
        others = [*table[:number], *table[number + 1 :]]
        assert digest(others)[1] != digest(table)[1]
        assert digest([*others, (row[0] + "x", row[1], row[2])]) != digest(table)
