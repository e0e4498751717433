"""Promises of taking over what somebody changed at the IdP: in one transaction, once, and only what is ours to take."""

from __future__ import annotations

import asyncio

import pytest

from scim_bridge.kernel.errors import BridgeError, Invalid, NotFound, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.sync.apply import apply_now
from scim_bridge.sync.draft import draft_plan
from scim_bridge.sync.idp.port import ENABLED
from scim_bridge.sync.plan import save_plan
from scim_bridge.sync.taking import take
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.drift_bench import audited, drifts, facts, planned, settled, written
from tests.sync.engine_bench import by_login


def test_theirs_is_taken_over_in_one_transaction_with_its_audit(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await written(store, drift="*:ask")
        there = by_login(idp, "triage")
        there["purpose"], there["owner"] = "sorts tickets", "omar@corp.test"
        await bench.plan()
        for attribute in ("purpose", "owner"):
            await settled(bench, "triage", attribute, "theirs")
        found = await facts(bench, "triage")
        assert found.extension["purpose"] == "sorts tickets"
        assert found.owners.owner is not None and found.owners.owner.user_name == "omar@corp.test"
        assert {row.state for row in await drifts(bench, every=True)} == {"taken"}
        rows = await audited(bench, "agent.drift_settled")
        assert [subject for subject, _ in rows] == [agents[0]] * 2 and "we talked" in rows[0][1]
        assert len(await audited(bench, "agent.owners_changed")) == 1
        await bench.perform()
        assert await planned(bench) == {} and await drifts(bench) == []
        assert (there["purpose"], there["owner"]) == ("sorts tickets", "omar@corp.test")

    on_store(body)


@pytest.mark.parametrize(
    "attribute, value, code",
    [
        ("owner", "stranger@corp.test", "drift-person"),
        ("owner", None, "drift-owner"),
        ("purpose", ["a", "list"], "drift-value"),
        ("purpose", "x" * 9_000, "drift-value"),
        ("purpose", "a\0b", "drift-value"),
        ("attestation", "valid", "drift-not-takeable"),
        ("login", "other@agents.test", "drift-not-takeable"),
    ],
)
def test_what_is_not_the_registrys_to_take_is_refused_and_nothing_changes(
    on_store, attribute, value, code
) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store, drift="*:ask")
        by_login(idp, "triage")[attribute] = value
        await bench.plan()
        before = (await facts(bench, "triage")).resource
        with pytest.raises((Refused, Invalid)) as refusal:
            await settled(bench, "triage", attribute, "theirs")
        assert refusal.value.code == code and refusal.value.fix
        assert (await facts(bench, "triage")).resource == before
        assert [row.state for row in await drifts(bench)] == ["open"]
        with pytest.raises(NotFound):
            await settled(bench, "review", attribute, "theirs")

    on_store(body)


@pytest.mark.parametrize(
    "name, value, why",
    [
        ("riskTier", "bananas", "It is one of .*'bananas'"),
        ("riskTier", "HIGH", "It is one of .*'HIGH'"),
        ("environment", "prod", "It is one of .*'prod'"),
        ("workloadId", "not a uri", "starts with spiffe://"),
        ("workloadId", "spiffe://corp.test/a/../b", "'.' or '..' segment"),
        ("workloadId", "spiffe://corp.test:8443/a", "The trust domain"),
        ("workloadId", ["spiffe://corp.test/a"], "no text"),
        ("displayName", "two\nlines", "more than one line"),
        ("displayName", "   ", "white space"),
        ("platform", "x" * 513, "513 characters; at most 512"),
        ("model", "a\x07b", "U\\+0007"),
    ],
)
def test_a_fact_that_the_registrys_own_api_refuses_is_not_taken_over_from_an_idp(
    on_store, name: str, value: object, why: str
) -> None:
    async def body(store: Store) -> None:
        bench, _idp, (triage, *_) = await written(store)
        before = (await facts(bench, "triage")).resource
        with pytest.raises(Invalid, match=why) as refusal:
            await store.transact(TESTER, lambda work: take(work, triage, name, value, "there", ""))
        assert refusal.value.code == "drift-value" and refusal.value.message.startswith(name)
        assert (await facts(bench, "triage")).resource == before

    on_store(body)


