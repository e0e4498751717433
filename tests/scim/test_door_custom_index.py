"""Promises of declared attributes that are indexed: found by it, built in batches, complete before it is used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.document_index import Indexes
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from scim_bridge.registry import indexing
from scim_bridge.registry.model import CUSTOM_USER_URN
from scim_bridge.settings.attributes import AttributeSettings, indexes_of
from tests.scim.bridge import Bridge
from tests.scim.conftest import Door
from tests.scim.declared import DECLARED, USER, found, person


def test_each_change_of_a_value_moves_its_index_entries(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        made = await client.post("/Users", person("ann", costCode="A", floors=["1", "2"]))
        address = f"/Users/{made['id']}"

        async def hit(code: str) -> bool:
            return await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "{code}"') == ["ann"]

        path = f"{CUSTOM_USER_URN}:costCode"
        assert (await client.patch(address, {"op": "replace", "path": path, "value": "B"})).status == 200
        assert await hit("b") and not await hit("A")
        answer = await client.patch(address, {"op": "add", "value": {CUSTOM_USER_URN: {"costCode": "C"}}})
        assert answer[CUSTOM_USER_URN] == {"costCode": "C", "floors": ["1", "2"]} and await hit("C")
        answer = await client.patch(
            address, {"op": "remove", "path": f'{CUSTOM_USER_URN}:floors[value eq "1"]'}
        )
        assert answer[CUSTOM_USER_URN]["floors"] == ["2"]
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:floors eq "1"') == []
        # A client that does not know of the extension leaves it as it is; one that empties it clears it.
        assert (await client.put(address, {"schemas": [USER], "userName": "ann"})).status == 200
        assert await hit("C")
        assert (await client.put(address, person("ann") | {CUSTOM_USER_URN: None})).status == 200
        assert not await hit("C") and CUSTOM_USER_URN not in (await client.get(address)).body
        await client.put(address, person("ann", costCode="D"))
        assert await hit("D")
        await client.delete(address)
        rows = await bridge.store.reads.all("SELECT name FROM sb_attr WHERE name <> 'emails.value'")
        assert rows == []

    door(body, attributes=DECLARED)


async def plan_of(bridge: Bridge, sql: str, *values: Any) -> str:
    """How the database goes about a statement."""
    if bridge.store.database.backend == "sqlite":
        rows = await bridge.store.reads.all(f"EXPLAIN QUERY PLAN {sql}", *values)
        return "\n".join(str(row["detail"]) for row in rows)
    async with bridge.store.database.snapshot() as reader:
        # A table of thirty rows is read whole once the planner knows how small it is: asked is what it can do.
        await reader.all("SET LOCAL enable_seqscan = off")
        rows = await reader.all(f"EXPLAIN {sql}", *values)
    return "\n".join(str(row[0]) for row in rows)


def test_an_indexed_attribute_is_looked_up_by_its_index(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(30):
            await client.post("/Users", person(f"u{number}", costCode=f"C{number}", level=number % 3))
        asked: list[tuple[str, tuple[Any, ...]]] = []
        reads = bridge.store.database.reads
        plain = type(reads).all

        async def listening(self: Any, sql: str, *values: Any) -> Any:
            asked.append((sql, values))
            return await plain(self, sql, *values)

        type(reads).all = listening  # type: ignore[method-assign]
        try:
            for text in (f'{CUSTOM_USER_URN}:costCode eq "c7"', f"{CUSTOM_USER_URN}:level eq 2"):
                assert await found(client, "/Users", text)
                sql, values = next(item for item in asked if "sb_attr" in item[0])
                plan = await plan_of(bridge, sql, *values)
                assert "sb_attr_lookup" in plan, plan
                assert "Seq Scan on sb_resource" not in plan and "SCAN r" not in plan, plan
                asked.clear()
        finally:
            type(reads).all = plain  # type: ignore[method-assign]

    door(body, attributes=DECLARED)


def test_an_attribute_declared_as_indexed_later_is_built_in_batches_and_used_when_complete(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = (AttributeSettings("costCode"), AttributeSettings("level", "integer", indexed=True))
    later = (AttributeSettings("costCode", indexed=True), AttributeSettings("level", "integer"))
    text = f'{CUSTOM_USER_URN}:costCode eq "c1"'
    monkeypatch.setattr(indexing, "BATCH", 4)

    async def before(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(10):
            answer = await client.post("/Users", person(f"u{number}", costCode=f"C{number % 2}", level=1))
            assert answer.status == 201
        assert len(await found(client, "/Users", text)) == 5

    async def after(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        index = bridge.store.indexes
        # The first batch was done at start, and did not reach the end: nobody asks the index yet.
        assert index.ready == frozenset() and len(await found(client, "/Users", text)) == 5
        changed = await found(client, "/Users", 'userName eq "u9"')
        assert changed == ["u9"]
        # What is written while it is built is in it, whether the building has passed it or not.
        for name, code in (("u1", "other"), ("u9", "other"), ("u0", "C1"), ("u8", "C1")):
            one = (await client.get(f'/Users?filter=userName eq "{name}"'))["Resources"][0]
            await client.put(f"/Users/{one['id']}", person(name, costCode=code))
        while not index.ready:
            assert await indexing.upkeep(bridge.store, batches=1) <= 4
        assert await found(client, "/Users", text) == ["u0", "u3", "u5", "u7", "u8"]
        states = {
            row["name"]: (row["state"], row["entries"]) for row in await indexing.states(bridge.store.reads)
        }
        assert states == {
            "CustomUser:costCode:folded": ("ready", 10),
            "CustomUser:level:number": ("stale", 10),
        }
        await indexing.rebuild(bridge.store)
        states = {row["name"]: row["state"] for row in await indexing.states(bridge.store.reads)}
        assert states == {"CustomUser:costCode:folded": "ready"}
        rows = await bridge.store.reads.all("SELECT DISTINCT name FROM sb_attr WHERE name <> 'emails.value'")
        assert [row["name"] for row in rows] == ["CustomUser:costCode:folded"]

    door(before, attributes=plain)
    door(after, attributes=later)


def test_an_index_declared_again_makes_good_what_it_missed(door: Door) -> None:
    indexed = (AttributeSettings("costCode", indexed=True),)
    ids: list[str] = []

    async def first(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        ids.append((await client.post("/Users", person("ann", costCode="A")))["id"])

    async def without(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        await client.put(f"/Users/{ids[0]}", person("ann", costCode="B"))

    async def again(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        assert bridge.store.indexes.ready
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "A"') == []
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "B"') == ["ann"]

    door(first, attributes=indexed)
    door(without, attributes=(AttributeSettings("costCode"),))
    door(again, attributes=indexed)


def test_another_process_finds_out_that_an_index_is_ready(door: Door, clock: ManualClock) -> None:
    async def body(bridge: Bridge) -> None:
        other = Store(
            bridge.store.database,
            clock,
            UuidV7(clock),
            Indexes(indexes_of((AttributeSettings("x", indexed=True),))),
        )
        assert await indexing.upkeep(other) == 0 and other.indexes.ready

    door(body, attributes=(AttributeSettings("x", indexed=True),))


def test_values_of_any_length_are_found_and_none_is_taken_for_another(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        long = "ΐ" * 4000
        for name, value in (("a", long), ("b", long + "x")):
            assert (await client.post("/Users", person(name, costCode=value))).status == 201
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "{long}"') == ["a"]
        rows = await bridge.store.reads.all("SELECT key FROM sb_attr WHERE name LIKE 'CustomUser%'")
        assert await client.post("/Users", person("c", costCode=rows[0]["key"]))
        assert await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "{rows[0]["key"]}"') == ["c"]

    door(body, attributes=(AttributeSettings("costCode", indexed=True),))


def test_creates_of_a_bulk_request_are_indexed_like_others(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        steps = [
            {"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": person(f"u{n}", costCode="Z")}
            for n in range(5)
        ]
        urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
        answer = await client.post("/Bulk", {"schemas": [urn], "Operations": steps})
        assert [item["status"] for item in answer["Operations"]] == ["201"] * 5
        assert len(await found(client, "/Users", f'{CUSTOM_USER_URN}:costCode eq "z"')) == 5

    door(body, attributes=(AttributeSettings("costCode", indexed=True),))


def test_two_processes_that_build_an_index_together_build_it_once(
    door: Door, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed = (AttributeSettings("costCode", indexed=True),)

    async def before(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(20):
            await client.post("/Users", person(f"u{number}", costCode=f"C{number}"))

    async def after(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        other = Store(bridge.store.database, clock, UuidV7(clock), Indexes(indexes_of(indexed)))
        writes = [
            client.put(f"/Users/{item['id']}", person(item["userName"], costCode="new"))
            for item in (await client.get("/Users?count=20"))["Resources"][::2]
        ]
        assert not bridge.store.indexes.ready
        await asyncio.gather(indexing.upkeep(bridge.store), indexing.upkeep(other), *writes)
        assert bridge.store.indexes.ready and other.indexes.ready
        rows = await bridge.store.reads.all("SELECT key FROM sb_attr WHERE name LIKE 'Custom%'")
        keys = [row["key"] for row in rows]
        assert (len(keys), keys.count("new")) == (20, 10)

    monkeypatch.setattr(indexing, "BATCH", 3)
    door(before, attributes=(AttributeSettings("costCode"),))
    door(after, attributes=indexed)
