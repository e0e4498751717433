"""Promises about those who come back: nothing by itself after a departure, everything after an absence."""

from __future__ import annotations

import pytest

from scim_bridge.departures.hand_over import hand_over
from scim_bridge.departures.returning import give_back, offers
from scim_bridge.departures.service import due
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.credentials import credentials_of, register_credential
from scim_bridge.registry.model import PERSON, Owners
from scim_bridge.registry.people import update_person
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import load
from scim_bridge.registry.signal import AWAY, MOVED, RETURNED
from tests.conftest import TESTER
from tests.departures.house import cases, context, drain, engine, facts, furnish, heard, left


async def roles(store: Store, ids: dict[str, str]) -> dict[str, tuple]:
    found = {}
    for slug in ("triage", "refund", "writer", "audit-helper"):
        owners = (await facts(store, ids[slug])).owners
        owner = owners.owner.user_name if owners.owner is not None else None
        found[slug] = (
            owner,
            tuple(p.user_name for p in owners.co_owners),
            tuple(p.user_name for p in owners.sponsors),
        )
    return found


def test_what_a_departure_took_is_offered_back_and_given_one_by_one_with_credentials_to_renew(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        before = await roles(store, ids)
        await heard(store, left(ids["priya"], clock.now()))
        ctx = context(store)
        effects = engine(ctx, receiver)
        await drain(effects, store)
        (case,) = await cases(store)
        assert (await offers(store.reads, case["id"]))[1] == []
        with pytest.raises(Refused, match="still counts as gone"):
            await store.transact(TESTER, lambda work: give_back(work, case["id"], "refund", None))
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="back"))
        assert not (await facts(store, ids["refund"])).resource.active
        await drain(effects, store)
        (told,) = [n for n in receiver.bodies("/notify") if n["template"] == "departure-returned"]
        assert (told["to"]["name"], told["data"]["count"]) == ("Daniel", 4)
        offered = {row["agent"]: row for row in (await offers(store.reads, case["id"]))[1]}
        assert offered["refund"]["state"] == "held"
        assert (offered["refund"]["was"], offered["refund"]["credentials_to_renew"]) == ("owner", 2)
        assert (offered["triage"]["owner"], offered["writer"]["was"]) == ("lena@corp.test", "co-owner")

        for slug in offered:
            done = await store.transact(
                TESTER, lambda work, slug=slug: give_back(work, case["id"], slug, None)
            )
            assert done.holds == ()
            assert done.renew == (("key-0", "key-1") if slug == "refund" else ())
        after = await roles(store, ids)
        assert after == before
        refund = await facts(store, ids["refund"])
        assert refund.resource.active
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"revoked"}

        async def again(work: Work) -> bool:
            return await register_credential(
                work,
                ids["refund"],
                label="key-0",
                kind="api_key",
                system="vault",
                reference="kv/refund/0",
                expires=None,
            )

        assert not await store.transact(TESTER, again), "what was revoked is never revived"
        with pytest.raises(Refused, match="already"):
            await store.transact(TESTER, lambda work: give_back(work, case["id"], "refund", None))
        with pytest.raises(Refused, match="is not who left"):
            await _to_another(store, case["id"])
        await ctx.outbound.aclose()

    on_store(body)


async def _to_another(store: Store, case_id: str) -> None:
    async def reset(work: Work) -> None:
        work.bookkeeping("test")
        await work.tx.run("UPDATE sb_departure_agent SET returned = NULL WHERE case_id = ?", case_id)

    await store.transact(TESTER, reset)
    await store.transact(TESTER, lambda work: give_back(work, case_id, "writer", "daniel@corp.test"))


def test_an_absence_delegates_and_holds_without_revoking_and_its_end_gives_everything_back(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        before = await roles(store, ids)
        ctx = context(store)
        away = left(ids["priya"], clock.now(), kind=AWAY, effective_at=clock.now() + DAY)
        await heard(store, away)
        assert (await facts(store, ids["refund"])).resource.active
        clock.advance(days=1)
        assert await due(ctx) == 1
        row = await store.reads.one(
            "SELECT r.active, p.employment FROM sb_resource r JOIN sb_person p ON p.id = r.id WHERE r.id = ?",
            ids["priya"],
        )
        assert (row["active"], row["employment"]) == (1, "leave")
        refund, triage = await facts(store, ids["refund"]), await facts(store, ids["triage"])
        assert "Owner Priya is on leave" in refund.holds[0].reason
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"active"}
        assert triage.owners.owner is not None
        assert triage.owners.owner.user_name == "lena@corp.test"
        await due(ctx)
        assert len(await cases(store)) == 1, "an absence is no stray"

        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="back"))
        assert await roles(store, ids) == before
        assert (await facts(store, ids["refund"])).resource.active
        row = await store.reads.one("SELECT employment FROM sb_person WHERE id = ?", ids["priya"])
        assert row["employment"] == "active"
        await ctx.outbound.aclose()

    on_store(body)


