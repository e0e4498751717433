"""What a write costs in statements, pinned; and what many writers at once may not lose."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from scim_bridge.kernel import postgres_session, sqlite_transaction
from tests.scim.bridge import Bridge, Client

URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


class Count:
    """Statements sent: on PostgreSQL these are round trips, BEGIN and COMMIT among them."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def of(self, call: Any) -> int:
        """How many one call takes; it has to succeed."""
        self.sent.clear()
        answer = await call
        assert answer.status < 300, answer.content
        return len(self.sent)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Iterator[Count]:
    """Count every statement of both back ends (SQLite's savepoints and commits are the batch's, not counted)."""
    found = Count()

    def noted(owner: type, name: str) -> None:
        before = getattr(owner, name)

        def wrapped(self: Any, sql: Any, *rest: Any, **more: Any) -> Any:
            found.sent.append(str(sql))
            return before(self, sql, *rest, **more)

        monkeypatch.setattr(owner, name, wrapped)

    noted(sqlite_transaction.SqliteReader, "_execute")
    noted(sqlite_transaction.SqliteTx, "add_all")
    for name in ("one", "all", "run", "many", "say"):
        noted(postgres_session.Session, name)
    yield found


def person(name: str) -> dict[str, Any]:
    """A person as an IdP sends one."""
    return {
        "userName": name,
        "externalId": name,
        "displayName": name,
        "emails": [{"value": f"{name}@corp.example", "primary": True}],
    }


def limits(bridge: Bridge, sqlite: int, postgresql: int) -> int:
    """The number promised for the back end under test."""
    return sqlite if bridge.store.database.backend == "sqlite" else postgresql


async def ids(client: Client, number: int, prefix: str = "m") -> list[str]:
    """So many people, made in one Bulk request."""
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": {"userName": f"{prefix}{n}"}}
        for n in range(number)
    ]
    made = await client.post("/Bulk", {"schemas": [URN], "Operations": operations})
    return [str(item["location"]).rpartition("/")[2] for item in made["Operations"]]


def add(members: Sequence[str]) -> dict[str, Any]:
    """The operation that adds these members."""
    return {"op": "add", "path": "members", "value": [{"value": member} for member in members]}


def test_a_create_is_one_round_trip_and_a_patch_two(door, count: Count) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        # The first of each kind is noted besides: the wizard waits for it.
        first = await client.post("/Users", person("first"))
        await client.patch(f"/Users/{first['id']}", {"op": "replace", "path": "title", "value": "First"})
        await client.patch(f"/Users/{first['id']}", {"op": "replace", "path": "active", "value": False})
        # resource, person or agent, e-mail, externalId, totals, audit
        assert await count.of(client.post("/Users", person("ann"))) == limits(bridge, 6, 1)
        agent = {**person("bot"), "userType": "Agent"}
        assert await count.of(client.post("/Users", agent)) == limits(bridge, 6, 1)
        found = await bridge.store.reads.one("SELECT id FROM sb_resource WHERE key = 'bot'")
        path = f"/Users/{found['id']}"
        rename = {"op": "replace", "path": "displayName", "value": "Bot"}
        # how it stands; document, audit
        assert await count.of(client.patch(path, rename)) == limits(bridge, 3, 2)
        assert await count.of(client.patch(path, rename)) == 1, "what changes nothing writes nothing"
        # how it stands, IdPs to tell; document, hold, audit, notice
        off = {"op": "replace", "path": "active", "value": False}
        assert await count.of(client.patch(path, off)) == limits(bridge, 6, 3)

    door(body)


def test_adding_or_removing_one_member_costs_the_same_in_a_small_and_a_large_group(
    door, count: Count
) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("entra")
        people = await ids(client, 820)
        costs = []
        for name, size in (("small", 10), ("large", 800)):
            group = (await client.post("/Groups", {"displayName": name}))["id"]
            await client.patch(f"/Groups/{group}", add(people[:size]))
            new = people[-1]
            remove = {"op": "remove", "path": f'members[value eq "{new}"]'}
            joins = await count.of(client.patch(f"/Groups/{group}", add([new])))
            leaves = await count.of(client.patch(f"/Groups/{group}", remove))
            costs.append((joins, leaves))
            # the group, who is known; members, audit, version
            assert (joins, leaves) == (limits(bridge, 5, 3), limits(bridge, 5, 3))
        assert costs[0] == costs[1]

    door(body)


def test_five_hundred_members_and_a_hundred_creates_take_no_more_statements_than_two(
    door, count: Count
) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("entra")
        people = await ids(client, 502)
        group = (await client.post("/Groups", {"displayName": "g"}))["id"]
        few = await count.of(client.patch(f"/Groups/{group}", add(people[:2])))
        assert await count.of(client.patch(f"/Groups/{group}", add(people[2:]))) == few
        taken = []
        for number in (2, 100):
            operations = [
                {"method": "POST", "path": "/Users", "bulkId": str(n), "data": person(f"p{number}-{n}")}
                for n in range(number)
            ]
            request = client.post("/Bulk", {"schemas": [URN], "Operations": operations})
            taken.append(await count.of(request))
        assert taken[0] == taken[1]

    door(body)


def test_sixteen_who_change_one_large_group_at_once_lose_nothing(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("entra")
        stay, go = await ids(client, 200, "s"), await ids(client, 48, "g")
        come = await ids(client, 48, "c")
        group = (await client.post("/Groups", {"displayName": "g"}))["id"]
        await client.patch(f"/Groups/{group}", add([*stay, *go]))

        async def writer(number: int) -> None:
            for n in range(number, 48, 16):
                gone = {"op": "remove", "path": "members", "value": [{"value": go[n]}]}
                assert (await client.patch(f"/Groups/{group}", add([come[n]]))).status == 204
                assert (await client.patch(f"/Groups/{group}", gone)).status == 204

        before = (await client.get(f"/Groups/{group}?excludedAttributes=members")).headers["etag"]
        await asyncio.gather(*(writer(number) for number in range(16)))
        read = await client.get(f"/Groups/{group}")
        assert {member["value"] for member in read["members"]} == {*stay, *come}
        versions = [int(tag.strip('W/"')) for tag in (before, read.headers["etag"])]
        assert versions[1] - versions[0] == 96, "each change raised the version once"
        told = [detail for _, detail in await bridge.audit("group.members_added")]
        assert sum(detail["count"] for detail in told) == 248 + 48

    door(body)


def test_of_sixteen_creates_of_one_name_one_succeeds_and_fifteen_are_told_it_exists(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        answers = await asyncio.gather(
            *(client.post("/Users", {"userName": "same", "title": str(n)}) for n in range(16))
        )
        assert sorted(answer.status for answer in answers) == [201] + [409] * 15
        assert {answer["scimType"] for answer in answers if answer.status == 409} == {"uniqueness"}
        assert await bridge.count("sb_resource") == 1

    door(body)


def test_of_sixteen_who_change_one_agent_at_once_each_change_is_there(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        made = (await client.post("/Users", {**person("bot"), "userType": "Agent"}))["id"]

        async def change(number: int) -> None:
            value = [{"value": f"role{number}"}]
            answer = await client.patch(f"/Users/{made}", {"op": "add", "path": "roles", "value": value})
            assert answer.status == 200

        await asyncio.gather(*(change(number) for number in range(16)))
        roles = (await client.get(f"/Users/{made}"))["roles"]
        assert {role["value"] for role in roles} == {f"role{n}" for n in range(16)}

    door(body)
