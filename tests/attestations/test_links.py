"""Promises about links: signed, expiring, used once, bound to one person and one agent."""

from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.attestations.answering import answer
from scim_bridge.attestations.link import SHAPE, genuine, read_token, token_for
from scim_bridge.attestations.opening import look
from scim_bridge.attestations.refusals import LinkClosed, LinkForged, LinkRefused, NotYours
from scim_bridge.attestations.service import ask
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.agents import delete_agent, set_owners
from scim_bridge.registry.model import Owners
from scim_bridge.registry.outward import opened_for
from scim_bridge.registry.people import set_employed
from tests.attestations.scene import SETTINGS, VISITOR, asked, context, refusals, scene, throttle
from tests.conftest import MASTER, TESTER

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.integers(0, 59), st.sampled_from(ALPHABET), st.uuids(), st.integers(1, 2**38))
@settings(deadline=None)
def test_a_link_altered_anywhere_is_not_genuine(
    place: int, letter: str, request: uuid.UUID, seconds: int
) -> None:
    token = token_for(MASTER, str(request), "agent-1", "person-1", seconds * SECOND)
    assert SHAPE.fullmatch(token)
    read = read_token(token)
    assert read is not None and genuine(MASTER, read, "agent-1", "person-1")
    altered = token[:place] + letter + token[place + 1 :]
    again = read_token(altered)
    assert altered == token or again is None or not genuine(MASTER, again, "agent-1", "person-1")


def test_a_link_belongs_to_one_agent_one_person_and_one_installation() -> None:
    token = token_for(MASTER, str(uuid.uuid4()), "agent-1", "person-1", 10 * SECOND)
    read = read_token(token)
    assert read is not None
    assert not genuine(MASTER, read, "agent-2", "person-1")
    assert not genuine(MASTER, read, "agent-1", "person-2")
    assert not genuine(MASTER, read, "agent-1person-1", "")
    assert not genuine(MasterKey(b"another installation's key, 32 bytes"), read, "agent-1", "person-1")


@given(st.text(max_size=200))
@settings(deadline=None)
def test_no_text_whatever_breaks_the_reading_of_a_link(text: str) -> None:
    found = read_token(text)
    assert found is None or len(text) == 60


