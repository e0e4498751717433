"""What others change and make at any SCIM server: drift by our own names, strangers only where agents can be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from scim_bridge.sync import adopting
from scim_bridge.sync.meaning import meaning_of
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.drift_bench import drifts, facts, settled, strangers
from tests.sync.okta_bench import applied, owned
from tests.sync.scim_peer import Fault, Peer, on_peer, scim_peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    with scim_peer() as made:
        yield made


@pytest.fixture
def on(peer: Peer, sqlite_url: str, clock: Any) -> Callable[..., None]:
    return lambda body: on_peer(sqlite_url, clock, peer, body)


def test_a_change_made_there_is_taken_over_by_our_name_for_it(on, peer) -> None:
    async def body(bench: Bench) -> None:
        await owned(bench, "triage")
        await applied(bench)
        bench.connection = replace(bench.connection, settings={"drift": "displayName:ask"})
        peer.patch(peer.user("triage@agents.test")["id"], displayName="Sorter")
        assert (await bench.plan()).changes == 0
        (row,) = await drifts(bench)
        assert (row.attribute, row.theirs) == ("displayName", "Sorter") and "no audit log" in row.unknown
        await settled(bench, "triage", "displayName", "theirs")
        await bench.perform()
        assert (await facts(bench, "triage")).resource.doc["displayName"] == "Sorter"
        assert peer.user("triage@agents.test")["displayName"] == "Sorter"
        assert (await bench.plan()).changes == 0 and await drifts(bench) == []

    on(body)


def test_an_agent_made_there_is_adopted_and_people_are_nobodys_agents(on, peer) -> None:
    async def body(bench: Bench) -> None:
        await owned(bench, "triage")
        await applied(bench)
        peer.people("anna@corp.test")
        (helper,) = peer.people("helper@agents.test", userType="Agent", displayName="Helper")
        await bench.plan()
        (row,) = await strangers(bench)
        assert (row.remote_id, row.name) == (helper, "helper@agents.test")
        there, meaning = bench.connection, meaning_of(bench.idp)
        made = await bench.store.transact(
            TESTER,
            lambda work: adopting.adopt_as(work, there, helper, "helper", "maria@corp.test", "ours", meaning),
        )
        await applied(bench)
        assert peer.user("helper@agents.test")["externalId"] == made
        assert len(peer.users()) == 3

    on(body)


def test_where_the_server_keeps_no_type_nobody_is_a_stranger(on, peer) -> None:
    def without_type(body: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in body.items() if key != "userType"}

    async def body(bench: Bench) -> None:
        peer.people("anna@corp.test")
        peer.door.faults = [Fault("POST", "/Users", times=99, bend=without_type)]
        await owned(bench, "triage")
        assert (await bench.apply()).state == "OK"
        assert "userType" not in peer.user("triage@agents.test")
        plan = await bench.plan()
        assert plan.changes == 0 and plan.listed == 2, "everybody is listed"
        assert await strangers(bench) == [] and not any("nobody's" in note for note in plan.notes)

    on(body)