def test_what_was_decided_otherwise_during_an_absence_stays(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now(), kind=AWAY))
        await store.transact(
            TESTER, lambda work: hand_over(work, "priya@corp.test", "refund", "ingrid@corp.test")
        )

        async def to_daniel(work: Work) -> None:
            await set_owners(work, ids["triage"], Owners(await find_person(work.tx, ids["daniel"])))

        await store.transact(TESTER, to_daniel)
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="back"))
        found = await roles(store, ids)
        assert (found["refund"][0], found["triage"][0]) == ("ingrid@corp.test", "daniel@corp.test")
        assert found["writer"][1] == ("priya@corp.test",)

    on_store(body)


def test_who_leaves_for_good_while_away_is_a_leaver_and_whoever_left_is_not_on_leave(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now(), kind=AWAY))
        clock.advance(seconds=60)
        await heard(store, left(ids["priya"], clock.now(), key="2"))
        assert [case["kind"] for case in await cases(store)] == ["absence", None]
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"revoking"}
        await heard(store, left(ids["priya"], clock.now(), key="3", kind=AWAY))
        assert len(await cases(store)) == 2
        await heard(store, left(ids["priya"], clock.now(), key="4", kind=RETURNED))
        assert not (await facts(store, ids["refund"])).resource.active, "nothing is restored silently"

    on_store(body)


def test_a_leave_date_told_during_an_absence_waits_for_its_day_and_coming_back_does_not_cancel_it(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        before = await roles(store, ids)
        ctx = context(store)
        await heard(store, left(ids["priya"], clock.now(), kind=AWAY))
        clock.advance(seconds=60)
        leaves = clock.now() + 30 * DAY
        await heard(store, left(ids["priya"], clock.now(), key="resigned", effective_at=leaves))
        assert [case["state"] for case in await cases(store)] == ["open", "planned"]
        row = await store.reads.one("SELECT employment FROM sb_person WHERE id = ?", ids["priya"])
        assert row["employment"] == "leave", "on leave until they are back, or gone"
        clock.advance(days=1)
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="back"))
        assert await roles(store, ids) == before, "what was delegated for the time is given back"
        assert (await cases(store))[1]["state"] == "planned", "and the leave date stands"
        clock.advance(days=30)
        assert await due(ctx) == 1
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"revoking"}
        await ctx.outbound.aclose()

    on_store(body)


def test_who_does_not_come_back_before_their_leave_date_is_a_leaver_held_by_one_case_only(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)
        await heard(store, left(ids["priya"], clock.now(), kind=AWAY))
        await heard(store, left(ids["priya"], clock.now(), key="resigned", effective_at=clock.now() + DAY))
        clock.advance(days=1)
        assert await due(ctx) == 1
        absence, departure = await cases(store)
        assert (absence["gone_by"], departure["kind"]) == ("[]", None)
        holds = (await facts(store, ids["refund"])).holds
        assert [hold.source for hold in holds] == [f"departure:{departure['id']}"]
        await ctx.outbound.aclose()

    on_store(body)


def test_news_of_an_absence_that_comes_late_or_out_of_order_changes_nothing(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        before, early = await roles(store, ids), clock.now()
        clock.advance(days=1)
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="back"))
        await heard(store, left(ids["priya"], clock.now(), kind=AWAY, key="late", at=early))
        assert await roles(store, ids) == before and await cases(store) == [], "they were back already"
        clock.advance(days=1)
        away = left(ids["priya"], clock.now(), kind=AWAY, key="away")
        await heard(store, away)
        await heard(
            store, left(ids["priya"], clock.now(), kind=RETURNED, key="older", at=clock.now() - DAY // 2)
        )
        assert not (await facts(store, ids["refund"])).resource.active, "an older return ends no absence"
        assert not await heard(store, away), "told twice is once"
        assert len(await cases(store)) == 1

    on_store(body)


def test_a_delegate_who_was_renamed_gives_the_agent_back_like_any_other(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        before = await roles(store, ids)
        await heard(store, left(ids["priya"], clock.now(), kind=AWAY))
        assert (await roles(store, ids))["triage"][0] == "lena@corp.test"
        await store.transact(TESTER, lambda work: renamed(work, ids["lena"], "lena.m@corp.test"))
        await heard(store, left(ids["priya"], clock.now(), kind=RETURNED, key="back"))
        assert (await roles(store, ids))["triage"][0] == before["triage"][0]

    on_store(body)


async def renamed(work: Work, person_id: str, name: str) -> None:
    """A person has another userName."""
    work.bookkeeping("test")
    found = await load(work, person_id, PERSON)
    await update_person(work, person_id, {**found.doc, "userName": name}, True)


def test_a_mover_keeps_their_agents_and_their_manager_hears_of_it_once(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        before = await roles(store, ids)
        moved = left(ids["priya"], clock.now(), kind=MOVED, reason="hr:acme says so")
        assert await heard(store, moved)
        assert not await heard(store, moved)
        await heard(store, left(ids["daniel"], clock.now(), kind="person.sneezed", key="2"))
        ctx = context(store)
        await drain(engine(ctx, receiver), store)
        assert await roles(store, ids) == before
        (told,) = receiver.bodies("/notify")
        assert (told["template"], told["to"]["name"], told["data"]["count"]) == ("owner-moved", "Daniel", 4)
        assert await cases(store) == []
        await ctx.outbound.aclose()

    on_store(body)
