"""Promises of campaigns: everybody is asked, chased by the calendar, and what nobody answers for lapses."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from scim_bridge.attestations.campaign_model import Policy
from scim_bridge.attestations.campaign_view import agents, details
from scim_bridge.attestations.campaigns import campaign, cancel, counts, open_campaign
from scim_bridge.attestations.chasing import chase
from scim_bridge.attestations.passing import reassign
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.people import set_employed
from tests.attestations.crowd import answer, browser, company, mails, play
from tests.attestations.scene import SETTINGS, context
from tests.conftest import TESTER, run_with_store


@pytest.fixture
def sqlite_store(sqlite_url, clock):
    """Run an async test body with a store on SQLite."""
    return lambda body: run_with_store(sqlite_url, clock, body)


async def states(store: Store, name: str) -> Counter:
    found = await counts(store.reads, (await campaign(store.reads, name)).id)
    return Counter({state: n for state, n in found.items() if n})


def test_a_crowd_is_asked_once_each_chased_and_what_it_ignores_lapses_and_is_held(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        crowd = await company(store, 60, 7)
        made = await open_campaign(ctx, TESTER, "Spring round", Policy(), reason="once a year")
        assert (made.state, made.total) == ("open", 60)
        assert await chase(ctx) == 60
        asked = await mails(store, "campaign-request")
        assert len(asked) == 7 and sum(mail["data"]["count"] for mail in asked) == 60
        links = [link for mail in asked for link in mail["links"]]
        assert len(set(links)) == 60
        assert await chase(ctx) == 0
        async with browser(ctx, SETTINGS) as web:
            said = await play(web, links, seed=7, share=0.6)
            ignored = said.pop("ignored")
            assert await states(store, "Spring round") == Counter(
                waiting=ignored,
                confirmed=said["confirm"],
                reduced=said["reduce"],
                refused=said["refuse"],
                retired=said["retire"],
            )
            clock.advance(days=7)
            assert await chase(ctx) == ignored
            assert sum(m["data"]["count"] for m in await mails(store, "campaign-reminder")) == ignored
            clock.advance(days=4)
            await chase(ctx)
            escalated = await mails(store, "campaign-escalated")
            assert {mail["to"]["id"] for mail in escalated} == {crowd.sponsor}
            rest = [link for mail in escalated for link in mail["links"]]
            assert len(rest) == ignored
            assert (await answer(web, rest[0], "confirm")).status_code == 200
            clock.advance(days=2)
            await chase(ctx)
            told = await mails(store, "campaign-manager")
            assert {mail["to"]["id"] for mail in told} == {crowd.boss}
            assert sum(mail["data"]["count"] for mail in told) == ignored - 1
        clock.advance(days=1)
        await chase(ctx)
        assert sum(m["data"]["count"] for m in await mails(store, "campaign-overdue")) == ignored - 1
        clock.advance(days=7)
        assert await chase(ctx) == ignored - 1
        over = await campaign(store.reads, "Spring round")
        assert over.state == "closed"
        assert (await states(store, "Spring round"))["lapsed"] == ignored - 1
        lapsed = [row["agent"] for row in await agents(store.reads, over, state="lapsed")]
        rows = await store.reads.all("SELECT id, slug FROM sb_agent")
        ids = {row["slug"]: row["id"] for row in rows}
        facts = await facts_of(store.reads, [ids[slug] for slug in lapsed])
        codes = {hold.code for found in facts.values() for hold in found.holds}
        assert codes == {"attestation-missing"} and all(found.holds for found in facts.values())

    on_store(body)


def test_a_worker_that_was_away_does_the_latest_step_only(sqlite_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await company(store, 3, 1)
        await open_campaign(ctx, TESTER, "Late", Policy())
        await chase(ctx)
        clock.advance(days=13.5)
        assert await chase(ctx) == 3
        assert len(await mails(store, "campaign-reminder")) == 1
        assert len(await mails(store, "campaign-manager")) == 1
        assert await mails(store, "campaign-escalated") == []

    sqlite_store(body)


def test_workers_that_chase_at_once_send_each_message_once(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await company(store, 90, 9)
        await open_campaign(ctx, TESTER, "At once", Policy())
        moved = await asyncio.gather(*(chase(ctx) for _ in range(4)))
        assert sum(moved) == 90
        asked = await mails(store, "campaign-request")
        assert sum(mail["data"]["count"] for mail in asked) == 90

    on_store(body)


def test_who_leaves_meanwhile_is_not_waited_for_and_who_is_owner_now_is_asked(sqlite_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        crowd = await company(store, 4, 2)
        await open_campaign(ctx, TESTER, "Leaving", Policy())
        await chase(ctx)
        await store.transact(TESTER, lambda work: set_employed(work, crowd.owners[0], False))
        await store.transact(TESTER, lambda work: delete_agent(work, crowd.agents[1], "gone"))
        clock.advance(days=7)
        await chase(ctx)
        found = await campaign(store.reads, "Leaving")
        told = {row["agent"]: row for row in await agents(store.reads, found)}
        assert told["agent-0000"]["of"] == "sponsor@corp.test"
        assert "who answers for it now" in told["agent-0000"]["note"]
        assert told["agent-0001"]["state"] == "gone"
        assert told["agent-0003"]["of"] == "owner1@corp.test"

    sqlite_store(body)


def test_agents_nobody_answers_for_are_told_to_security_and_lapse_like_the_others(
    sqlite_store, clock
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        crowd = await company(store, 2, 1)
        for gone in (crowd.owners[0], crowd.sponsor):
            await store.transact(TESTER, lambda work, gone=gone: set_employed(work, gone, False))
        await open_campaign(ctx, TESTER, "Nobody", Policy())
        await chase(ctx)
        told = await mails(store, "campaign-unanswerable")
        assert [mail["data"]["agents"] for mail in told] == [["agent-0000", "agent-0001"]]
        clock.advance(days=21)
        await chase(ctx)
        assert await states(store, "Nobody") == Counter(lapsed=2)

    sqlite_store(body)


def test_an_admin_reassigns_and_cancels_with_a_reason(sqlite_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await company(store, 3, 1)
        await open_campaign(ctx, TESTER, "Hands", Policy())
        await chase(ctx)
        old = (await mails(store, "campaign-request"))[0]["links"][0]
        done = await reassign(ctx, SETTINGS, TESTER, "Hands", "agent-0000", "boss@corp.test", "on leave")
        assert done.to.user_name == "boss@corp.test"
        async with browser(ctx, SETTINGS) as web:
            assert (await web.get(old)).status_code == 410
            new = (await mails(store, "attestation-passed-on"))[0]["links"][0]
            assert (await answer(web, new, "confirm")).status_code == 200
        assert await states(store, "Hands") == Counter(confirmed=1, waiting=2)
        with pytest.raises(Refused):
            await reassign(ctx, SETTINGS, TESTER, "Hands", "agent-0000", "boss@corp.test", "again")
        with pytest.raises(NotFound):
            await reassign(ctx, SETTINGS, TESTER, "Hands", "agent-9999", "boss@corp.test", "unknown")
        await cancel(ctx, TESTER, "Hands", "asked by mistake")
        assert await states(store, "Hands") == Counter(confirmed=1, cancelled=2)
        with pytest.raises(Refused):
            await cancel(ctx, TESTER, "Hands", "twice")
        found = await details(store.reads, await campaign(store.reads, "Hands"), store.clock.now())
        assert (found["state"], found["next"]) == ("cancelled", None)

    sqlite_store(body)


def test_a_scope_chooses_the_agents_and_an_empty_one_is_refused(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await company(store, 12, 2)
        made = await open_campaign(ctx, TESTER, "High", Policy(), scope="riskTier=high; group=Tools")
        assert made.total == 4
        with pytest.raises(Refused):
            await open_campaign(ctx, TESTER, "None", Policy(), scope="environment=moon")
        with pytest.raises(Invalid):
            await open_campaign(ctx, TESTER, " ", Policy())

    on_store(body)
