"""Promises for hard days: what cannot be done now is told 503 and when, /readyz says why, and it mends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest

from scim_bridge.app import open_bridge
from scim_bridge.kernel.clock import DAY, MINUTE, ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import (
    DEADLY,
    MAX_ATTEMPTS,
    Done,
    Effect,
    Effects,
    Outcome,
    from_the_future,
    under_way,
)
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.work import Store, Work, derived_id
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.tokens import create_token
from scim_bridge.server import Server
from scim_bridge.settings.model import Settings
from tests.conftest import TESTER, Runner, run_with_store, with_database
from tests.forked import Forked

KEY = "b3f1c2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718"
Ask = Callable[[str, str], Awaitable[httpx2.Response]]


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[tuple[Server, Ask]]:
    """A server without its worker, and a way to ask it as a connection of its own."""
    bridge = await open_bridge(Settings(database_url=url, secret_key=KEY), create=True, patience=2.0)

    async def furnish(work: Work) -> str:
        made = await create_connection(work, bridge.ctx.master, "idp", "generic")
        return await create_token(work, bridge.ctx.master, connection_id=made.id, scopes=("read", "users"))

    token = await bridge.ctx.store.transact(TESTER, furnish)
    server = Server(bridge)
    # The worker does not run here; what it would say is another test's matter.
    server.jobs.last_relay = 2**62
    names = iter(range(10**6))
    try:
        transport = httpx2.ASGITransport(app=server.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as http:

            async def ask(method: str, path: str) -> httpx2.Response:
                body = {"userName": f"u{next(names)}"} if method == "POST" else None
                async with asyncio.timeout(15):
                    return await http.request(
                        method, path, json=body, headers={"authorization": f"Bearer {token}"}
                    )

            yield server, ask
    finally:
        await bridge.close()


def states(answer: httpx2.Response) -> dict[str, str]:
    """State and detail by component."""
    return {one["component"]: f"{one['state']}: {one['detail']}" for one in answer.json()["components"]}


@contextmanager
def no_write_on_sqlite(server: Server, how: str) -> Iterator[None]:
    """The file takes no more: it is full, or read-only."""
    connection = server.bridge.ctx.store.database._write  # type: ignore[attr-defined]
    if how == "full":
        # Not one free page is left, and none may be added.
        most = connection.execute("PRAGMA max_page_count").fetchone()[0]
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        assert free == 0
        connection.execute("PRAGMA max_page_count = 1")
        yield
        connection.execute(f"PRAGMA max_page_count = {most}")
    else:
        connection.execute("PRAGMA query_only = 1")
        yield
        connection.execute("PRAGMA query_only = 0")


@contextmanager
def no_write_on_postgresql(url: str, how: str) -> Iterator[None]:
    """The server has no room for a row, or has become a standby."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as admin:
        if how == "full":
            admin.execute(
                "CREATE FUNCTION full_() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';"
                " END $$"
            )
            for table in ("sb_resource", "sb_fact"):
                admin.execute(
                    f"CREATE TRIGGER full_ BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION full_()"
                )
            yield
            admin.execute("DROP FUNCTION full_() CASCADE")
        else:
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                (name,),
            )
            yield
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_database_that_takes_no_write_is_told_as_503_answers_reads_and_mends_by_itself(
    database_url: str, how: str
) -> None:
    async def main() -> None:
        async with asking(database_url) as (server, ask):
            made = (await ask("POST", "/scim/v2/Users")).json()["id"]
            assert (await ask("GET", "/readyz")).status_code == 200
            on_file = database_url.startswith("sqlite")
            trouble = (
                no_write_on_sqlite(server, how) if on_file else no_write_on_postgresql(database_url, how)
            )
            with trouble:
                for _ in range(30):
                    told = await ask("POST", "/scim/v2/Users")
                    if told.status_code == 503:
                        break
                assert told.status_code == 503 and int(told.headers["retry-after"]) > 0, told.text
                assert (await ask("GET", f"/scim/v2/Users/{made}")).status_code == 200
                ready = await ask("GET", "/readyz")
                assert ready.status_code == 503 and states(ready)["database"].startswith("failing: The ")
            assert (await ask("GET", "/readyz")).status_code == 200, "it is told at once that it is over"
            for _ in range(12):
                assert (await ask("POST", "/scim/v2/Users")).status_code == 201

    asyncio.run(main())