def test_a_stop_of_theirs_may_be_taken_and_a_start_never(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await written(store)
        off, on = by_login(idp, "triage"), by_login(idp, "review")
        await bench.hold(agents[1], "watch")
        await bench.perform()
        off[ENABLED], on[ENABLED] = False, True
        assert await planned(bench) == {"review": {ENABLED: False}}
        assert [(row.slug, row.theirs) for row in await drifts(bench)] == [
            ("review", True),
            ("triage", False),
        ]
        for slug, choice, code in (("review", "theirs", "drift-start"), ("triage", "ours", "drift-stop")):
            with pytest.raises(Refused) as refusal:
                await settled(bench, slug, "enabled", choice)
            assert refusal.value.code == code
        await settled(bench, "triage", "enabled", "theirs")
        await settled(bench, "review", "enabled", "ours")
        await bench.perform()
        assert on[ENABLED] is False and off[ENABLED] is False
        (hold,) = (await facts(bench, "triage")).holds
        assert hold.source == "admin" and "switched off at there: we talked" in hold.reason
        await bench.hold(agents[0], "admin", release=True)
        await bench.perform()
        assert off[ENABLED] is False, "their own stop is not undone by us"
        assert await planned(bench) == {}

    on_store(body)


def test_a_reading_that_began_before_a_drift_was_settled_neither_opens_it_again_nor_closes_a_later_one(
    on_store,
) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store, drift="purpose:theirs")
        clean = await draft_plan(bench.ctx, bench.connection, idp)
        by_login(idp, "triage")["purpose"] = "sorts tickets"
        store.clock.advance(seconds=1)
        late = await draft_plan(bench.ctx, bench.connection, idp)
        assert [each.attribute for each in late.drifts] == ["purpose"]
        await bench.plan()
        await bench.store.transact(TESTER, lambda work: save_plan(work, clean))
        assert len(await drifts(bench)) == 1, "a reading from before it saw nothing that could be undone"
        store.clock.advance(seconds=1)
        assert (await bench.apply()).state == "OK" and await drifts(bench) == []
        await bench.store.transact(TESTER, lambda work: save_plan(work, late))
        assert await drifts(bench) == []
        (row,) = await drifts(bench, every=True)
        assert row.state == "taken" and len(await audited(bench, "agent.drifted")) == 1
        store.clock.advance(seconds=1)
        by_login(idp, "triage")["purpose"] = "mines"
        await bench.plan()
        assert [each.theirs for each in await drifts(bench)] == ["mines"]

    on_store(body)


def test_applies_at_the_same_time_take_each_drift_over_and_leave_none_open(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store, drift="*:theirs", brake_percent="100")
        for turn in range(6):
            for kept in idp.objects.values():
                kept["purpose"] = f"turn {turn}"
            ticking = asyncio.ensure_future(_ticking(store))
            applies = (_applied_later(bench, number * turn * 4) for number in range(3))
            ended = await asyncio.gather(*applies, return_exceptions=True)
            ticking.cancel()
            assert all(isinstance(each, str | BridgeError) for each in ended), ended
            assert await drifts(bench) == [], f"turn {turn}"
            await bench.perform()
            assert (await facts(bench, "review")).extension["purpose"] == f"turn {turn}"

    on_store(body)


async def _applied_later(bench: Bench, later: int) -> str:
    for _ in range(later):
        await asyncio.sleep(0)
    return await apply_now(bench.ctx, TESTER, bench.connection, bench.idp)


async def _ticking(store: Store) -> None:
    """Time goes by while others work."""
    while True:
        store.clock.advance(seconds=0.001)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
