"""Promises of rules that take over what somebody changed at the IdP: what they name, never too much at once."""

from __future__ import annotations

import pytest

from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connection_settings import check_settings
from scim_bridge.registry.drift_rules import parse_drift
from scim_bridge.sync.idp.port import ENABLED
from scim_bridge.sync.mapping import Row
from scim_bridge.sync.mapping_store import keep_mapping
from tests.conftest import TESTER
from tests.sync.drift_bench import drifts, facts, planned, settled, written
from tests.sync.engine_bench import by_login


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