def test_what_stands_beside_a_write_that_fills_the_disk_is_told_the_truth(sqlite_url: str) -> None:
    async def main() -> None:
        database = await open_database(sqlite_url)
        try:

            def of(name: str, size: int) -> Awaitable[None]:
                async def body(tx: object) -> None:
                    await tx.run(  # type: ignore[attr-defined]
                        "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, 0)", name, "x" * size
                    )

                return database.transact(body)

            await of("before", 10)
            writer = database._write  # type: ignore[attr-defined]
            writer.execute(f"PRAGMA max_page_count = {writer.execute('PRAGMA page_count').fetchone()[0]}")
            sizes = [10, 10, 5_000_000, 10, 10]
            told = await asyncio.gather(
                *(of(str(n), size) for n, size in enumerate(sizes)), return_exceptions=True
            )
            there = {row["name"] for row in await database.reads.all("SELECT name FROM sb_fact")}
            assert isinstance(told[2], StoreUnavailable)
            for number, outcome in enumerate(told):
                assert (str(number) in there) is (outcome is None), (number, outcome)
        finally:
            await database.close()

    asyncio.run(main())


def test_a_storm_on_a_server_with_little_room_waits_for_its_own_connections(
    postgres_server: str, postgres_url: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    role = f"small_{name}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 2")
        admin.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")

    async def main() -> None:
        url = psycopg.conninfo.make_conninfo(postgres_url, user=role)
        parts = psycopg.conninfo.conninfo_to_dict(url)
        where = f"postgresql://{role}@/{parts['dbname']}?host={parts['host']}"
        if parts.get("port"):
            where += f"&port={parts['port']}"
        database = await open_database(where, pool_size=10)
        try:
            found = await asyncio.gather(
                *(database.reads.one("SELECT 1 AS one FROM pg_sleep(0.001)") for _ in range(200))
            )
            assert all(row["one"] == 1 for row in found)
            with psycopg.connect(postgres_url, autocommit=True) as admin:
                admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,)
                )
                with pytest.raises(StoreUnavailable):
                    await database.reads.one("SELECT 1")
                admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 2")
            assert await database.reads.one("SELECT 1 AS one")
        finally:
            await database.close()

    try:
        asyncio.run(main())
    finally:
        with psycopg.connect(with_database(postgres_server, name), autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {role}")
            admin.execute(f"DROP ROLE {role}")


def test_a_slow_disk_keeps_its_writers_waiting_and_nobody_else(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION slow_() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$"
        )
        admin.execute(
            "CREATE CONSTRAINT TRIGGER slow_ AFTER INSERT ON sb_resource DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION slow_()"
        )

    async def main() -> None:
        async with asking(postgres_url) as (_, ask):
            loop = asyncio.get_running_loop()
            writes = [asyncio.create_task(ask("POST", "/scim/v2/Users")) for _ in range(4)]
            await asyncio.sleep(0.1)
            began, answered = loop.time(), 0
            while not all(write.done() for write in writes):
                assert (await ask("GET", "/scim/v2/Users?count=0")).status_code == 200
                answered += 1
            assert answered > 5 and loop.time() - began < 5
            assert [(await write).status_code for write in writes] == [201] * 4

    asyncio.run(main())


def test_effects_dated_by_a_clock_that_was_ahead_do_not_wait_for_that_day(
    on_store: Runner[None], clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        async def write(work: Work) -> None:
            work.bookkeeping("a test")
            await work.effect("call", {}, lane="l", key=f"now {work.now}")
            await work.effect("call", {}, lane="l", key=f"later {work.now}", delay=MINUTE)

        await store.transact(TESTER, write)
        clock.advance(days=30)
        await store.transact(TESTER, write)
        clock.advance(days=-30, seconds=1)
        assert await from_the_future(store) == 2
        assert await from_the_future(store) == 0, "once"
        rows = await store.reads.all("SELECT next_at, created FROM sb_effect")
        waits = sorted(row["next_at"] - store.clock.now() for row in rows)
        assert waits[-1] == MINUTE and max(row["created"] for row in rows) == store.clock.now()
        assert not [wait for wait in waits if wait > DAY]

    on_store(body)


def test_a_worker_minds_a_clock_that_is_set_back_while_it_runs(sqlite_url: str, clock: ManualClock) -> None:
    async def main() -> None:
        database = await open_database(sqlite_url)
        store = Store(database, clock, UuidV7(clock))
        done: list[str] = []

        async def handle(effect: Effect) -> Outcome:
            done.append(str(effect.payload["name"]))
            return Done({})

        async def settled(work: Work, *_: object) -> None:
            work.bookkeeping("a test")

        jobs = Jobs(store, Effects(store, {"call": handle}, [settled]))
        await jobs.start()
        try:

            async def write(work: Work) -> None:
                work.bookkeeping("a test")
                await work.effect("call", {"name": "ahead"}, lane="l", delay=DAY)

            clock.advance(days=1)
            await store.transact(TESTER, write)
            async with asyncio.timeout(120):
                while jobs._latest < clock.now():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            clock.advance(days=-1)
            due = "SELECT 1 AS x FROM sb_effect WHERE next_at <= ?"
            async with asyncio.timeout(120):
                while await store.reads.one(due, clock.now() + DAY) is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            clock.advance(days=1)
            async with asyncio.timeout(120):
                while not done:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        finally:
            await jobs.stop()
            await database.close()

    asyncio.run(main())


def test_an_effect_that_kills_its_worker_is_given_up_and_the_others_are_done(
    sqlite_url: str, clock: ManualClock, forking: Path
) -> None:
    async def write(store: Store) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("a test")
            for number in range(4):
                await work.effect("call", {"deadly": number == 1}, lane=f"l{number}", key=str(number))
            # As if it had killed all but the last of those who are let try.
            deadly = derived_id("call", "1")
            await work.tx.run("UPDATE sb_effect SET attempts = ? WHERE id = ?", MAX_ATTEMPTS - 2, deadly)

        await store.transact(TESTER, body)

    run_with_store(sqlite_url, clock, write)
    ends = []
    while not ends or ends[-1] != 0:
        ends.append(Forked(forking, "tests.kernel.deadly", [sqlite_url]).wait(300))
        assert len(ends) < 5, ends

    async def after(store: Store) -> list[tuple[str, str]]:
        rows = await store.reads.all("SELECT state, last_error FROM sb_effect ORDER BY state")
        return [(row["state"], row["last_error"]) for row in rows]

    assert ends == [-9, -9, 0]
    assert run_with_store(sqlite_url, clock, after)[0] == ("dead", DEADLY)
    assert [state for state, _ in run_with_store(sqlite_url, clock, after)] == [
        "dead",
        "done",
        "done",
        "done",
    ]


def test_only_what_was_under_way_counts_when_a_worker_dies(on_store: Runner[None]) -> None:
    async def body(store: Store) -> None:
        async def write(work: Work) -> list[str]:
            work.bookkeeping("a test")
            ids = [await work.effect("call", {}, lane="l", key=str(n), delay=n * MINUTE) for n in range(2)]
            ids.append(await work.effect("call", {}, lane="l", key="settled"))
            await work.tx.run("UPDATE sb_effect SET state = 'handed'")
            await work.tx.run("UPDATE sb_effect SET state = 'done' WHERE id = ?", ids[2])
            return ids

        ids = await store.transact(TESTER, write)
        assert await under_way(store, ids) == 1 and await under_way(store, []) == 0
        row = await store.reads.one("SELECT attempts, last_error FROM sb_effect WHERE id = ?", ids[0])
        assert row["attempts"] == 1 and "died" in row["last_error"]

    on_store(body)
