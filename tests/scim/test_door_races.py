"""Who joins a group while being deleted, and groups that are put into each other at the same moment."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work
from scim_bridge.registry import owning
from scim_bridge.registry.groups import create_group, join, seen
from scim_bridge.registry.model import AGENT_URN, PersonRef
from scim_bridge.registry.people import create_person, delete_person
from scim_bridge.registry.people_refs import find_person
from tests.conftest import TESTER
from tests.scim.bridge import Bridge, Client

ROUNDS = 24
USER, GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{name}" for name in ("User", "Group"))


def one(kind: str, name: str) -> dict[str, Any]:
    """A person, agent or group as it is sent."""
    if kind == "group":
        return {"schemas": [GROUP], "displayName": name}
    return {"schemas": [USER], "userName": name} | ({"userType": "Agent"} if kind == "agent" else {})


def add(*members: str) -> dict[str, Any]:
    """The operation that adds these members."""
    return {"op": "add", "path": "members", "value": [{"value": member} for member in members]}


async def group(client: Client, name: str) -> str:
    """A new group's id."""
    return str((await client.post("/Groups", one("group", name)))["id"])


async def members(client: Client, group_id: str) -> set[str]:
    """Who is in a group."""
    return {member["value"] for member in (await client.get(f"/Groups/{group_id}")).body.get("members", ())}


@pytest.mark.parametrize("kind", ["person", "agent", "group"])
def test_who_is_deleted_while_joining_a_group_is_in_no_group(door, kind: str) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", dialect="strict")
        collection = "/Groups" if kind == "group" else "/Users"
        made = [(await client.post(collection, one(kind, f"u{n}")))["id"] for n in range(ROUNDS)]
        groups = [await group(client, f"into {n}") for n in range(ROUNDS)]
        lot = random.Random(1)

        async def gone(n: int) -> None:
            await asyncio.sleep(lot.random() / 500)
            assert (await client.delete(f"{collection}/{made[n]}")).status == 204

        async def joins(n: int) -> None:
            answer = await client.patch(f"/Groups/{groups[n]}", add(made[n], made[(n + 1) % ROUNDS]))
            assert answer.status in (200, 400), answer.content

        for n in range(0, ROUNDS, 2):
            await asyncio.gather(gone(n), joins(n))
        for n in range(0, ROUNDS, 2):
            assert made[n] not in await members(client, groups[n]), "the dead are in no group"
            if kind != "group":
                back = await client.post(collection, one(kind, f"u{n}"))
                assert back.status == 201 and back["id"] == made[n]
                assert "groups" not in back.body

    door(body)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_who_is_deleted_between_looking_and_joining_is_seen_to_be_gone(door) -> None:
    async def body(bridge: Bridge) -> None:
        store = bridge.store
        person = await store.transact(
            TESTER, lambda work: create_person(work, {"userName": "p"}, origin="test")
        )
        into = await store.transact(
            TESTER, lambda work: create_group(work, {"displayName": "g"}, origin="test")
        )
        runs = 0

        async def joins(work: Work) -> list[str]:
            nonlocal runs
            known = await seen(work, into.id, [person.id])
            runs += 1
            if runs == 1:
                await store.transact(TESTER, lambda other: delete_person(other, person.id, "test"))
            wanted = dict.fromkeys(known.kinds)
            work.bookkeeping("nobody is left to join")
            return await join(work, into.id, wanted, known)

        assert await store.transact(TESTER, joins) == [] and runs == 2
        assert await bridge.count("sb_member") == 0

    door(body)


def test_what_named_the_dead_in_a_group_ends_when_they_come_back(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        sent = {**one("agent", "bot"), "externalId": "b"}
        agent = (await client.post("/Users", sent))["id"]
        await client.delete(f"/Users/{agent}")
        payments = await group(client, "Payments")
        assert (await client.patch(f"/Groups/{payments}", add(agent))).status == 204
        assert await members(client, payments) == {agent}, "kept as unresolved, and grants nothing"
        before = (await client.get(f"/Groups/{payments}")).headers["etag"]
        back = await client.post("/Users", sent)
        assert back["id"] == agent and "groups" not in back.body
        assert await members(client, payments) == set()
        assert (await client.get(f"/Groups/{payments}")).headers["etag"] != before

    door(body)


@pytest.mark.parametrize("size", [2, 3])
def test_groups_put_into_each_other_at_once_never_make_a_circle(door, size: int) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", dialect="strict")
        for n in range(4):
            ring = [await group(client, f"{n}-{m}") for m in range(size)]
            asked = (
                client.patch(f"/Groups/{outer}", add(ring[(at + 1) % size])) for at, outer in enumerate(ring)
            )
            answers = [answer.status for answer in await asyncio.gather(*asked)]
            assert sorted(answers) == [200] * (size - 1) + [400], answers

    door(body)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("way", ["deactivated", "deleted"])
def test_who_leaves_between_being_found_and_being_made_an_owner_owns_no_agent_that_may_act(
    door, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        leaver = (await client.post("/Users", one("person", "p")))["id"]
        agent = (await client.post("/Users", one("agent", "a")))["id"]
        path, waiting = f"/Users/{leaver}", [True]

        async def found_and_left(reader: Reader, name: str) -> PersonRef | None:
            found = await find_person(reader, name)
            if waiting and waiting.pop():
                off = {"op": "replace", "path": "active", "value": False}
                left = await (client.patch(path, off) if way == "deactivated" else client.delete(path))
                assert left.status in (200, 204)
            return found

        monkeypatch.setattr(owning, "find_person", found_and_left)
        owner = {"op": "replace", "path": f"{AGENT_URN}:owner", "value": {"value": leaver}}
        answer = await client.patch(f"/Users/{agent}", owner)
        if way == "deleted":
            assert answer.status == 400, "nobody is known by that id any more"
            assert await bridge.count("sb_owner") == 0
        else:
            assert (answer.status, answer["active"]) == (200, False)

    door(body)
