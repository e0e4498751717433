"""Promises of a mapping: which row decides, what the IdP can hold, and what is refused before it is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.errors import Invalid
from scim_bridge.sync.idp.port import ENABLED, DesiredAgent, Target, Wanted
from scim_bridge.sync.mapping import IN, LEAVE, Row, fitted, mapped, rule_of, taken_in, traced
from scim_bridge.sync.mapping_check import checked, row_of
from scim_bridge.sync.mapping_store import keep_mapping, mapping_rows
from tests.conftest import MASTER, TESTER

TARGETS = {
    one.name: one
    for one in (
        Target("title", longest=12),
        Target("purpose", default="purpose"),
        Target("tier", choices=("P1", "P2")),
        Target("tags", several=True),
        Target("flag", kind="boolean"),
        Target("count", kind="integer"),
        Target("mark", fixed="it is the mark"),
    )
}
AGENT = DesiredAgent(
    agent_id="a1",
    slug="triage",
    user_name="triage@agents.test",
    display_name="Triage",
    email="",
    purpose="sorts mail",
    platform="in-house",
    model="",
    environment="production",
    risk_tier="high",
    workload_id="",
    enabled=True,
    more={"custom.team": "Payments"},
)
DEFAULT = Wanted({"purpose": "sorts mail", "mark": "a1", ENABLED: True}, ("triage@agents.test",))


def wanted(*rows: Row, agent: DesiredAgent = AGENT) -> Wanted:
    return mapped([rule_of(row) for row in rows], agent, DEFAULT, TARGETS)


def test_rows_add_change_and_take_away_and_the_first_whose_condition_holds_decides() -> None:
    found = wanted(
        Row("title", '"dev"', when='environment = "dev"'),
        Row("title", 'custom.team + " bot"'),
        Row("purpose", LEAVE),
    )
    assert found.attributes == {"title": "Payments bot"[:12], "mark": "a1", ENABLED: True}
    assert found.match == DEFAULT.match
    unmet = wanted(Row("purpose", '"x"', when="model"))
    assert unmet.attributes == DEFAULT.attributes


def test_a_value_the_idp_cannot_hold_is_left_out_with_a_note_and_never_guessed() -> None:
    found = wanted(Row("tier", "environment"), Row("count", "purpose"), Row("gone", "slug"))
    assert found.attributes == DEFAULT.attributes
    assert len(found.notes) == 3 and "none of P1, P2" in found.notes[0] and "any more" in found.notes[2]


def test_a_row_kept_before_its_target_was_closed_changes_nothing_and_is_told() -> None:
    for source in ('"x"', LEAVE):
        found = wanted(Row("mark", source))
        assert found.attributes == DEFAULT.attributes, "the adapter's own value is written as ever"
        assert found.notes == ("triage: mark is not mapped: it is the mark.",)


def test_a_deleted_agent_is_not_mapped_and_what_drift_may_take_is_not_written() -> None:
    assert wanted(Row("title", "slug"), agent=replace(AGENT, deleted=True)) == DEFAULT
    row = Row("purpose", "purpose", direction=IN)
    assert "purpose" not in wanted(row).attributes
    assert taken_in([rule_of(row)]) == {"purpose": "purpose"}


def test_a_trace_names_every_target_once_decided_with_its_source() -> None:
    rules = [rule_of(row) for row in (Row("title", "slug", when="model"), Row("title", "displayName"))]
    steps = [(s.target, s.source, s.fate, s.value) for s in traced(rules, AGENT, DEFAULT, TARGETS)]
    assert steps == [
        ("purpose", "purpose", "default", "sorts mail"),
        ("mark", "", "default", "a1"),
        (ENABLED, "", "default", True),
        ("title", "slug", "unmet", None),
        ("title", "displayName", "set", "Triage"),
    ]


@given(
    st.sampled_from(list(TARGETS.values())),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text(), max_size=4)
    ),
)
def test_what_is_fitted_is_within_the_target_and_stays_as_it_is(target: Target, value: Any) -> None:
    found, note = fitted(value, target)
    if note:
        assert found is None
        return
    assert fitted(found, target) == (found, "")
    if isinstance(found, str):
        assert found and (not target.longest or len(found) <= target.longest)
        assert not target.choices or found in target.choices


@pytest.mark.parametrize(
    "rows, named, fix",
    [
        ([Row("titel", "slug")], "Row 1 (titel) is no attribute", "Did you mean title?"),
        (
            [Row("title", "slug"), Row("mark", "slug")],
            "Row 2 (mark) cannot be mapped: it is the mark",
            "away",
        ),
        ([Row("title", "slg")], "reads 'slg'", "Did you mean slug?"),
        ([Row("title", "lower(")], "Row 1 (title) cannot be used: The expression ends too early", "value"),
        ([Row("title", "slug", when="slg")], "reads 'slg'", "slug"),
        ([Row("tier", '"P3"')], "none of P1, P2", "another value"),
        ([Row("title", "slug"), Row("title", '"x"', when="model")], "never counts", "first"),
        ([Row("title", "slug", direction="up")], "direction 'up'", "out or in"),
        ([Row("purpose", "lower(purpose)", direction=IN)], "into 'lower(purpose)'", "riskTier"),
    ],
)
def test_a_wrong_row_is_named_with_what_to_do(rows: list[Row], named: str, fix: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(rows, TARGETS)
    assert named in refused.value.message and fix in refused.value.fix


@pytest.mark.parametrize(
    "given_row", [None, [], {"target": "x"}, {"source": "x"}, {"target": "a", "source": "b", "x": 1}]
)
def test_what_is_no_row_in_a_file_is_refused(given_row: object) -> None:
    with pytest.raises(Invalid) as refused:
        row_of(3, given_row)
    assert "Row 3" in refused.value.message


def test_rows_are_kept_in_their_order_audited_and_only_when_they_differ(on_store) -> None:
    from scim_bridge.registry.connections import create_connection

    async def body(store) -> None:
        rows = [Row("title", '"x"', when="model"), Row("title", "slug"), Row("purpose", "purpose", IN)]
        there = await store.transact(TESTER, lambda work: create_connection(work, MASTER, "there", "okta"))
        assert await store.transact(TESTER, lambda work: keep_mapping(work, there, rows))
        assert await mapping_rows(store.reads, there.id) == rows
        assert not await store.transact(TESTER, lambda work: keep_mapping(work, there, rows))
        assert await store.transact(TESTER, lambda work: keep_mapping(work, there, rows[1:]))
        assert await mapping_rows(store.reads, there.id) == rows[1:]
        found = await store.reads.all("SELECT action FROM sb_audit WHERE action = 'mapping.changed'")
        assert len(found) == 2

    on_store(body)
