"""Promises of long reads: beside everything else, on one state, within their time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import TooLong
from scim_bridge.kernel.work import Store, Work
from tests.conftest import TESTER

# Ten million rows made of nothing: seconds of work for any database, and no table needed.
ENDLESS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000)"
    " SELECT COUNT(*) AS n FROM n"
)


async def count(store: Store, name: str) -> None:
    async def body(work: Work) -> None:
        work.bookkeeping("test")
        await work.tx.run("INSERT INTO sb_counter (name, shard, value) VALUES (?, 0, 1)", name)

    await store.transact(TESTER, body)


def test_a_long_read_sees_one_state_while_others_write(on_store: Any) -> None:
    async def body(store: Store) -> None:
        await count(store, "before")
        begun, go = threading.Event(), threading.Event()

        async def look(reader: Reader) -> tuple[int, int]:
            first = await reader.all("SELECT name FROM sb_counter")
            begun.set()
            if reader.backend == "sqlite":
                go.wait(10)
            else:
                await asyncio.to_thread(go.wait, 10)
            return len(first), len(await reader.all("SELECT name FROM sb_counter"))

        reading = asyncio.ensure_future(store.database.aside(look, seconds=30))
        await asyncio.to_thread(begun.wait, 10)
        await count(store, "meanwhile")
        go.set()
        assert await reading == (1, 1)
        assert len(await store.reads.all("SELECT name FROM sb_counter")) == 2

    on_store(body)


def test_a_statement_that_does_not_end_is_ended_and_others_are_answered_meanwhile(on_store: Any) -> None:
    async def body(store: Store) -> None:
        async def endless(reader: Reader) -> None:
            await reader.one(ENDLESS)

        reading = asyncio.ensure_future(store.database.aside(endless, seconds=0.2))
        answered = 0
        while not reading.done():
            await store.reads.one("SELECT 1")
            answered += 1
            await asyncio.sleep(0.005)
        with pytest.raises(TooLong):
            await reading
        assert answered > 1

        async def short(reader: Reader) -> Any:
            return await reader.one("SELECT 7 AS seven")

        assert (await store.database.aside(short, seconds=5))["seven"] == 7, "the connection is of use still"

    on_store(body)


def test_many_statements_together_have_no_more_time_than_one(on_store: Any) -> None:
    async def body(store: Store) -> None:
        async def forever(reader: Reader) -> None:
            while True:
                await reader.all("SELECT 1 AS x")

        with pytest.raises(TooLong):
            await store.database.aside(forever, seconds=0.1)

    on_store(body)


def test_what_a_body_refuses_is_refused_and_more_bodies_than_places_wait(on_store: Any) -> None:
    async def body(store: Store) -> None:
        async def refuse(reader: Reader) -> None:
            await reader.one("SELECT 1 AS x")
            raise LookupError("no")

        async def number(reader: Reader) -> int:
            return int((await reader.one("SELECT 1 AS x"))["x"])  # type: ignore[index]

        for _ in range(12):
            with pytest.raises(LookupError):
                await store.database.aside(refuse, seconds=5)
        assert sum(await asyncio.gather(*(store.database.aside(number, seconds=30) for _ in range(12)))) == 12

    on_store(body)
