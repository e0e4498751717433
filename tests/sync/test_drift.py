"""Promises about what somebody changes at the IdP: it is seen, told with its author, asked about or overwritten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.work import Store
from scim_bridge.registry.drift_rules import DriftRules
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.sync.desired import buried
from scim_bridge.sync.drift import Reading
from scim_bridge.sync.idp.port import ENABLED, IdpError, Observed, Wanted
from scim_bridge.sync.mapping import Row, rule_of, taken_in
from scim_bridge.sync.meaning import meaning_of
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.pushed import Pushed
from scim_bridge.sync.sameness import same
from scim_bridge.sync.service import status
from tests.sync.drift_bench import TellingIdp, audited, drifts, planned, settled, written
from tests.sync.engine_bench import by_login, redescribe


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
