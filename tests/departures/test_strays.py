"""Agents that come to somebody who has left already are decided on within a round of the clock's duty."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.departures.service import due
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people_refs import find_person
from tests.conftest import TESTER
from tests.departures.house import cases, context, facts, furnish, heard, left


def test_an_agent_given_to_somebody_who_left_is_held_without_the_leave_being_told_again(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        priya = await find_person(store.reads, ids["priya"])
        assert priya is not None
        assert await due(context(store)) == 0 and len(await cases(store)) == 1

        async def given(work: Work) -> None:
            await set_owners(work, ids["bystander"], Owners(priya, (), ()))

        await store.transact(TESTER, given)
        assert (await facts(store, ids["bystander"])).resource.active
        await due(context(store))
        found = await facts(store, ids["bystander"])
        first, second = await cases(store)
        assert not found.resource.active
        assert [hold.source for hold in found.holds] == [f"departure:{second['id']}"]
        assert second["gone_by"] == first["gone_by"]
        await due(context(store))
        assert len(await cases(store)) == 2, "decided once"

    on_store(body)


def test_who_came_back_keeps_what_they_are_given(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        gone = left(ids["priya"], clock.now())
        await heard(store, gone)
        await heard(store, replace(gone, kind="person.returned", key="back", at=gone.at + 1))
        priya = await find_person(store.reads, ids["priya"])
        assert priya is not None

        async def given(work: Work) -> None:
            await set_owners(work, ids["bystander"], Owners(priya, (), ()))

        await store.transact(TESTER, given)
        await due(context(store))
        assert (await facts(store, ids["bystander"])).resource.active

    on_store(body)
