"""Promises about answers: exactly the facts that were shown, signed, and what follows for the agent."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.attestations.answering import FactsChanged, answer, checked_comment
from scim_bridge.attestations.effects import handlers
from scim_bridge.attestations.lapsing import lapse
from scim_bridge.attestations.model import STATEMENT_TYPE, canonical, differences, digest_of
from scim_bridge.attestations.opening import look
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.crypto import public_keys, verify
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.graves import bring_back, buried
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT
from scim_bridge.registry.people import set_employed
from scim_bridge.settings.attestations import AttestationSettings
from tests.attestations.scene import SETTINGS, VISITOR, asked, context, scene, throttle
from tests.conftest import MASTER, TESTER


async def agent_now(store: Store, agent_id: str) -> AgentFacts:
    return (await facts_of(store.reads, [agent_id]))[agent_id]


async def say(ctx, verdict: str, comment: str = "", to: str | None = None):
    """Ask, look and answer."""
    _, token = await asked(ctx, to)
    seen = await look(ctx, VISITOR, throttle(ctx), token)
    return await answer(ctx, SETTINGS, VISITOR, throttle(ctx), token, verdict, comment, seen.digest)


async def effects(store: Store, kind: str) -> list[dict]:
    rows = await store.reads.all("SELECT payload FROM sb_effect WHERE kind = ? ORDER BY created, id", kind)
    return [orjson.loads(row["payload"]) for row in rows]


def test_a_confirmation_is_signed_kept_and_told_to_the_idps(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)

        async def connect(work: Work) -> None:
            await create_connection(work, MASTER, "okta", "okta", secrets={"client_id": "x"})

        await store.transact(TESTER, connect)
        done = await say(ctx, "confirm", "Looks\r\nright.\x00")
        agent = await agent_now(store, made.agent)
        assert agent.attestation.state == "valid" and agent.attestation.by == "olga@corp.test"
        assert agent.attestation.until == clock.now() + 90 * DAY and agent.resource.active
        signed = verify(done.jws, await public_keys(store.reads, "attestation"), STATEMENT_TYPE)
        assert signed["comment"] == "Looks\nright." and signed["by"]["role"] == "owner"
        assert signed["sub"] == made.agent and signed["exp"] == agent.attestation.until // 1_000_000
        row = await store.reads.one(
            "SELECT facts, digest FROM sb_attestation WHERE id = ?", done.statement.id
        )
        assert row["digest"] == signed["facts_digest"] == digest_of(orjson.loads(row["facts"]))
        assert len(await effects(store, "idp.push")) == 1
        audited = await store.reads.all(
            "SELECT action, actor_kind, actor_name FROM sb_audit WHERE action LIKE 'attestation.%' ORDER BY id"
        )
        assert [(r["action"], r["actor_kind"], r["actor_name"]) for r in audited] == [
            ("attestation.requested", "cli", "tester"),
            ("attestation.confirmed", "person", "olga@corp.test"),
        ]

    on_store(body)


def test_an_answer_about_facts_that_changed_meanwhile_is_refused_and_works_after_another_look(
    on_store,
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        _, token = await asked(ctx)
        before = await look(ctx, VISITOR, throttle(ctx), token)

        async def grant(work: Work) -> None:
            group = await create_group(work, {"displayName": "payments-write"}, origin="test")
            await add_members(work, group.id, [(made.agent, None)])

        await store.transact(TESTER, grant)
        with pytest.raises(FactsChanged) as refused:
            await answer(ctx, SETTINGS, VISITOR, throttle(ctx), token, "confirm", "", before.digest)
        assert refused.value.status == 409
        assert (await agent_now(store, made.agent)).attestation.state == "none"
        after = await look(ctx, VISITOR, throttle(ctx), token)
        assert [d.part for d in differences(before.facts, after.facts)] == ["groups"]
        await answer(ctx, SETTINGS, VISITOR, throttle(ctx), token, "confirm", "", after.digest)
        assert (await agent_now(store, made.agent)).attestation.state == "valid"

    on_store(body)


def test_a_refusal_stops_the_agent_and_a_later_confirmation_frees_only_that(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await say(ctx, "refuse", "Never heard of it")
        agent = await agent_now(store, made.agent)
        assert not agent.resource.active and agent.attestation.state == "refused"
        assert [h.code for h in agent.holds] == ["attestation-refused"]
        assert (
            "Never heard of it" in agent.holds[0].reason and "attest request triage" in agent.holds[0].release
        )
        told = [n["template"] for n in await effects(store, "notify")]
        assert told == ["attestation-request", "agent-held", "attestation-refused"]
        await store.transact(
            TESTER, lambda work: place_hold(work, made.agent, "admin", "admin", "because", "an admin")
        )
        await say(ctx, "confirm", to="susan@corp.test")
        agent = await agent_now(store, made.agent)
        assert [h.source for h in agent.holds] == ["admin"] and not agent.resource.active
        assert agent.attestation.state == "valid" and agent.attestation.by == "susan@corp.test"

    on_store(body)


@pytest.mark.parametrize("hold", [True, False])
def test_an_attestation_that_ran_out_lapses_once_and_its_owner_is_asked_anew(on_store, clock, hold) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await say(ctx, "confirm")
        settings = AttestationSettings(valid_days=90, link_days=14, hold_on_lapse=hold)
        assert await lapse(ctx, settings) == 0
        clock.advance(days=90)
        assert await lapse(ctx, settings) == 1
        assert await lapse(ctx, settings) == 0
        agent = await agent_now(store, made.agent)
        assert agent.attestation.state == "lapsed" and agent.resource.active is not hold
        assert [h.code for h in agent.holds] == (["attestation-lapsed"] if hold else [])
        last = (await effects(store, "notify"))[-1]
        assert last["template"] == "attestation-lapsed" and last["to"]["email"] == "olga@corp.test"
        await say(ctx, "refuse", "No")
        agent = await agent_now(store, made.agent)
        assert [h.code for h in agent.holds] == ["attestation-refused"], "the hold says the newest reason"
        await say(ctx, "confirm")
        agent = await agent_now(store, made.agent)
        assert agent.resource.active and agent.attestation.state == "valid"

    on_store(body)


def test_a_lapse_with_nobody_left_to_ask_tells_the_security_contact(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await say(ctx, "confirm")
        for person in (made.owner, made.co_owner, made.sponsor):
            await store.transact(TESTER, lambda work, who=person: set_employed(work, who, False))
        clock.advance(days=91)
        assert await lapse(ctx, SETTINGS) == 1
        last = (await effects(store, "notify"))[-1]
        assert last["template"] == "attestation-unanswerable" and last["to"] is None

    on_store(body)


def test_the_attestation_of_a_deleted_agent_ends_quietly(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await say(ctx, "confirm")
        await store.transact(TESTER, lambda work: delete_agent(work, made.agent, "retired"))
        clock.advance(days=91)
        assert await lapse(ctx, SETTINGS) == 0
        row = await store.reads.one("SELECT ended FROM sb_attestation")
        assert row["ended"] is not None

    on_store(body)


@pytest.mark.parametrize("noticed", [True, False])
def test_an_agent_made_again_after_its_statement_ran_out_is_not_valid_but_held_and_asked_about(
    on_store, clock, noticed: bool
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await say(ctx, "confirm")
        await store.transact(TESTER, lambda work: delete_agent(work, made.agent, "retired"))
        clock.advance(days=91)
        if noticed:
            await lapse(ctx, SETTINGS)

        async def again(work: Work) -> None:
            work.bookkeeping("the door of whoever makes it again keeps its audit row")
            grave = await buried(work.tx, AGENT, "triage@agents.test")
            assert grave is not None
            await bring_back(work, grave, "triage@agents.test", "made again", "")

        await store.transact(TESTER, again)
        assert (await agent_now(store, made.agent)).attestation.state == "lapsed", "from the commit on"
        shown = await store.reads.one("SELECT rendered FROM sb_resource WHERE id = ?", made.agent)
        assert b'"lapsed"' in bytes(shown["rendered"])
        row = await store.reads.one("SELECT id FROM sb_effect WHERE kind = 'attestation.ran_out'")
        engine = Effects(store, handlers(ctx, SETTINGS), [])
        for _ in range(2):
            await engine.attempt(row["id"])
        assert [h.code for h in (await agent_now(store, made.agent)).holds] == ["attestation-lapsed"]
        told = [one["template"] for one in await effects(store, "notify")]
        assert told.count("attestation-lapsed") == 1
        assert await lapse(ctx, SETTINGS) == 0

    on_store(body)


def test_a_verdict_nobody_knows_and_an_endless_comment_are_refused(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await scene(store)
        _, token = await asked(ctx)
        seen = await look(ctx, VISITOR, throttle(ctx), token)
        for verdict, comment in (("maybe", ""), ("", ""), ("confirm", "x" * 2001)):
            with pytest.raises(Invalid):
                await answer(ctx, SETTINGS, VISITOR, throttle(ctx), token, verdict, comment, seen.digest)

    on_store(body)


@given(st.text(max_size=300))
@settings(deadline=None)
def test_a_comment_keeps_its_words_and_loses_what_no_database_takes(text: str) -> None:
    kept = checked_comment(text)
    assert "\x00" not in kept and "\r" not in kept
    kept.encode()
    assert checked_comment(kept) == kept


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), plain, max_size=6))
@settings(deadline=None)
def test_the_canonical_form_does_not_depend_on_the_order_of_members(facts: dict) -> None:
    turned = dict(reversed(facts.items()))
    assert canonical(facts) == canonical(turned) and digest_of(facts) == digest_of(turned)
    assert canonical(orjson.loads(canonical(facts))) == canonical(facts)
    assert differences(facts, turned) == []
