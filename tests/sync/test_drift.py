"""Promises about what somebody changes at the IdP: it is seen, told with its author, and settled as a person says."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.errors import BridgeError, Invalid, NotFound, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connection_settings import check_settings
from scim_bridge.registry.drift_rules import DriftRules, parse_drift
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.sync.apply import apply_now
from scim_bridge.sync.desired import buried
from scim_bridge.sync.draft import draft_plan
from scim_bridge.sync.drift import Reading
from scim_bridge.sync.idp.port import ENABLED, IdpError, Observed, Wanted
from scim_bridge.sync.mapping import Row, rule_of, taken_in
from scim_bridge.sync.mapping_store import keep_mapping
from scim_bridge.sync.meaning import meaning_of
from scim_bridge.sync.plan import changes_of, save_plan
from scim_bridge.sync.pushed import Pushed
from scim_bridge.sync.sameness import same
from scim_bridge.sync.service import status
from scim_bridge.sync.taking import take
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.drift_bench import TellingIdp, audited, drifts, facts, settled, written
from tests.sync.engine_bench import by_login, redescribe


async def planned(bench) -> dict[str, dict]:
    plan = await bench.plan()
    return {
        kept.change.slug: dict(kept.change.after) for kept in await changes_of(bench.store.reads, plan.id)
    }


def test_a_foreign_change_is_kept_with_its_author_and_by_default_overwritten(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await written(store)
        assert await drifts(bench) == [] and not idp.asked
        by_login(idp, "triage")["purpose"] = "mining"
        assert await planned(bench) == {"triage": {"purpose": "the triage"}}
        (row,) = await drifts(bench)
        assert (row.slug, row.attribute, row.field, row.rule) == ("triage", "purpose", "purpose", "ours")
        assert (row.ours, row.theirs, row.changed_by) == ("the triage", "mining", "mallory@corp.test")
        assert (row.state, row.first_seen, row.unknown) == ("open", store.clock.now(), "")
        store.clock.advance(seconds=60)
        await bench.plan()
        (again,) = await drifts(bench)
        assert (again.id, again.first_seen) == (row.id, row.first_seen) and again.last_seen > row.last_seen
        assert len(idp.asked) == 1, "the log is asked for what is new"
        (told,) = await audited(bench, "agent.drifted")
        assert told[0] == agents[0] and "mallory@corp.test" in told[1] and "mining" not in told[1]
        assert (await bench.apply()).state == "OK"
        (over,) = await drifts(bench, every=True)
        assert (over.state, over.settled_by) == ("overridden", "scim-bridge")
        assert by_login(idp, "triage")["purpose"] == "the triage"
        assert await planned(bench) == {} and await drifts(bench) == []

    on_store(body)


def test_what_is_asked_about_waits_while_everything_else_is_written(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agents = await written(store, drift="purpose:ask")
        there = by_login(idp, "triage")
        there["purpose"], there["owner"] = "mining", "mallory@corp.test"
        plan = await bench.plan()
        (kept,) = await changes_of(store.reads, plan.id)
        assert kept.change.after == {"owner": "maria@corp.test"}
        assert any(
            "triage: purpose changed at the IdP and left so, to be settled" in note for note in plan.notes
        )
        assert (await status(store.reads, bench.connection)).drifts == 2
        assert (await bench.apply(plan)).state == "OK"
        await redescribe(bench, agents[0], "another purpose")
        await bench.hold(agents[0], "admin")
        await bench.perform()
        assert (there["purpose"], there["owner"], there[ENABLED]) == ("mining", "maria@corp.test", False)
        assert [row.attribute for row in await drifts(bench)] == ["purpose"]
        assert await planned(bench) == {}
        row = await settled(bench, "triage", "purpose", "ours")
        assert row.theirs == "mining" and await drifts(bench) == []
        await bench.perform()
        assert there["purpose"] == "another purpose"
        assert await planned(bench) == {}
        there["purpose"] = "mining again"
        assert await planned(bench) == {}
        assert [row.theirs for row in await drifts(bench)] == ["mining again"], (
            "a new change is asked about anew"
        )

    on_store(body)


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


def test_a_rule_takes_over_what_it_names_and_the_plan_sees_it(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _agents = await written(store, drift="purpose:theirs; enabled:theirs")
        there = by_login(idp, "triage")
        there["purpose"], there[ENABLED] = "sorts tickets", False
        by_login(idp, "review")["purpose"] = None
        by_login(idp, "deploy")["owner"] = "omar@corp.test"
        assert await planned(bench) == {"deploy": {"owner": "maria@corp.test"}}
        assert (await facts(bench, "triage")).extension["purpose"] == "the triage", "a plan changes nothing"
        assert (await bench.apply(perform=False)).total == 1
        found = await facts(bench, "triage")
        assert found.extension["purpose"] == "sorts tickets" and [h.source for h in found.holds] == ["admin"]
        assert (await facts(bench, "review")).extension["purpose"] == "the review"
        states = {(row.slug, row.attribute): row.state for row in await drifts(bench, every=True)}
        assert states == {
            ("triage", "purpose"): "taken",
            ("triage", "enabled"): "taken",
            ("review", "purpose"): "open",
            ("deploy", "owner"): "open",
        }
        await bench.perform()
        assert by_login(idp, "review")["purpose"] is None, "what came back empty is asked about"
        assert by_login(idp, "deploy")["owner"] == "maria@corp.test"

    on_store(body)


def test_what_a_rule_cannot_take_over_says_why_and_waits(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store, drift="owner:theirs")
        by_login(idp, "triage")["owner"] = "stranger@corp.test"
        assert (await bench.apply()).total == 0
        (row,) = await drifts(bench)
        assert (
            row.state == "open" and "nobody is known here by the userName 'stranger@corp.test'" in row.reason
        )
        assert by_login(idp, "triage")["owner"] == "stranger@corp.test"
        await bench.person("stranger@corp.test")
        assert (await bench.apply()).total == 0
        assert [each.state for each in await drifts(bench, every=True)] == ["taken"]
        found = await facts(bench, "triage")
        assert found.owners.owner is not None and found.owners.owner.user_name == "stranger@corp.test"

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


def test_a_workload_id_no_workload_can_have_waits_with_its_reason_and_a_right_one_is_taken(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store)
        rows = [Row("hobby", "workloadId", "in")]
        await bench.store.transact(TESTER, lambda work: keep_mapping(work, bench.connection, rows))
        by_login(idp, "triage")["hobby"] = "spiffe://corp.test/agents//triage"
        assert (await bench.apply()).state == "OK"
        (row,) = await drifts(bench)
        assert row.reason.startswith("not taken over: workloadId") and "empty segment" in row.reason
        by_login(idp, "triage")["hobby"] = "spiffe://corp.test/agents/triage"
        assert (await bench.apply()).state == "OK"
        assert await drifts(bench) == []
        assert (await facts(bench, "triage")).workload_id == "spiffe://corp.test/agents/triage"

    on_store(body)


def test_a_rule_takes_nothing_over_when_it_would_be_too_much_at_once(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store, drift="purpose:theirs", brake_percent="50")
        for kept in idp.objects.values():
            kept["purpose"] = "gone mad"
        assert (await bench.apply()).total == 0
        assert {(row.state, row.rule) for row in await drifts(bench)} == {("open", "theirs")}
        assert (await facts(bench, "triage")).extension["purpose"] == "the triage"
        await settled(bench, "triage", "purpose", "theirs")
        assert (await facts(bench, "triage")).extension["purpose"] == "gone mad"

    on_store(body)


def test_what_they_undo_is_closed_and_a_listing_that_is_not_believed_closes_nothing(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store, drift="purpose:ask")
        by_login(idp, "triage")["purpose"] = "mining"
        await bench.plan()
        by_login(idp, "triage")["purpose"] = "the triage"
        idp.cut = True
        assert (await bench.plan()).state == "held"
        assert len(await drifts(bench)) == 1
        idp.cut = False
        await bench.plan()
        (row,) = await drifts(bench, every=True)
        assert (row.state, row.slug) == ("undone", "triage")

    on_store(body)


def test_a_log_that_cannot_be_read_is_said_and_fails_nothing(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store)
        idp.log_fails = IdpError("memory-403", "E0000006: okta.logs.read is missing", transient=False)
        by_login(idp, "triage")["purpose"] = "mining"
        assert (await bench.plan()).updates == 1
        (row,) = await drifts(bench)
        assert row.changed_by == "" and "okta.logs.read is missing" in row.unknown

    on_store(body)


def test_a_log_that_asks_for_a_pause_is_asked_again_by_the_next_reading(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store, drift="*:ask")
        idp.log_fails = IdpError("memory-429", "too many", transient=True, retry_after=9)
        for kept in idp.objects.values():
            kept["purpose"] = "mining"
        await bench.plan()
        assert {row.unknown for row in await drifts(bench)} == {"not asked yet: too many at once"}
        assert len(idp.asked) == 1, "one refusal is enough"
        idp.log_fails = None
        await bench.plan()
        assert {(row.changed_by, row.unknown) for row in await drifts(bench)} == {("mallory@corp.test", "")}
        await bench.plan()
        assert len(idp.asked) == 4

    on_store(body)


values = st.sampled_from([None, "", "a", "b", True, False])


@given(values, values, values)
def test_drift_is_what_is_neither_as_written_nor_as_wanted(last, theirs, ours) -> None:
    agent = buried("a1", "triage", "t@agents.test")
    live = type(agent)(**{**{name: getattr(agent, name) for name in agent.__slots__}, "deleted": False})
    found = Reading({}, DriftRules()).drifts(
        live, Wanted({"x": ours}), Observed("r1", "a1", "t", {"x": theirs}), Pushed("a1", "r1", {"x": last})
    )
    assert bool(found) is (not same("x", theirs, last) and not same("x", theirs, ours))
    assert Reading({}, DriftRules()).drifts(agent, Wanted({"x": ours}), None, None) == ()


@pytest.mark.parametrize(
    "text",
    ["purpose", "purpose:mine", "porpoise:ours", "purpose:ours;purpose:ask", "enabled:ask", "login:theirs"],
)
def test_a_rule_nobody_could_mean_is_refused_where_it_is_set(text) -> None:
    with pytest.raises(Invalid) as refusal:
        check_settings("okta", {"drift": text})
    assert refusal.value.code == "drift-rules" and refusal.value.fix


def test_rules_are_read_by_our_names_and_never_start_anything() -> None:
    rules = parse_drift(" purpose:theirs; *:ask ;")
    assert [rules.of(name) for name in ("purpose", "riskTier", "", "enabled")] == [
        "theirs",
        "ask",
        "ask",
        "ours",
    ]
    assert parse_drift("*:theirs").of("") == "ours" and parse_drift("*:theirs").of("enabled") == "ours"
    assert parse_drift("").of("purpose") == "ours"


def test_what_a_mapping_makes_of_something_else_means_nothing_of_ours() -> None:
    plain = {"login": "userName", "purpose": "purpose", "owner": "owner", "enabled": "enabled"}
    assert meaning_of(TellingIdp()) == plain
    rows = [
        Row("purpose", "join(purpose, platform)"),
        Row("boss", "owner.userName"),
        Row("risk", "riskTier", when="model"),
        Row("risk", '"high"'),
        Row("why", "purpose", "in"),
    ]
    rules = [rule_of(row) for row in rows]
    kept = {name: plain[name] for name in ("login", "owner", "enabled")}
    assert meaning_of(TellingIdp(), rules) == {**kept, "boss": "owner"}
    assert taken_in(rules) == {"why": "purpose"}
    generic = TellingIdp()
    generic.kind, generic.meaning = "generic", dict  # type: ignore[method-assign, assignment]
    assert meaning_of(generic)[f"{AGENT_URN}:riskTier"] == "riskTier"


def test_what_a_mapping_takes_from_the_idp_is_taken_over_by_each_apply(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store)
        rows = [Row("hobby", "model", "in")]
        await bench.store.transact(TESTER, lambda work: keep_mapping(work, bench.connection, rows))
        by_login(idp, "triage")["hobby"] = "m-7"
        assert await planned(bench) == {}
        assert [(row.attribute, row.field, row.rule) for row in await drifts(bench)] == [
            ("hobby", "model", "theirs")
        ]
        assert (await bench.apply()).state == "OK"
        assert (await facts(bench, "triage")).extension["model"] == "m-7"
        assert by_login(idp, "triage")["hobby"] == "m-7" and await drifts(bench) == []
        by_login(idp, "triage")["hobby"] = None
        assert (await bench.apply()).state == "OK"
        assert (await facts(bench, "triage")).extension["model"] == "m-7", "what is empty there says nothing"

    on_store(body)
