"""Promises of a SCIM server as a target, kept against scim2-server over HTTP: once, exactly, and then in peace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scim_bridge.registry.agents import delete_agent
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.service import status
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, give, owned, redescribe
from tests.sync.scim_peer import ENTERPRISE, Peer, on_peer, scim_peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    with scim_peer() as made:
        yield made


@pytest.fixture
def on(peer: Peer, sqlite_url: str, clock: Any) -> Callable[..., None]:
    return lambda body, **settings: on_peer(sqlite_url, clock, peer, body, **settings)


def test_an_agent_is_a_user_with_our_mark_its_names_and_its_owner_and_the_next_plan_is_empty(
    on, peer
) -> None:
    async def body(bench: Bench) -> None:
        (maria,) = peer.people("maria@corp.test")
        agent_id = await owned(bench, "triage")
        await applied(bench)
        user = peer.user("triage@agents.test")
        assert user["externalId"] == agent_id and user["userType"] == "Agent" and user["active"] is True
        assert user["name"]["givenName"] == "Triage" and user["displayName"] == "Triage"
        assert [one["value"] for one in user["emails"]] == ["triage@agents.test"]
        assert user[ENTERPRISE]["manager"]["value"] == maria
        assert not any(key.startswith("urn:") and "scimbridge" in key for key in user)
        assert peer.door.writes().count("POST") == 2

    on(body)


def test_a_changed_fact_a_new_owner_and_a_cleared_one_are_one_conditional_patch_each(on, peer) -> None:
    async def body(bench: Bench) -> None:
        (_, omar) = peer.people("maria@corp.test", "omar@corp.test")
        agent_id = await owned(bench, "triage")
        await applied(bench)
        begun = len(peer.door.calls)
        await give(bench, agent_id, "omar@corp.test")
        await applied(bench)
        assert peer.user("triage@agents.test")[ENTERPRISE]["manager"]["value"] == omar
        await give(bench, agent_id, None)
        await applied(bench)
        assert "manager" not in peer.user("triage@agents.test").get(ENTERPRISE, {})
        written = [
            headers
            for (method, _), headers in zip(peer.door.calls[begun:], peer.door.headers[begun:], strict=True)
            if method != "GET"
        ]
        assert len(written) == 2 and all(headers["if-match"].startswith("W/") for headers in written)

    on(body)


def test_a_hold_stops_the_user_its_end_starts_it_again_and_the_servers_own_stop_is_left(on, peer) -> None:
    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        await bench.hold(agent_id, "watch:1")
        await bench.perform()
        assert peer.user("triage@agents.test")["active"] is False
        await bench.hold(agent_id, "watch:1", release=True)
        await bench.perform()
        user = peer.user("triage@agents.test")
        assert user["active"] is True
        peer.patch(user["id"], active=False)
        plan = await bench.plan()
        assert plan.changes == 0 and any("switched off at the IdP" in note for note in plan.notes)

    on(body)


@pytest.mark.parametrize("retire, left", [("disable", [False]), ("delete", [])])
def test_a_deleted_agent_is_switched_off_or_removed_as_the_connection_says(on, peer, retire, left) -> None:
    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        await bench.store.transact(TESTER, lambda work: delete_agent(work, agent_id, "no longer needed"))
        done = await bench.apply()
        assert done.state == "OK", done.reason
        assert [user["active"] for user in peer.users()] == left
        assert (await bench.plan()).changes == 0
        assert (await status(bench.store.reads, bench.connection)).retired == 1

    on(body, retire=retire)


def test_a_user_with_our_mark_is_adopted_whatever_it_is_called_and_keeps_what_is_not_ours(on, peer) -> None:
    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        (there,) = peer.people(
            "robot-7", externalId=agent_id, userType="Agent", title="Robot", nickName="Robbie"
        )
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert (kept.change.action, kept.change.remote_id) == ("update", there)
        await applied(bench)
        (user,) = peer.users()
        assert user["id"] == there and user["userName"] == "triage@agents.test"
        assert user["title"] == "Robot" and user["nickName"] == "Robbie"

    on(body)


def test_a_user_of_that_name_is_adopted_unless_another_client_has_it(on, peer) -> None:
    async def body(bench: Bench) -> None:
        await owned(bench, "triage")
        await owned(bench, "review")
        (mine, theirs) = peer.people("triage@agents.test", "review@agents.test")
        peer.patch(theirs, externalId="hr-4711")
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert (kept.change.action, kept.change.remote_id) == ("update", mine)
        assert any("hr-4711" in note and "another client" in note for note in plan.notes)
        done = await bench.apply()
        assert done.state == "OK" and peer.user("review@agents.test")["externalId"] == "hr-4711"

    on(body)


@pytest.mark.parametrize(
    "abilities, method",
    [
        ({"patch": False}, "PUT"),
        ({"filter": False}, "PATCH"),
        ({"patch": False, "filter": False, "etag": False}, "PUT"),
    ],
)
def test_a_server_without_patch_filters_or_versions_is_served_as_well(
    sqlite_url: str, clock: Any, abilities: dict[str, bool], method: str
) -> None:
    with scim_peer(**abilities) as peer:

        async def body(bench: Bench) -> None:
            (maria, *_) = peer.people("maria@corp.test", *(f"p{n}@corp.test" for n in range(9)))
            agents = [await owned(bench, f"agent-{n}") for n in range(5)]
            await applied(bench)
            await redescribe(bench, agents[1], purpose="unseen there")
            assert (await bench.plan()).changes == 0
            await bench.hold(agents[1], "watch:1")
            await bench.perform()
            user = peer.user("agent-1@agents.test")
            assert user["active"] is False and user[ENTERPRISE]["manager"]["value"] == maria
            assert len(peer.users()) == 15 and method in peer.door.writes()
            assert not ({"PUT", "PATCH"} - {method}) & set(peer.door.writes()[10:])
            assert all("filter" not in path for _, path in peer.door.calls) is (
                abilities.get("filter") is False
            )

        on_peer(sqlite_url, clock, peer, body)


def test_an_owner_without_a_user_there_is_a_note_and_no_manager(on, peer) -> None:
    async def body(bench: Bench) -> None:
        await owned(bench, "triage")
        plan = await bench.plan()
        assert any("maria@corp.test is no user there" in note for note in plan.notes)
        await applied(bench)
        assert "manager" not in peer.user("triage@agents.test").get(ENTERPRISE, {})

    on(body)
