"""Promises of the brake: a bad reload stops nothing beyond the limit, is told once, and waits for two people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scim_bridge.access.facts import facts_about
from scim_bridge.departures.brake import Brake, Company, Limits, Traffic, tripped
from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import verify_case
from scim_bridge.departures.releasing import Approver, brakes, reject, release
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.service import due, reactor
from scim_bridge.departures.view import listed
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SystemClock
from scim_bridge.kernel.errors import Invalid, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.people import delete_person, set_employed
from scim_bridge.registry.signal import DELETED, RETURNED
from scim_bridge.signals.service import accept
from tests.conftest import TESTER, run_with_store
from tests.departures.crowd import gather, states, stopped, tell
from tests.departures.house import HR, context, drain, effects_by_kind, engine, left
from tests.forked import Forked

ANNA, BEN = Approver("anna", "Anna"), Approver("ben", "Ben")
TIGHT = Rules(Brake(limits=Limits(owners=3, owners_percent=0, people_percent=0), second_above=1))


async def the_brake(store: Store) -> str:
    (found,) = await brakes(store.reads, TIGHT.brake)
    return found["id"]


async def released(store: Store, *by: Approver) -> list[int]:
    brake_id = await the_brake(store)
    return [
        (
            await store.transact(
                TESTER, lambda work, who=who: release(work, TIGHT.brake, brake_id, who, "the list is right")
            )
        ).missing
        for who in by
    ]


def test_thirty_percent_of_the_people_in_an_hour_are_held_told_once_and_let_go_by_two(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 40)
        for person_id in ids[:12]:
            clock.advance(seconds=200)
            await tell(store, left(person_id, clock.now(), key=person_id))
        assert await states(store) == {"open": 8, "held": 4}
        assert await stopped(store) == 8, "what is beyond the limit is not stopped"
        ctx = context(store)
        effects = engine(ctx, receiver)
        await drain(effects, store)
        (told,) = [n for n in receiver.bodies("/notify") if n["template"] == "departures-braked"]
        assert told["to"] is None
        assert "9 of 40 people who own agents left within 60 minutes" in told["data"]["reason"]
        assert len(told["data"]["before"]) == 8
        held = await listed(store.reads, state="held")
        assert len(held) == 4
        assert all("Held by the brake" in row["why"] for row in held)
        assert await due(ctx) == 0, "nothing goes on by itself"

        (brake,) = await brakes(store.reads, replace(RULES.brake, second_above=3))
        assert (brake["state"], brake["source"], brake["held"], brake["needed"]) == ("HELD", "hr:acme", 4, 2)
        before = clock.now()
        clock.advance(days=1)
        assert await released(store, ANNA) == [1]
        assert (await stopped(store), await due(ctx)) == (8, 0)
        with pytest.raises(Refused, match="second person"):
            await released(store, ANNA)
        assert await released(store, BEN) == [0]
        assert await due(ctx) == 4
        assert await stopped(store) == 12
        clock.advance(seconds=20)
        await drain(effects, store)
        await due(ctx)
        assert await states(store) == {"closed": 12}
        verdict = await verify_case(ctx, await find_case(store.reads, held[0]["id"]))
        assert verdict.ok, verdict.findings
        assert verdict.within_budget, "the five minutes begin when the brake lets go"
        assert verdict.content["seconds"] == 20.0
        assert clock.now() - before > DAY
        await ctx.outbound.aclose()

    on_store(body)


def test_the_limit_counts_a_window_and_while_a_brake_is_on_its_door_stays_shut(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 12)
        for person_id in ids[:3]:
            await tell(store, left(person_id, clock.now(), key=person_id), TIGHT)
        clock.advance(seconds=3601)
        for person_id in ids[3:6]:
            await tell(store, left(person_id, clock.now(), key=person_id), TIGHT)
        assert await states(store) == {"open": 6}
        await tell(store, left(ids[6], clock.now(), key="7"), TIGHT)
        assert await states(store) == {"open": 6, "held": 1}
        clock.advance(days=2)
        await tell(store, left(ids[7], clock.now(), key="8"), TIGHT)
        assert await states(store) == {"open": 6, "held": 2}
        await tell(store, left(ids[8], clock.now(), key="9", source="scim:okta"), TIGHT)
        assert await states(store) == {"open": 7, "held": 2}, "another door is heard"
        notices = await store.reads.all("SELECT 1 FROM sb_effect WHERE payload LIKE '%departures-braked%'")
        assert len(notices) == 1

    on_store(body)


def test_doors_are_counted_together_and_one_door_may_have_limits_of_its_own(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 12)
        narrow = Brake(limits=Limits(4, 0, 0), sources={"hr:*": Limits(1, 0, 0)})
        doors = ["hr:acme", "hr:acme", "scim:okta", "scim:entra", "okta-events", "scim:okta"]
        for number, door in enumerate(doors):
            await tell(store, left(ids[number], clock.now(), key=str(number), source=door), Rules(narrow))
        rows = await store.reads.all("SELECT source, state, note FROM sb_departure ORDER BY id")
        assert [row["state"] for row in rows] == ["open", "held", "open", "open", "held", "held"]
        assert "by hr:acme" in rows[1]["note"]
        assert "5 people who own agents left" in rows[4]["note"]
        assert {row["source"] for row in await brakes(store.reads, narrow)} == {
            "hr:acme",
            "okta-events",
            "scim:okta",
        }

    on_store(body)


def test_urgent_single_cases_go_through_the_brake_and_urgent_floods_do_not(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 14)
        for person_id in ids[:5]:
            await tell(store, left(person_id, clock.now(), key=person_id), TIGHT)
        assert await states(store) == {"open": 3, "held": 2}
        for person_id in ids[4:9]:
            urgent = left(person_id, clock.now(), key=f"{person_id}!", immediate=True)
            await tell(store, urgent, TIGHT)
        assert await states(store) == {"open": 6, "held": 3}, "three of five, one of them held before"
        clock.advance(seconds=3601)
        await tell(store, left(ids[9], clock.now(), key="next", immediate=True), TIGHT)
        assert (await states(store))["open"] == 7

    on_store(body)


def test_a_high_risk_agents_owner_is_urgent(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 9, riskTier="high")
        for person_id in ids:
            await tell(store, left(person_id, clock.now(), key=person_id), TIGHT)
        assert await states(store) == {"open": 6, "held": 3}

    on_store(body)


def test_a_reverted_reload_cancels_what_waits_and_lifts_the_brake(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 8)
        for person_id in ids[:6]:
            await tell(store, left(person_id, clock.now(), key=person_id), TIGHT)
        assert await states(store) == {"open": 3, "held": 3}
        clock.advance(seconds=60)
        for person_id in ids[:6]:
            back = left(person_id, clock.now(), key=f"{person_id}-back", kind=RETURNED)
            await tell(store, back, TIGHT)
        assert await states(store) == {"open": 3, "cancelled": 3}
        assert await stopped(store) == 3
        assert await brakes(store.reads, TIGHT.brake) == []
        await tell(store, left(ids[7], clock.now(), key="later"), TIGHT)
        assert (await states(store))["open"] == 4, "who came back does not count"

    on_store(body)


def test_who_released_a_large_brake_releases_it_alone_once_it_holds_few_enough(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 6)
        for person_id in ids[:5]:
            await tell(store, left(person_id, clock.now(), key=person_id), TIGHT)
        assert await released(store, ANNA) == [1]
        with pytest.raises(Refused, match="second person"):
            await released(store, ANNA)
        await tell(store, left(ids[4], clock.now(), kind=RETURNED, key="back"), TIGHT)
        assert await released(store, ANNA) == [0]
        assert (await states(store)).get("held") is None

    on_store(body)


def test_rejected_news_is_taken_back_and_nobody_was_denied_meanwhile(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 6)
        for person_id in ids[:5]:
            await store.transact(TESTER, lambda work, who=person_id: set_employed(work, who, False))
            await tell(store, left(person_id, clock.now(), key=person_id, source="scim:okta"), TIGHT)
        (agent,) = await facts_about(store.reads, "a4-0")
        assert agent.answered, "the IdP's word waits for approval, and so does what follows from it"
        brake_id = await the_brake(store)
        with pytest.raises(Invalid, match="reason"):
            await store.transact(TESTER, lambda work: reject(work, brake_id, ANNA, " "))
        verdict = await store.transact(TESTER, lambda work: reject(work, brake_id, ANNA, "bad reload"))
        assert (verdict.state, verdict.cases) == ("rejected", 2)
        assert await states(store) == {"open": 3, "cancelled": 2}
        case = await find_case(store.reads, "p4@corp.test")
        assert case.note == "Rejected by Anna: bad reload"
        (agent,) = await facts_about(store.reads, "a4-0")
        assert agent.answered
        with pytest.raises(Refused, match="rejected already"):
            await store.transact(TESTER, lambda work: release(work, TIGHT.brake, brake_id, BEN, "yes, go"))

    on_store(body)


def test_who_is_deleted_behind_the_brake_leaves_agents_held_and_nothing_revoked_until_it_is_let_go(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 5)
        for person_id in ids:
            await store.transact(HR, _deletion(person_id, clock.now()))
        assert await states(store) == {"open": 3, "held": 2}
        rows = await store.reads.all("SELECT id FROM sb_agent ORDER BY slug")
        kept = [row["id"] for row in rows][3:]
        assert await stopped(store) == 5, "an agent nobody owns may not act"
        for agent_id in kept:
            assert [c["state"] for c in await credentials_of(store.reads, agent_id)] == ["active"]
        assert await released(store, ANNA, BEN) == [1, 0]
        ctx = context(store)
        assert await due(ctx) == 2
        await drain(engine(ctx, receiver), store)
        for agent_id in kept:
            assert [c["state"] for c in await credentials_of(store.reads, agent_id)] == ["revoked"]
        await due(ctx)
        assert await states(store) == {"closed": 5}
        await ctx.outbound.aclose()

    on_store(body)


def test_dates_ahead_are_counted_when_they_are_told_and_expected_leavers_are_not_counted_twice(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 8)
        friday = clock.now() + 5 * DAY
        for number, person_id in enumerate(ids[:6]):
            clock.advance(seconds=1500)
            await tell(store, left(person_id, clock.now(), key=str(number), effective_at=friday), TIGHT)
        assert await states(store) == {"planned": 6}
        clock.advance(days=4, seconds=20_000)
        for person_id in ids[:6]:
            await tell(store, left(person_id, clock.now(), key=f"{person_id}!", source="scim:okta"), TIGHT)
        assert await states(store) == {"open": 6}, "the day everybody knew of"

        clock.advance(days=1)
        for person_id in ids[6:]:
            ahead = left(person_id, clock.now(), key=person_id, effective_at=clock.now() + 9 * DAY)
            await tell(store, ahead, TIGHT)
        hasty = Rules(Brake(limits=Limits(owners=1, owners_percent=0, people_percent=0)))
        clock.advance(seconds=3601)
        for person_id in ids[6:]:
            await tell(store, left(person_id, clock.now(), key=f"{person_id}!"), hasty)
        assert await states(store) == {"open": 7, "held": 1}, "nine days early is news"

    on_store(body)


def test_plans_of_the_same_hour_wait_with_the_rest_once_the_brake_goes_on(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 6)
        for person_id in ids[:4]:
            soon = left(person_id, clock.now(), key=person_id, effective_at=clock.now() + 10 * MINUTE)
            await tell(store, soon, TIGHT)
        assert await states(store) == {"held": 4}
        clock.advance(seconds=1200)
        ctx = context(store)
        assert await due(ctx) == 0
        assert (await stopped(store), (await effects_by_kind(store))["notify"]) == (0, 1)
        assert await released(store, ANNA, BEN) == [1, 0]
        assert await due(ctx) == 4
        assert await stopped(store) == 4
        await ctx.outbound.aclose()

    on_store(body)


def test_a_date_ahead_that_is_let_go_is_a_plan_and_carried_out_on_its_day(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await gather(store, 5)
        friday = clock.now() + 5 * DAY
        for person_id in ids:
            await tell(store, left(person_id, clock.now(), key=person_id, effective_at=friday), TIGHT)
        assert await states(store) == {"held": 5}, "none of the same hour was carried out yet"
        row = "SELECT leave_at, disputed FROM sb_person WHERE id = ?"
        assert (await store.reads.one(row, ids[0]))["disputed"] == clock.now()
        assert await released(store, ANNA, BEN) == [1, 0]
        ctx = context(store)
        assert await due(ctx) == 0
        known = await store.reads.one(row, ids[4])
        assert (known["leave_at"], known["disputed"]) == (friday, None)
        clock.advance(days=5)
        assert await due(ctx) == 5
        assert await stopped(store) == 5
        await ctx.outbound.aclose()

    on_store(body)


def _deletion(person_id: str, now: int):
    async def body(work) -> None:
        await accept(work, left(person_id, now, key=person_id, kind=DELETED), reactor(TIGHT))
        await delete_person(work, person_id, "SCIM DELETE")

    return body


def test_the_rule_knows_shares_and_says_nothing_of_a_few() -> None:
    limits, company = Limits(owners=10, owners_percent=20, people_percent=20), Company(10, 10)
    assert not tripped(limits, Traffic(2, 2, 0), Company(2, 2), HOUR)
    assert "3 of 10 people who own agents" in tripped(limits, Traffic(3, 3, 0), company, HOUR)
    assert not tripped(limits, Traffic(3, 3, 0), Company(100, 100), HOUR)
    assert "11 people who own agents" in tripped(limits, Traffic(11, 11, 0), Company(1000, 1000), HOUR)
    assert "30 of 100 people left" in tripped(limits, Traffic(30, 0, 0), Company(100, 100), HOUR)
    assert not tripped(Limits(0, 0, 0), Traffic(900, 900, 0), Company(900, 900), HOUR)


def test_two_hundred_leavers_told_by_four_processes_at_once_do_not_slip_through_the_count(
    postgres_url, forking
) -> None:
    clock = SystemClock()

    async def hire(store: Store) -> None:
        await gather(store, 200)

    run_with_store(postgres_url, clock, hire)
    tellers = [
        Forked(forking, "tests.departures.crowd", [postgres_url, str(first), str(first + 50)])
        for first in range(0, 200, 50)
    ]
    assert [teller.wait(300) for teller in tellers] == [0, 0, 0, 0]

    async def counted(store: Store) -> None:
        assert await states(store) == {"open": 10, "held": 190}
        assert await stopped(store) == 10
        (brake,) = await brakes(store.reads, RULES.brake)
        assert brake["held"] == 190

    run_with_store(postgres_url, clock, counted)
