"""Promises about handing over: a new owner who is there, the departure's hold released, no other."""

from __future__ import annotations

import pytest

from scim_bridge.departures.hand_over import HandedOver, hand_over
from scim_bridge.departures.view import shown
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.holds import place_hold
from tests.conftest import TESTER
from tests.departures.house import cases, context, drain, engine, facts, furnish, heard, left


async def give(store: Store, agent: str, to: str, case: str = "priya@corp.test") -> HandedOver:
    return await store.transact(TESTER, lambda work: hand_over(work, case, agent, to))


def test_a_new_owner_releases_the_departures_hold_and_no_other(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await store.transact(
            TESTER, lambda work: place_hold(work, ids["refund"], "connection:okta", "x", "Okta says", "Okta")
        )
        await heard(store, left(ids["priya"], clock.now()))
        ctx = context(store)
        effects = engine(ctx, receiver)
        await drain(effects, store)
        done = await give(store, "refund", "daniel@corp.test")
        assert [hold.source for hold in done.holds] == ["connection:okta"]
        refund = await facts(store, ids["refund"])
        assert refund.owners.owner is not None
        assert refund.owners.owner.id == ids["daniel"]
        assert not refund.resource.active
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"revoked"}
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        told = {row["agent"]: row["handed_over_to"] for row in seen["agents"]}
        assert told["refund"] == "daniel@corp.test"
        assert seen["state"] == "closed", "what an admin does afterwards is no step of the case"
        before = seen["steps"]
        await drain(effects, store)
        assert (await shown(store.reads, "priya@corp.test", clock.now()))["steps"] == before
        await ctx.outbound.aclose()

    on_store(body)
    told = [t for t in receiver.bodies("/notify") if t["template"] == "departure-successor"]
    assert {t["to"]["name"] for t in told} == {"Lena", "Daniel"}


def test_an_agent_without_other_holds_runs_again_and_its_platform_is_told(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        done = await give(store, "refund", "daniel@corp.test")
        assert not done.holds
        assert (await facts(store, ids["refund"])).resource.active
        rows = await store.reads.all(
            "SELECT payload FROM sb_effect WHERE kind = 'runtime.hook' AND subject_id = ?", ids["refund"]
        )
        assert any("agent.resume" in row["payload"] for row in rows)

    on_store(body)


def test_nobody_who_left_and_no_stranger_is_given_an_agent(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now(), key="1"))
        await heard(store, left(ids["lena"], clock.now(), key="2"))
        (case, _) = await cases(store)
        for agent, to, error in (
            ("refund", "lena@corp.test", Refused),
            ("refund", "priya@corp.test", Refused),
            ("refund", "nobody@corp.test", NotFound),
            ("bystander", "daniel@corp.test", NotFound),
            ("no-such-agent", "daniel@corp.test", NotFound),
        ):
            with pytest.raises(error):
                await give(store, agent, to, case["id"])
        with pytest.raises(NotFound):
            await give(store, "refund", "daniel@corp.test", "no-such-case")
        assert not (await facts(store, ids["refund"])).resource.active

    on_store(body)
