"""Writes that wait: same outcome as one by one, in fewer round trips; and again when somebody was faster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel import postgres_session
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.database import Tx, open_database
from scim_bridge.kernel.errors import Conflict, StoreUnavailable, UniqueViolation
from scim_bridge.kernel.later import MOST, Later, combined, target, together
from scim_bridge.kernel.work import Store
from tests.conftest import run_with_store

ADD = "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, ?)"
SET = "UPDATE sb_fact SET value = ?, changed = changed + 1 WHERE name = ?"
CAS = "UPDATE sb_fact SET value = ?, changed = changed + 1 WHERE name = ? AND changed = ?"
COUNT = (
    "INSERT INTO sb_counter (name, shard, value) VALUES (?, 0, ?)"
    " ON CONFLICT (name, shard) DO UPDATE SET value = sb_counter.value + excluded.value"
)


async def facts(store: Store) -> dict[str, str]:
    """Every fact by name."""
    return {row["name"]: row["value"] for row in await store.reads.all("SELECT name, value FROM sb_fact")}


def test_a_body_sees_what_it_wrote_whatever_the_order(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(tx: Tx) -> None:
            tx.later(ADD, "a", "1", 1)
            tx.later(ADD, "b", "1", 1)
            tx.later(SET, "2", "a")
            first = await tx.one("SELECT value FROM sb_fact WHERE name = 'a'")
            assert first is not None and first["value"] == "2"
            assert await tx.run(SET, "3", "a") == 1
            tx.later("DELETE FROM sb_fact WHERE name = ?", "b")

        await store.database.transact(body)
        assert await facts(store) == {"a": "3"}

    on_store(main)


def test_what_waits_is_given_up_with_a_failing_body_and_comes_back_with_its_value(on_store) -> None:
    async def main(store: Store) -> None:
        async def failing(tx: Tx) -> None:
            tx.later(ADD, "a", "1", 1)
            raise ValueError

        with pytest.raises(ValueError):
            await store.database.transact(failing)
        assert await facts(store) == {}

        async def body(tx: Tx) -> tuple[Later, Later, Later]:
            made = tx.later(ADD + " RETURNING changed", "a", "1", 7)
            nothing = tx.later("DELETE FROM sb_counter WHERE name = ? RETURNING value", "none")
            return made, nothing, tx.later(COUNT + " RETURNING value", "n", 5)

        made, nothing, total = await store.database.transact(body)
        assert (made.value, nothing.value, total.value) == (7, None, 5)

    on_store(main)


def test_a_taken_value_becomes_the_refusal_the_write_names(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(tx: Tx) -> None:
            tx.later(COUNT, "n", 1)
            tx.later(ADD, "a", "1", 1, taken=lambda: Conflict("fact-taken", "a is taken."))

        async def plain(tx: Tx) -> None:
            tx.later(COUNT, "n", 1)
            tx.later(ADD, "a", "1", 1)

        await store.database.transact(body)
        with pytest.raises(Conflict, match="a is taken"):
            await store.database.transact(body)
        with pytest.raises(UniqueViolation) as caught:
            await store.database.transact(plain)
        assert "sb_fact" in caught.value.constraint
        row = await store.reads.one("SELECT value FROM sb_counter")
        assert row["value"] == 1

    on_store(main)


def test_reads_and_one_statement_of_writes_need_no_transaction_block(
    postgres_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    async def say(self: Any, command: str, seconds: float | None = None) -> None:
        said.append(command)
        await self.raw.execute(command, timeout=seconds)

    monkeypatch.setattr(postgres_session.Session, "say", say)

    async def main(store: Store) -> None:
        async def body(tx: Tx) -> None:
            await tx.one("SELECT value FROM sb_fact WHERE name = ?", "a")
            tx.later(ADD, "a", "1", 1)
            tx.later(COUNT, "n", 1)

        async def longer(tx: Tx) -> None:
            tx.later(SET, "2", "a")
            tx.later(SET, "3", "a")

        await store.database.transact(body)
        assert said == []
        await store.database.transact(longer)
        assert said == ["BEGIN", "COMMIT"] and await facts(store) == {"a": "3"}

    run_with_store(postgres_url, clock, main)


def test_who_was_slower_runs_again_and_loses_nothing(postgres_url: str, clock: ManualClock) -> None:
    async def main(store: Store) -> None:
        async def first(tx: Tx) -> None:
            tx.later(ADD, "a", "", 0)

        await store.database.transact(first)
        runs: list[bool] = []

        def adding(letter: str, meanwhile: str = "") -> Any:
            async def body(tx: Tx) -> None:
                runs.append(tx.contended)
                lock = tx.for_update if tx.contended else ""
                row = await tx.one(f"SELECT value, changed FROM sb_fact WHERE name = 'a'{lock}")
                assert row is not None
                if meanwhile and not tx.contended:
                    await store.database.transact(adding(meanwhile))
                tx.later(CAS, row["value"] + letter, "a", row["changed"], must=1)
                tx.later(COUNT, "added", 1)

            return body

        await store.database.transact(adding("x", meanwhile="y"))
        assert runs == [False, False, True] and await facts(store) == {"a": "yx"}
        await asyncio.gather(*(store.database.transact(adding(c)) for c in "abcdefghijklmnop"))
        assert set((await facts(store))["a"]) == set("xyabcdefghijklmnop")
        row = await store.reads.one("SELECT value FROM sb_counter WHERE name = 'added'")
        assert row["value"] == 18

    run_with_store(postgres_url, clock, main)


def test_more_writers_than_connections_are_all_served_one_after_the_other(
    postgres_url: str, clock: ManualClock
) -> None:
    async def main() -> None:
        database = await open_database(postgres_url, pool_size=2)

        async def body(tx: Tx) -> None:
            tx.later(COUNT, "n", 1)

        waiting = [asyncio.create_task(database.transact(body)) for _ in range(40)]
        await asyncio.sleep(0)
        for task in waiting[10:20]:
            task.cancel()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(outcome is None for outcome in done) == 30
        row = await database.reads.one("SELECT value FROM sb_counter")
        assert row is not None and row["value"] == 30
        await database.close()
        with pytest.raises(StoreUnavailable):
            await database.reads.one("SELECT 1")

    asyncio.run(main())


def test_a_connection_that_was_cut_is_replaced(postgres_url: str, clock: ManualClock) -> None:
    async def main() -> None:
        database = await open_database(postgres_url, pool_size=1)
        with pytest.raises(StoreUnavailable):
            await database.reads.one("SELECT pg_terminate_backend(pg_backend_pid())")
        assert await database.reads.one("SELECT 1") is not None
        await database.close()

    asyncio.run(main())


def test_a_table_that_changed_its_columns_is_read_again(postgres_url: str, clock: ManualClock) -> None:
    async def main(store: Store) -> None:
        assert await store.reads.all("SELECT * FROM sb_fact") == []

        async def migrate(tx: Tx) -> None:
            await tx.run("ALTER TABLE sb_fact ADD COLUMN more TEXT")

        await store.database.transact(migrate)
        assert await store.reads.all("SELECT * FROM sb_fact") == []

    run_with_store(postgres_url, clock, main)


WRITES = st.lists(
    st.sampled_from(
        [
            "INSERT INTO sb_a (x) VALUES (?)",
            "UPDATE sb_a SET x = ?",
            "DELETE FROM sb_a WHERE x = ?",
            "INSERT INTO sb_b (x) VALUES (?)",
            "UPDATE sb_b SET x = ?",
            "INSERT INTO sb_b (x) VALUES (?) ON CONFLICT (x) DO UPDATE SET y = 1",
            "INSERT INTO sb_c (x) VALUES (?) ON CONFLICT DO NOTHING",
        ]
    ),
    max_size=60,
)


@given(WRITES)
def test_runs_keep_the_order_and_change_no_table_twice_unless_they_only_add(sqls: list[str]) -> None:
    waiting = [Later(sql, (number,)) for number, sql in enumerate(sqls)]
    runs = together(waiting)
    assert [write for run in runs for write in run] == waiting
    for run in runs:
        assert 1 <= len(run) <= MOST
        tables = [target(write.sql) for write in run]
        for table, adds in tables:
            assert adds or [name for name, _ in tables].count(table) == 1
        combined(tuple(write.shape for write in run))
