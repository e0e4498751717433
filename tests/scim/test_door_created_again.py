"""Whoever is deleted and created again is the same, and every hold that others have on it stands."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from scim_bridge.access.facts import facts_about
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import facts_of, find_agent
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT_URN
from tests.conftest import TESTER
from tests.scim.bridge import Bridge, Client, Reply

ALICE = {"userName": "alice", "displayName": "Alice"}
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def bot(name: str = "Bot", external_id: str | None = "x1", **more: Any) -> dict[str, Any]:
    """An agent as an IdP sends one."""
    schemas = ["urn:ietf:params:scim:schemas:core:2.0:User", *more]
    sent = {"schemas": schemas, "userName": name, "userType": "Agent", "active": True, **more}
    return sent if external_id is None else {**sent, "externalId": external_id}


async def hold(bridge: Bridge, agent: str, source: str = "departure:c1") -> None:
    """Somebody who is no connection holds the agent."""
    await bridge.store.transact(
        TESTER, lambda work: place_hold(work, agent, source, "owner-left", "The owner left.", "a new owner")
    )


async def sources(bridge: Bridge, agent: str) -> set[str]:
    """Who holds a live agent."""
    return {one.source for one in (await facts_of(bridge.store.reads, [agent]))[agent].holds}


async def through_bulk(client: Client, sent: dict[str, Any]) -> Reply:
    """A create as the only operation of a Bulk request."""
    operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": sent}
    answer = await client.post("/Bulk", {"schemas": [BULK], "Operations": [operation]})
    done = answer["Operations"][0]
    assert done["status"] == "201", done
    return await client.get("/Users/" + done["location"].rpartition("/")[2])


async def alone(client: Client, sent: dict[str, Any]) -> Reply:
    """A create."""
    answer = await client.post("/Users", sent)
    assert answer.status == 201, answer.content
    return answer


DOORS = {"single": alone, "bulk": through_bulk}


@pytest.mark.parametrize("dialect", ["okta-put", "entra", "strict"])
def test_deleting_and_creating_again_escapes_no_hold_of_another_source(door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("one", dialect)
        for way, create in DOORS.items():
            first = (await client.post("/Users", bot(f"{way}@corp.example", way)))["id"]
            await hold(bridge, first)
            assert (await client.delete(f"/Users/{first}")).status == 204
            assert (await client.get(f"/Users/{first}")).status == 404
            assert (await client.get(f'/Users?filter=externalId eq "{way}"'))["totalResults"] == 0
            assert await facts_about(bridge.store.reads, first) == [], "decisions know no deleted agent"
            again = await create(client, bot(f"{way.upper()}@Corp.example", way))
            assert (again["id"], again["active"]) == (first, False)
            assert await sources(bridge, first) == {"departure:c1"}
            facts = await find_agent(bridge.store.reads, way)
            assert facts is not None and facts.resource.id == first, "the slug is the same"
            await bridge.store.transact(
                TESTER, lambda work, first=first: release_hold(work, first, "departure:c1", "handed over")
            )
            assert (await client.get(f"/Users/{first}"))["active"] is True
        assert [subject for subject, _ in await bridge.audit("agent.revived")] != []

    door(body)


def test_the_externalid_of_the_connection_names_a_deleted_agent_under_any_other_name(door) -> None:
    async def body(bridge: Bridge) -> None:
        client, other = await bridge.client("okta"), await bridge.client("entra")
        first = (await client.post("/Users", bot("bot@corp.example")))["id"]
        await hold(bridge, first)
        await client.delete(f"/Users/{first}")
        stranger = await other.post("/Users", bot("else@corp.example", "x1"))
        assert stranger["id"] != first, "externalIds are each connection's own"
        again = await through_bulk(client, bot("new@corp.example"))
        assert (again["id"], again["userName"], again["active"]) == (first, "new@corp.example", False)
        found = await client.get('/Users?filter=userName eq "new@corp.example"')
        assert [one["id"] for one in found["Resources"]] == [first]
        assert (await client.post("/Users", bot("bot@corp.example", "x2")))["id"] != first, (
            "its old name is free"
        )

    door(body)


def test_only_the_hold_of_the_connection_that_deletes_ends(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta, entra = await bridge.client("okta"), await bridge.client("entra")
        off = {"op": "replace", "path": "active", "value": False}
        agent = (await okta.post("/Users", bot()))["id"]
        await okta.patch(f"/Users/{agent}", off)
        await entra.delete(f"/Users/{agent}")
        again = await entra.post("/Users", bot(external_id="e1"))
        assert (again["id"], again["active"]) == (agent, False), "Okta's hold stands"
        await okta.delete(f"/Users/{agent}")
        again = await entra.post("/Users", bot(external_id="e1"))
        assert (again["id"], again["active"]) == (agent, True), "Okta deleted it, and holds it no more"
        assert (await okta.get(f"/Users/{agent}"))["externalId"] == "x1", "and knows it by its own id still"
        assert (await bridge.audit("agent.hold_released"))[0][0] == agent

    door(body)


def test_a_person_comes_back_with_the_same_id_and_a_stranger_may_have_the_name_of_the_other_kind(
    door,
) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        person = (await client.post("/Users", {**ALICE, "externalId": "p1"}))["id"]
        await client.delete(f"/Users/{person}")
        back = await client.post("/Users", {**ALICE, "externalId": "p1"})
        assert (back.status, back["id"], back["active"]) == (201, person, True)
        await client.delete(f"/Users/{person}")
        agent = await client.post("/Users", bot("alice", "p1"))
        assert (agent.status, agent["id"] != person) == (201, True)
        await hold(bridge, agent["id"])
        await client.delete(f"/Users/{agent['id']}")
        assert (await client.post("/Users", ALICE))["id"] == person
        await client.delete(f"/Users/{person}")
        again = await client.post("/Users", bot("alice", "p9"))
        assert (again["id"], again["active"]) == (agent["id"], False), "a person in between hides no hold"
        await client.delete(f"/Users/{again['id']}")
        between = (await client.post("/Users", {"userName": "alice"}))["id"]
        await client.patch(f"/Users/{between}", {"op": "replace", "path": "userName", "value": "bob"})
        again = await client.post("/Users", bot("alice", "p10"))
        assert (again["id"], again["active"]) == (agent["id"], False), "nor one who was renamed"

    door(body)


def test_no_agent_takes_the_name_of_a_deleted_one_that_is_held_by_being_renamed(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        first = (await client.post("/Users", bot("bot", "x1")))["id"]
        other = (await client.post("/Users", bot("tmp", "x2")))["id"]
        free = (await client.post("/Users", bot("free", "x3")))["id"]
        await hold(bridge, first)
        for one in (first, free):
            await client.delete(f"/Users/{one}")
        rename = {"op": "replace", "path": "userName", "value": "BOT"}
        refused = await client.patch(f"/Users/{other}", rename)
        assert (refused.status, refused["scimType"]) == (409, "uniqueness")
        assert (await client.patch(f"/Users/{other}", {**rename, "value": "free"})).status == 200
        taken = {"op": "replace", "path": "externalId", "value": "x3"}
        assert (await client.patch(f"/Users/{other}", taken)).status == 200, "so is what it was called"

    door(body)


def test_owners_and_revoked_credentials_are_as_they_were_and_groups_are_not(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        owner = (await client.post("/Users", ALICE))["id"]
        agent = (await client.post("/Users", bot(**{AGENT_URN: {"owner": {"value": owner}}})))["id"]
        group = (await client.post("/Groups", {"displayName": "g", "members": [{"value": agent}]}))["id"]
        await bridge.store.transact(TESTER, lambda work: _credential(work, agent))
        await client.delete(f"/Users/{agent}")
        rename = {"op": "replace", "path": "displayName", "value": "Alice B."}
        assert (await client.patch(f"/Users/{owner}", rename)).status == 200, "though what she owned is gone"
        again = await client.post("/Users", bot())
        assert (again["id"], again[AGENT_URN]["owner"]["displayName"]) == (agent, "Alice B.")
        assert "groups" not in again.body
        assert not (await client.get(f"/Groups/{group}")).body.get("members")
        row = await bridge.store.reads.one("SELECT state FROM sb_credential WHERE agent_id = ?", agent)
        assert row["state"] == "revoking"
        await client.delete(f"/Users/{agent}")
        assert (await client.delete(f"/Users/{owner}")).status == 204
        again = await client.post("/Users", bot())
        assert "owner" not in again.body.get(AGENT_URN, {}), "nobody who is gone owns it"

    door(body)


async def _credential(work: Work, agent: str) -> None:
    await work.tx.run(
        "INSERT INTO sb_credential (id, agent_id, label, kind, system, reference, state, created)"
        " VALUES ('c', ?, 'key', 'api_key', 'vault', 'a/b', 'active', ?)",
        agent,
        work.now,
    )
    work.bookkeeping("a test")


def test_a_connection_with_a_scope_brings_back_nothing_from_outside(door) -> None:
    async def body(bridge: Bridge) -> None:
        everything = await bridge.client("okta")
        narrow = await bridge.client("entra", scope="environment=dev")
        sent = {AGENT_URN: {"environment": "production"}}
        agent = (await everything.post("/Users", bot(**sent)))["id"]
        await everything.delete(f"/Users/{agent}")
        refused = await narrow.post("/Users", bot(**{AGENT_URN: {"environment": "dev"}}))
        assert (refused.status, refused["scimType"]) == (409, "uniqueness")

    door(body)


def test_a_create_that_meets_a_delete_of_the_same_agent_never_makes_another(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        agent = (await client.post("/Users", bot("bot@corp.example")))["id"]
        await hold(bridge, agent)
        for _ in range(10):
            await asyncio.gather(
                client.delete(f"/Users/{agent}"),
                *(client.post("/Users", bot("bot@corp.example", f"y{n}")) for n in range(3)),
            )
            await client.post("/Users", bot("bot@corp.example"))
        row = await bridge.store.reads.one("SELECT COUNT(*) AS n FROM sb_agent")
        assert row["n"] == 1
        assert await sources(bridge, agent) >= {"departure:c1"}

    door(body)


NAMES = ("a", "b", "C")


@pytest.mark.parametrize("seed", range(6))
def test_no_sequence_of_calls_by_connections_frees_who_another_source_holds(door, seed: int) -> None:
    draw = random.Random(seed)

    async def step(client: Client, known: list[str]) -> None:
        path = f"/Users/{draw.choice(known)}"
        name, external_id = draw.choice(NAMES), draw.choice(("1", "2", None))
        on = {"op": "replace", "path": "active", "value": draw.random() < 0.7}
        sent = bot(name, external_id)
        if draw.random() < 0.2:
            del sent["userType"]
        match draw.randrange(6):
            case 0 | 1:
                answer = await client.delete(path)
            case 2 | 3:
                answer = await draw.choice((client.post, _bulk(client)))("/Users", sent)
                if answer.status == 201:
                    known.append(answer["id"])
            case 4:
                answer = await client.patch(path, on)
            case _:
                rename = {"op": "replace", "path": "userName", "value": name}
                again = draw.random() < 0.5
                answer = await (client.patch(path, rename) if again else client.put(path, sent))
        assert answer.status < 500, answer.content

    async def body(bridge: Bridge) -> None:
        clients = [await bridge.client(name) for name in ("okta", "entra")]
        clients.append(await bridge.client("plain", "strict"))
        known = [(await clients[0].post("/Users", bot(name, None)))["id"] for name in NAMES]
        held = known[:2]
        for agent in held:
            await hold(bridge, agent)
        for _ in range(60):
            await step(draw.choice(clients), known)
            rows = await bridge.store.reads.all(
                "SELECT r.id, r.active, r.deleted, (SELECT COUNT(*) FROM sb_hold h WHERE h.agent_id = r.id"
                " AND h.released IS NULL) AS holds, (SELECT COUNT(*) FROM sb_hold h WHERE h.agent_id = r.id"
                " AND h.released IS NULL AND h.source = 'departure:c1') AS departed, r.key"
                " FROM sb_resource r WHERE r.kind = 'agent'"
            )
            for row in rows:
                if row["deleted"] is None:
                    assert bool(row["active"]) is (row["holds"] == 0)
                assert row["departed"] == (row["id"] in held)
            # Held under a name and deleted: no other agent lives under that name.
            lain = {row["key"].partition("\x1f")[0] for row in rows if row["deleted"] and row["departed"]}
            assert not lain & {row["key"] for row in rows if row["deleted"] is None}

    door(body)


def _bulk(client: Client) -> Any:
    async def post(_path: str, sent: dict[str, Any]) -> Reply:
        operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": sent}
        answer = await client.post("/Bulk", {"schemas": [BULK], "Operations": [operation]})
        done = answer["Operations"][0]
        if done["status"] != "201":
            return answer
        found = await client.get("/Users/" + done["location"].rpartition("/")[2])
        found.status = 201
        return found

    return post