def test_the_link_opens_for_its_owner_and_shows_the_facts_as_they_are(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        request, token = await asked(ctx)
        assert request.person.id == made.owner and request.link.startswith("https://bridge.test/attest/")
        seen = await look(ctx, VISITOR, throttle(ctx), token)
        assert seen.role == "owner" and seen.person.user_name == "olga@corp.test"
        facts = seen.facts
        assert facts["description"]["purpose"] == "Sorts tickets"
        assert [p["userName"] for p in facts["coOwners"]] == ["carl@corp.test"]
        grants = [{"id": made.group, "name": "support-tools", "grants": "Read and answer tickets."}]
        assert facts["groups"] == grants
        assert facts["credentials"][0]["reference"] == "kv/triage"
        assert (await look(ctx, VISITOR, throttle(ctx), token)).digest == seen.digest, (
            "looking twice is allowed"
        )

    on_store(body)


def test_the_link_reaches_its_owner_sealed_and_stands_nowhere_in_clear(on_store) -> None:
    async def body(store: Store) -> None:
        import orjson

        ctx = context(store)
        made = await scene(store)
        request, token = await asked(ctx)
        rows = await store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        notice = orjson.loads(rows[-1]["payload"])
        assert notice["template"] == "attestation-request" and notice["to"]["email"] == "olga@corp.test"
        assert opened_for(MASTER, made.owner, notice["private"]) == {"link": request.link}
        for table, column in (("sb_effect", "payload"), ("sb_audit", "detail")):
            for row in await store.reads.all(f"SELECT {column} AS text FROM {table}"):
                assert token not in row["text"]

    on_store(body)


def test_forged_expired_replaced_and_foreign_links_are_refused_and_kept(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        _, token = await asked(ctx)
        raw = bytearray(base64.urlsafe_b64decode(token))
        raw[-1] ^= 1
        forged = base64.urlsafe_b64encode(bytes(raw)).decode()
        later = bytearray(base64.urlsafe_b64decode(token))
        later[20] ^= 0x80
        unknown = token_for(MASTER, str(uuid.uuid4()), made.agent, made.owner, clock.now() + 60 * SECOND)
        foreign = token_for(
            MASTER, str(uuid.UUID(bytes=bytes(raw[:16]))), made.agent, made.stranger, clock.now() + SECOND
        )
        cases = [
            (forged, LinkForged, "link-forged"),
            (base64.urlsafe_b64encode(bytes(later)).decode(), LinkForged, "link-forged"),
            (foreign, LinkForged, "link-forged"),
            (unknown, LinkRefused, "link-unknown"),
            ("nonsense", LinkRefused, "link-unknown"),
        ]
        for bad, kind, code in cases:
            with pytest.raises(kind) as refused:
                await look(ctx, VISITOR, throttle(ctx), bad)
            assert refused.value.code == code
            with pytest.raises(kind):
                await answer(ctx, SETTINGS, VISITOR, throttle(ctx), bad, "confirm", "", "sha256:0")
        _, newer = await asked(ctx)
        with pytest.raises(LinkClosed) as refused:
            await look(ctx, VISITOR, throttle(ctx), token)
        assert refused.value.code == "link-replaced" and refused.value.status == 410
        clock.advance(days=14)
        with pytest.raises(LinkClosed) as refused:
            await look(ctx, VISITOR, throttle(ctx), newer)
        assert refused.value.code == "link-expired" and refused.value.status == 410
        codes = [code for _, _, code in cases for _ in range(2)] + ["link-replaced", "link-expired"]
        assert await refusals(store) == codes
        agent = (await facts_of(store.reads, [made.agent]))[made.agent]
        assert agent.attestation.state == "none"

    on_store(body)


def test_a_link_works_once_also_for_two_answers_at_the_same_time(on_store) -> None:
    async def body(store: Store) -> None:
        import asyncio

        ctx = context(store)
        await scene(store)
        _, token = await asked(ctx)
        seen = await look(ctx, VISITOR, throttle(ctx), token)
        both = await asyncio.gather(
            *(
                answer(ctx, SETTINGS, VISITOR, throttle(ctx), token, "confirm", "", seen.digest)
                for _ in range(2)
            ),
            return_exceptions=True,
        )
        refused = [item for item in both if isinstance(item, LinkClosed)]
        assert len(refused) == 1 and refused[0].code == "link-used" and refused[0].status == 410
        count = await store.reads.one("SELECT COUNT(*) AS n FROM sb_attestation")
        assert count["n"] == 1
        with pytest.raises(LinkClosed):
            await look(ctx, VISITOR, throttle(ctx), token)

    on_store(body)


def test_who_no_longer_answers_for_the_agent_cannot_use_an_old_link(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        _, mine = await asked(ctx)
        _, carls = await asked(ctx, "carl@corp.test")
        seen = await look(ctx, VISITOR, throttle(ctx), mine)
        await store.transact(TESTER, lambda work: set_employed(work, made.owner, False))
        with pytest.raises(NotYours) as refused:
            await answer(ctx, SETTINGS, VISITOR, throttle(ctx), mine, "confirm", "", seen.digest)
        assert refused.value.status == 403
        assert (await look(ctx, VISITOR, throttle(ctx), carls)).role == "co-owner"
        await store.transact(TESTER, lambda work: set_owners(work, made.agent, Owners()))
        with pytest.raises(NotYours):
            await look(ctx, VISITOR, throttle(ctx), carls)
        await store.transact(TESTER, lambda work: delete_agent(work, made.agent, "gone"))
        with pytest.raises(LinkClosed) as gone:
            await look(ctx, VISITOR, throttle(ctx), carls)
        assert gone.value.code == "agent-gone"
        assert await refusals(store) == ["not-answerable", "not-answerable", "agent-gone"]

    on_store(body)


def test_only_somebody_active_who_answers_for_the_agent_is_asked(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        for to, kind in (("mallory@corp.test", Refused), ("nobody@corp.test", NotFound)):
            with pytest.raises(kind):
                await ask(ctx, SETTINGS, TESTER, "triage", to)
        with pytest.raises(NotFound):
            await ask(ctx, SETTINGS, TESTER, "no-such-agent")
        for person in (made.owner, made.co_owner):
            await store.transact(TESTER, lambda work, who=person: set_employed(work, who, False))
        assert (await asked(ctx))[0].person.id == made.sponsor
        await store.transact(TESTER, lambda work: set_employed(work, made.sponsor, False))
        with pytest.raises(Refused) as refused:
            await ask(ctx, SETTINGS, TESTER, "triage")
        assert refused.value.code == "nobody-answers"

    on_store(body)


def test_a_flood_of_bad_links_does_not_fill_the_audit_nor_lock_a_good_one_out(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await scene(store)
        _, token = await asked(ctx)
        few = Throttle(store.clock, 3, 300)
        for _ in range(3):
            with pytest.raises(LinkRefused):
                await look(ctx, VISITOR, few, "nonsense")
        for _ in range(5):
            with pytest.raises(TooManyRequests) as slowed:
                await look(ctx, VISITOR, few, "nonsense")
            assert slowed.value.retry_after == 300
        assert len(await refusals(store)) == 3
        assert (await look(ctx, VISITOR, few, token)).role == "owner"

    on_store(body)
