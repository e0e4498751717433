"""Promises of what a connection with a scope changes: nothing leaves it, nobody comes in, no name tells of others."""

from __future__ import annotations

from scim_bridge.access.facts import facts_about
from scim_bridge.registry.model import AGENT_URN
from tests.scim.bridge import Bridge
from tests.scim.scoped import BULK, DEV, PROD, agent, made, members, op, scene


def test_an_agent_is_created_inside_the_scope_only(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        count = await bridge.count("sb_resource")
        wzdk = {"agentUserName": "w", AGENT_URN: {"environment": PROD}}
        refused = [
            await s.dev.post("/Users", agent("a", PROD)),
            await s.dev.post("/Users", agent("b", None)),
            await s.dev.post("/Agents", wzdk),
            await s.dev.post("/Agents", {"agentUserName": "x"}),
        ]
        for answer in refused:
            assert answer.status == 403
            assert f"outside the scope of connection 'dev' (environment={DEV})" in answer["detail"]
        assert await bridge.count("sb_resource") == count
        steps = [
            {"method": "POST", "path": "/Users", "bulkId": str(n), "data": agent(f"bulk{n}", environment)}
            for n, environment in enumerate((DEV, PROD, DEV, None, DEV))
        ]
        answer = await s.dev.post("/Bulk", {"schemas": [BULK], "Operations": steps})
        assert [one["status"] for one in answer["Operations"]] == ["201", "403", "201", "403", "201"]
        inside = {**wzdk, AGENT_URN: {"environment": DEV}}
        assert (await s.dev.post("/Agents", inside)).status == 201
        assert (await s.dev.post("/Users", {"userName": "ben"})).status == 201, "people are not limited"

    door(body)


def test_no_change_takes_an_agent_out_of_the_scope_but_a_deactivation_in_it_is_done(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        path = f"{AGENT_URN}:environment"
        for answer in (
            await s.dev.patch(f"/Users/{s.seen}", op("replace", path, PROD)),
            await s.dev.patch(f"/Agents/{s.seen}", op("remove", path)),
            await s.dev.put(f"/Users/{s.seen}", agent("sandy", PROD)),
        ):
            assert answer.status == 403, answer.content
            assert f"environment={DEV}" in answer["detail"]
        both = [op("replace", path, PROD), op("replace", "active", False)]
        answer = await s.dev.patch(f"/Users/{s.seen}", *both)
        assert answer.status == 200
        assert answer["active"] is False
        assert answer[AGENT_URN]["environment"] == DEV
        assert (await s.every.patch(f"/Users/{s.seen}", op("replace", path, PROD))).status == 200
        assert (await s.dev.get(f"/Users/{s.seen}")).status == 404
        assert (await s.every.get(f"/Users/{s.seen}"))["active"] is False, "the hold stays"
        assert (await s.every.patch(f"/Users/{s.seen}", op("replace", path, DEV))).status == 200
        assert (await s.dev.patch(f"/Users/{s.seen}", op("replace", "active", True)))["active"] is True

    door(body)


def test_a_hidden_agents_name_is_taken_and_nothing_more_is_said_of_it(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        # The connection knew it once, by an externalId of its own.
        gone = await made(s.dev, "/Users", agent("gone", DEV, externalId="own-1"))
        assert (
            await s.every.patch(f"/Users/{gone}", op("replace", f"{AGENT_URN}:environment", PROD))
        ).status == 200
        person = await s.dev.post("/Users", {"userName": "hidden"})
        again = await s.dev.post("/Users", agent("gone", DEV, externalId="own-1"))
        other = await s.dev.post("/Users", agent("another", DEV, externalId="own-1"))
        renamed = await s.dev.patch(f"/Users/{s.seen}", op("replace", "userName", "hidden"))
        numbered = await s.dev.patch(f"/Users/{s.seen}", op("replace", "externalId", "own-1"))
        outside = await s.dev.post("/Users", agent("hidden", PROD))
        for answer in (person, again, other, renamed, numbered, outside):
            assert answer.status == 409
            assert answer["scimType"] == "uniqueness"
            for word in (s.hidden, gone, PROD, "Agent hidden", "Agent gone"):
                assert word not in answer["detail"]
        # Word for word what is said of a name whose owner is seen.
        taken = await s.dev.post("/Users", {"userName": "sandy"})
        assert taken["detail"].replace("sandy", "hidden") == person["detail"]
        assert "gone" not in other["detail"]
        # Nor does a create bring back somebody who is hidden and off.
        assert (await s.every.patch(f"/Users/{gone}", op("replace", "active", False))).status == 200
        assert (await s.dev.post("/Users", agent("gone", DEV, externalId="own-1"))).status == 409
        assert (await s.every.get(f"/Users/{gone}"))["active"] is False

    door(body)


def test_a_scope_by_group_sees_its_members_and_loses_who_leaves(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge, scope="group=payments; group=Refunds; environment=dev")
        pay = await made(
            s.every, "/Groups", {"displayName": "Payments", "members": members(s.seen, s.hidden)}
        )
        assert (await s.dev.get("/Agents"))["totalResults"] == 1
        assert await s.told(pay, s.dev) == {s.seen}
        refused = await s.dev.post("/Users", agent("new", DEV))
        assert refused.status == 403
        assert "group=payments" in refused["detail"]
        assert "no group" in refused["detail"]
        # Somebody who was off comes back under the same id, as for every connection.
        assert (await s.dev.patch(f"/Users/{s.seen}", op("replace", "active", False))).status == 200
        back = await s.dev.post("/Users", agent("sandy", DEV))
        assert (back.status, back["id"], back["active"]) == (201, s.seen, True)
        # Nobody pulls an agent in, by its id or by what a group is called.
        other = await made(s.every, "/Users", agent("other", DEV))
        away = await made(s.every, "/Groups", {"displayName": "Away", "members": members(other)})
        await s.dev.patch(f"/Groups/{pay}", op("add", "members", members(other)))
        assert (await s.dev.patch(f"/Groups/{away}", op("replace", "displayName", "Refunds"))).status == 403
        assert (await s.dev.get(f"/Users/{other}")).status == 404
        # Access is taken away when it is asked for, though the connection then no longer sees whose it was.
        gone = op("remove", f'members[value eq "{s.seen}"]')
        assert (await s.dev.patch(f"/Groups/{pay}", gone)).status == 200
        assert (await s.dev.get(f"/Users/{s.seen}")).status == 404
        assert await s.told(pay) == {s.hidden}

    door(body)


def test_a_workload_id_of_an_agent_outside_is_refused_and_makes_nothing_unclear(door) -> None:
    async def body(bridge: Bridge) -> None:
        every = await bridge.client("every")
        inside = await bridge.client("inside", scope=f"environment={PROD}")
        workload = "spiffe://corp.example/agents/payments"
        facts = {AGENT_URN: {"environment": DEV, "workloadId": workload}}
        outside = await every.post("/Users", agent("outside", None, **facts))
        evil = agent("evil", None, **{AGENT_URN: facts[AGENT_URN] | {"environment": PROD}})
        refused = await inside.post("/Users", evil)
        assert refused.status == 409 and refused["scimType"] == "uniqueness"
        assert "outside" not in refused["detail"]
        twice = [{"method": "POST", "path": "/Users", "bulkId": one, "data": evil} for one in "ab"]
        bulk = await inside.post("/Bulk", {"schemas": [BULK], "Operations": twice})
        assert [one["status"] for one in bulk["Operations"]] == ["409", "409"]
        for name in (workload, outside["id"]):
            assert (await inside.post("/Users", agent(name, PROD))).status == 201
            assert [found.id for found in await facts_about(bridge.store.reads, name)] == [outside["id"]]

    door(body)
