"""Promises about leave dates: nothing before, everything at the date, nothing when they stay after all."""

from __future__ import annotations

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import verify_case
from scim_bridge.departures.service import due
from scim_bridge.departures.view import shown
from scim_bridge.kernel.clock import DAY, HOUR
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people import set_employed
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.signal import RETURNED
from tests.conftest import TESTER
from tests.departures.house import (
    cases,
    context,
    drain,
    effects_by_kind,
    engine,
    facts,
    furnish,
    heard,
    left,
)


async def row_of(store: Store, person_id: str) -> tuple[int, int | None]:
    row = await store.reads.one(
        "SELECT r.active, p.leave_at FROM sb_resource r JOIN sb_person p ON p.id = r.id WHERE r.id = ?",
        person_id,
    )
    return row["active"], row["leave_at"]


def test_a_leave_date_ahead_changes_nothing_until_it_comes_and_the_clock_starts_then(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        friday = clock.now() + 3 * DAY
        await heard(store, left(ids["priya"], clock.now(), effective_at=friday))
        ctx = context(store)
        assert await due(ctx) == 0
        assert (await facts(store, ids["refund"])).resource.active
        assert await row_of(store, ids["priya"]) == (1, friday)
        assert await effects_by_kind(store) == {"notify": 1}, "the manager hears in time what will happen"
        effects = engine(ctx, receiver)
        await drain(effects, store)
        assert [case["state"] for case in await cases(store)] == ["planned"]
        (told,) = receiver.bodies("/notify")[-1:]
        assert told["template"] == "departure-planned"
        assert {a["agent"]: a["fate"] for a in told["data"]["agents"]}["refund"] == "held"

        clock.advance(days=3, seconds=4)
        assert await due(ctx) == 1
        assert await due(ctx) == 0
        assert not (await facts(store, ids["refund"])).resource.active
        assert (await row_of(store, ids["priya"]))[0] == 0
        clock.advance(seconds=6)
        await drain(effects, store)
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert (seen["state"], seen["seconds"], seen["within_budget"]) == ("closed", 10.0, True)
        assert (await verify_case(ctx, await find_case(store.reads, seen["id"]))).ok
        await ctx.outbound.aclose()

    on_store(body)


def test_who_leaves_earlier_than_planned_is_stopped_at_once_in_the_same_case(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now(), effective_at=clock.now() + 3 * DAY))
        clock.advance(days=1)
        await heard(store, left(ids["priya"], clock.now(), source="scim:okta"))
        (case,) = await cases(store)
        assert (case["state"], case["effective_at"]) == ("open", clock.now())
        assert not (await facts(store, ids["refund"])).resource.active
        assert (await shown(store.reads, case["id"], clock.now()))["seconds"] == 0.0

    on_store(body)


def test_a_moved_date_moves_the_case_and_older_news_does_not_move_it_back(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        now = clock.now()
        dates = [(now, 3, "1"), (now + HOUR, 5, "2"), (now + HOUR // 2, 2, "3")]
        for at, days, key in dates:
            await heard(store, left(ids["priya"], at, effective_at=now + days * DAY, key=key))
        (case,) = await cases(store)
        assert (case["state"], case["effective_at"]) == ("planned", now + 5 * DAY)

    on_store(body)


def test_a_plan_is_cancelled_only_by_the_door_that_made_it_or_an_admin(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        friday = clock.now() + 3 * DAY
        await heard(store, left(ids["priya"], clock.now(), effective_at=friday))
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, source="scim:okta"))
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert seen["state"] == "planned"
        assert "scim-bridge departures returned priya@corp.test" in seen["note"]
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="2"))
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert seen["state"] == "cancelled"
        assert await row_of(store, ids["priya"]) == (1, None)
        clock.advance(days=4)
        ctx = context(store)
        assert await due(ctx) == 0
        assert (await facts(store, ids["refund"])).resource.active
        await heard(store, left(ids["priya"], clock.now(), key="3"))
        assert [case["state"] for case in await cases(store)] == ["cancelled", "open"]
        await ctx.outbound.aclose()

    on_store(body)


def test_who_returns_after_the_departure_finds_nothing_restored_but_is_told_how(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        await heard(store, left(ids["priya"], clock.now(), source="scim:okta"))
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, source="scim:okta", key="2"))
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert seen["gone_by"] == ["hr:acme"], "HR did not take it back"
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="3"))
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert seen["gone_by"] == []
        assert f"departures return {seen['id']} --agent AGENT --to priya@corp.test" in seen["note"]
        assert not (await facts(store, ids["refund"])).resource.active
        assert (await row_of(store, ids["priya"]))[0] == 1
        clock.advance(seconds=1)
        await heard(store, left(ids["priya"], clock.now(), key="4"))
        assert len(await cases(store)) == 2, "leaving again is another departure"

    on_store(body)


def test_somebody_gone_by_hr_inherits_nothing_though_the_idp_switches_them_on_again(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["lena"], clock.now()))
        await store.transact(TESTER, lambda work: set_employed(work, ids["lena"], True))
        await heard(store, left(ids["lena"], clock.now(), kind=RETURNED, source="scim:okta", key="2"))

        async def name_her_again(work: Work) -> None:
            known = await people(work.tx, [ids["priya"], ids["lena"]])
            assert known[ids["lena"]].active
            await set_owners(work, ids["triage"], Owners(known[ids["priya"]], (known[ids["lena"]],)))

        await store.transact(TESTER, name_her_again)
        await heard(store, left(ids["priya"], clock.now(), key="3"))
        triage = await facts(store, ids["triage"])
        assert not triage.resource.active
        assert triage.holds[0].source.startswith("departure:")

    on_store(body)
