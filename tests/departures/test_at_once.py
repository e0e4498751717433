"""Promises about things that happen at the same moment: one case, one closing, never ownerless and active."""

from __future__ import annotations

import asyncio

from scim_bridge.departures.hand_over import hand_over
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Store
from tests.conftest import TESTER
from tests.departures.house import cases, facts, furnish, heard, left


def test_owner_and_last_co_owner_leave_in_the_same_minute_and_the_agent_is_held_not_ownerless(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await asyncio.gather(
            heard(store, left(ids["priya"], clock.now(), key="1")),
            heard(store, left(ids["lena"], clock.now(), key="2")),
        )
        for slug in ("triage", "writer", "refund"):
            agent = await facts(store, ids[slug])
            assert not agent.resource.active, slug
            assert agent.owners.owner is not None
            assert {hold.source.split(":")[0] for hold in agent.holds} == {"departure"}

    on_store(body)


def test_many_doors_that_tell_of_one_leaver_at_once_make_one_case(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        doors = ("hr:acme", "scim:okta", "scim:entra", "cli")
        await asyncio.gather(*(heard(store, left(ids["priya"], clock.now(), source=door)) for door in doors))
        (case,) = await cases(store)
        assert all(door in case["gone_by"] for door in doors)
        assert len((await facts(store, ids["refund"])).holds) == 1

    on_store(body)


def test_an_agent_handed_to_somebody_who_leaves_at_that_moment_is_held_or_the_hand_over_is_refused(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now(), key="1"))
        (case,) = await cases(store)

        async def give() -> object:
            return await store.transact(
                TESTER, lambda work: hand_over(work, case["id"], "refund", "daniel@corp.test")
            )

        given, _ = await asyncio.gather(
            give(), heard(store, left(ids["daniel"], clock.now(), key="2")), return_exceptions=True
        )
        assert not isinstance(given, Exception) or isinstance(given, Refused)
        assert not (await facts(store, ids["refund"])).resource.active

    on_store(body)
