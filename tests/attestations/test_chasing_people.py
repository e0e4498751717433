"""Promises of a campaign when people come and go: nobody is waited for who cannot answer, nobody lapses unasked."""

from __future__ import annotations

from scim_bridge.attestations.campaign_model import Policy
from scim_bridge.attestations.campaign_view import agents
from scim_bridge.attestations.campaigns import campaign, cancel, open_campaign
from scim_bridge.attestations.chasing import chase
from scim_bridge.attestations.lapsing import lapse
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people import set_employed
from scim_bridge.registry.people_refs import people
from tests.attestations.crowd import answer, browser, mails
from tests.attestations.scene import SETTINGS, Scene, context, scene
from tests.conftest import TESTER


async def _waits_for(store: Store, name: str) -> str:
    rows = await agents(store.reads, await campaign(store.reads, name))
    return str(rows[0]["of"])


async def _give(store: Store, agent_id: str, person_id: str) -> None:
    owner = (await people(store.reads, [person_id]))[person_id]
    await store.transact(TESTER, lambda work: set_owners(work, agent_id, Owners(owner, (), ())))


async def _asked(store: Store) -> tuple[Context, Scene, str]:
    """A campaign over the scene's one agent that has just asked its owner, and the link they were sent."""
    ctx = context(store)
    made = await scene(store)
    await open_campaign(ctx, TESTER, "Spring", Policy())
    await chase(ctx)
    return ctx, made, (await mails(store, "campaign-request"))[0]["links"][0]


def test_a_delegate_who_left_is_not_waited_for(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx, made, link = await _asked(store)
        async with browser(ctx, SETTINGS) as web:
            passed = await answer(web, link, "delegate", to="mallory@corp.test")
        assert passed.status_code == 200
        assert await _waits_for(store, "Spring") == "mallory@corp.test"
        await store.transact(TESTER, lambda work: set_employed(work, made.stranger, False))
        clock.advance(days=7)
        await chase(ctx)
        assert await _waits_for(store, "Spring") == "olga@corp.test"

    on_store(body)


def test_a_delegate_of_somebody_who_lost_the_agent_is_not_waited_for(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx, made, link = await _asked(store)
        async with browser(ctx, SETTINGS) as web:
            assert (await answer(web, link, "delegate", to="mallory@corp.test")).status_code == 200
            refused = await web.get(link)
        assert refused.status_code == 410 and refused.json()["code"] == "link-passed-on"
        await _give(store, made.agent, made.sponsor)
        clock.advance(days=7)
        await chase(ctx)
        assert await _waits_for(store, "Spring") == "susan@corp.test"

    on_store(body)


def test_who_became_owner_after_the_due_date_is_asked_before_the_agent_lapses(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await open_campaign(ctx, TESTER, "Spring", Policy())
        for days in (0, 14):
            clock.advance(days=days)
            await chase(ctx)
        await _give(store, made.agent, made.stranger)
        clock.advance(days=7)
        await chase(ctx)
        assert await _waits_for(store, "Spring") == "mallory@corp.test"
        assert not (await facts_of(store.reads, [made.agent]))[made.agent].holds
        link = (await mails(store, "campaign-request"))[-1]["links"][0]
        async with browser(ctx, SETTINGS) as web:
            assert (await web.get(link)).status_code == 200
        clock.advance(days=1)
        await chase(ctx)
        holds = (await facts_of(store.reads, [made.agent]))[made.agent].holds
        assert [hold.code for hold in holds] == ["attestation-missing"]

    on_store(body)


def test_a_server_that_was_away_past_the_end_says_so_and_gives_a_day(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await open_campaign(ctx, TESTER, "Spring", Policy())
        await chase(ctx)
        clock.advance(days=60)
        await chase(ctx)
        assert len(await mails(store, "campaign-overdue")) == 1
        assert not (await facts_of(store.reads, [made.agent]))[made.agent].holds
        link = (await mails(store, "campaign-overdue"))[-1]["links"][0]
        async with browser(ctx, SETTINGS) as web:
            assert (await web.get(link)).status_code == 200
        clock.advance(days=1)
        await chase(ctx)
        holds = (await facts_of(store.reads, [made.agent]))[made.agent].holds
        assert [hold.code for hold in holds] == ["attestation-missing"]

    on_store(body)


def test_a_statement_that_ended_while_a_campaign_asked_is_taken_up_when_that_is_cancelled(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await open_campaign(ctx, TESTER, "First", Policy())
        await chase(ctx)
        link = (await mails(store, "campaign-request"))[0]["links"][0]
        async with browser(ctx, SETTINGS) as web:
            assert (await answer(web, link, "confirm")).status_code == 200
        clock.advance(days=85)
        await open_campaign(ctx, TESTER, "Second", Policy())
        clock.advance(days=6)
        assert await lapse(ctx, SETTINGS) == 1
        assert not (await facts_of(store.reads, [made.agent]))[made.agent].holds
        await cancel(ctx, TESTER, "Second", "opened by mistake")
        assert [await lapse(ctx, SETTINGS) for _ in range(2)] == [1, 0]
        holds = (await facts_of(store.reads, [made.agent]))[made.agent].holds
        assert [hold.code for hold in holds] == ["attestation-lapsed"]
        assert len(await mails(store, "attestation-lapsed")) == 1

    on_store(body)


def test_odd_text_in_an_answer_is_refused_and_never_breaks(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await scene(store)
        await open_campaign(ctx, TESTER, "Spring", Policy())
        await chase(ctx)
        link = (await mails(store, "campaign-request"))[0]["links"][0]
        async with browser(ctx, SETTINGS) as web:
            for to in ("\0", "olga\0@corp.test", "x" * 60_000, "\u202e", "' OR 1=1 --", "%00", "\x1b[31m"):
                assert (await answer(web, link, "delegate", to=to)).status_code in (400, 404), to[:20]
            form = {"verdict": "delegate", "to": "\0", "digest": (await web.get(link)).json()["digest"]}
            assert (await web.post(link, data=form)).status_code in (400, 404)
            for drop in (["\0"], ["x"] * 900):
                assert (await answer(web, link, "reduce", drop=drop)).status_code == 400
            for raw in (b"\xff\xfe", b"verdict=" + b"a&" * 2000, b"{}"):
                for kind in (
                    "application/x-www-form-urlencoded",
                    "application/json",
                    "text/plain",
                    "",
                    "\xe9",
                ):
                    got = await web.post(link, content=raw, headers={"content-type": kind.encode("latin-1")})
                    assert got.status_code in (400, 409, 415), (raw[:9], kind, got.status_code, got.text)
            for accept in (
                "",
                "*/*;q=0",
                "text/html;q=abc",
                "application/json;q=0.1, text/html",
                ",,,",
                "\xe9",
            ):
                for path in (link, link[:-3], "/attest/x", "/attest/%00"):
                    got = await web.get(path, headers={"accept": accept.encode("latin-1")})
                    assert got.status_code < 500, (accept, path)

    on_store(body)
