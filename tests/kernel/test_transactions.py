"""Promises of a transaction: everything or nothing, on both back ends, and never without an audit row."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.errors import ConfigurationError, StoreUnavailable, UniqueViolation
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store, UnauditedChange, Work
from scim_bridge.migrations import upgrade
from tests.conftest import TESTER, run_with_store

FACT = "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, ?)"


async def facts(store: Store) -> list[str]:
    """The names of all facts."""
    return [row["name"] for row in await store.reads.all("SELECT name FROM sb_fact ORDER BY name")]


def test_a_failing_body_leaves_no_trace(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(work: Work) -> None:
            await work.tx.run(FACT, "one", "1", work.now)
            await work.effect("call", {}, lane="a")
            await record(work, "fact.made", "fact", "one")
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await store.transact(TESTER, body)
        assert await facts(store) == []
        for table in ("sb_effect", "sb_audit"):
            assert (await store.reads.one(f"SELECT COUNT(*) AS n FROM {table}"))["n"] == 0

    on_store(main)


def test_a_change_without_an_audit_row_is_refused_and_undone(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(work: Work) -> None:
            await work.tx.run(FACT, "silent", "1", work.now)

        with pytest.raises(UnauditedChange):
            await store.transact(TESTER, body)
        assert await facts(store) == []

    on_store(main)


def test_one_failing_request_does_not_fail_those_committed_beside_it(on_store) -> None:
    async def main(store: Store) -> None:
        def writer(name: str, fail: bool):
            async def body(work: Work) -> str:
                await work.tx.run(FACT, name, "1", work.now)
                await record(work, "fact.made", "fact", name)
                if fail:
                    raise ValueError(name)
                return name

            return body

        outcomes = await asyncio.gather(
            *(store.transact(TESTER, writer(f"f{n:02}", n % 3 == 0)) for n in range(30)),
            return_exceptions=True,
        )
        kept = [outcome for outcome in outcomes if isinstance(outcome, str)]
        assert await facts(store) == sorted(kept)
        assert len(kept) == 20

    on_store(main)


def test_a_taken_value_names_its_constraint(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run(FACT, "twice", "1", work.now)

        await store.transact(TESTER, body)
        with pytest.raises(UniqueViolation) as caught:
            await store.transact(TESTER, body)
        assert "sb_fact" in caught.value.constraint

    on_store(main)


def test_listeners_hear_of_commits_only(on_store) -> None:
    heard: list[tuple[str, str]] = []

    async def main(store: Store) -> None:
        store.on_change(heard.extend)

        async def body(work: Work) -> None:
            work.touched("agent", "a1")

        async def failing(work: Work) -> None:
            work.touched("agent", "a2")
            raise ValueError

        await store.transact(TESTER, body)
        with pytest.raises(ValueError):
            await store.transact(TESTER, failing)

    on_store(main)
    assert heard == [("agent", "a1")]


def test_a_snapshot_does_not_see_what_is_committed_meanwhile(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run(FACT, "later", "1", work.now)

        async with store.database.snapshot() as reader:
            before = await reader.all("SELECT name FROM sb_fact")
            await store.transact(TESTER, body)
            assert list(await reader.all("SELECT name FROM sb_fact")) == list(before) == []
        assert await facts(store) == ["later"]

    on_store(main)


def test_a_deleted_sqlite_file_is_unavailable_not_empty(sqlite_url, clock: ManualClock) -> None:
    async def main() -> None:
        database = await open_database(sqlite_url)
        store = Store(database, clock, UuidV7(clock))
        assert await facts(store) == []
        database.path.unlink()  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailable):
            await database.ping()
        with pytest.raises(StoreUnavailable):
            await facts(store)
        await database.close()

    asyncio.run(main())


def test_a_postgresql_that_is_away_is_unavailable() -> None:
    async def main() -> None:
        with pytest.raises(StoreUnavailable):
            await open_database("postgresql://nobody@127.0.0.1:1/none")

    asyncio.run(main())


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///", "sqlite:///:memory:"])
def test_a_url_that_names_no_usable_database_refuses_to_start(url: str) -> None:
    with pytest.raises(ConfigurationError):
        asyncio.run(open_database(url))


def test_a_file_that_was_replaced_takes_no_write_that_is_said_to_be_done(
    tmp_path: Path, clock: ManualClock
) -> None:
    async def main() -> None:
        path = tmp_path / "bridge.db"
        await upgrade(f"sqlite:///{path}")
        database = await open_database(f"sqlite:///{path}")
        store = Store(database, clock, UuidV7(clock))

        async def write(work: Work) -> None:
            await work.tx.run(FACT, work.ids.new(), "1", work.now)
            work.bookkeeping("a test")

        await store.transact(TESTER, write)
        path.rename(tmp_path / "old.db")
        path.write_bytes(b"")
        with pytest.raises(StoreUnavailable):
            await store.transact(TESTER, write)
        path.unlink()
        (tmp_path / "old.db").rename(path)
        await store.transact(TESTER, write)
        assert len(await facts(store)) == 2, "what was refused is not there"
        await database.close()

    asyncio.run(main())


def test_a_commit_to_a_file_is_on_the_disk_when_it_is_told(
    durable: None, sqlite_url: str, clock: ManualClock
) -> None:
    full = 2

    async def main(store: Store) -> None:
        async def body(work: Work) -> int:
            work.bookkeeping("only looks")
            return (await work.tx.one("PRAGMA synchronous"))[0]

        assert await store.transact(TESTER, body) == full

    run_with_store(sqlite_url, clock, main)
