"""Promises of the pure rules: a plan applied leaves nothing to plan, stops win, the brake holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.model import PersonRef
from scim_bridge.sync.brake import Limits, Listing, held, limits_of
from scim_bridge.sync.counts import Counts
from scim_bridge.sync.desired import buried
from scim_bridge.sync.difference import difference
from scim_bridge.sync.digests import desired_digest, plan_digest
from scim_bridge.sync.idp.port import (
    CREATE,
    ENABLED,
    RETIRE,
    UPDATE,
    DesiredAgent,
    ObjectChange,
    Observed,
    Wanted,
)
from scim_bridge.sync.pushed import Pushed, remembered
from scim_bridge.sync.since_planned import left_to_do, moved

AGENT = DesiredAgent(
    agent_id="a1",
    slug="triage",
    user_name="triage@agents.test",
    display_name="Triage",
    email="triage@agents.test",
    purpose="",
    platform="",
    model="",
    environment="",
    risk_tier="",
    workload_id="",
    enabled=True,
)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.integers(0, 3),
    st.lists(st.text(max_size=2), max_size=2),
)
FACTS = st.dictionaries(st.sampled_from(["purpose", "owner", "risk", "holds", "model"]), VALUES, max_size=5)
SWITCHED = st.sampled_from([True, False, None])


def observed(attributes: dict, **more) -> Observed:
    return Observed("r1", "a1", "triage@agents.test", attributes, **more)


def wanting(facts: dict, enabled: bool) -> Wanted:
    return Wanted({**facts, ENABLED: enabled})


def applied(change: ObjectChange | None, attributes: dict) -> dict:
    return attributes if change is None else {**attributes, **change.after}


@given(FACTS, st.booleans(), FACTS, SWITCHED, st.booleans(), st.one_of(st.none(), FACTS), SWITCHED)
def test_once_applied_nothing_is_left_to_do(
    facts, enabled, there, switched, held_there, last, last_switch
) -> None:
    agent = replace(AGENT, enabled=enabled, held_there=held_there)
    wanted = wanting(facts, enabled)
    attributes = {**there, ENABLED: switched}
    pushed = None if last is None else Pushed("a1", "r1", {**last, ENABLED: last_switch})
    first = difference(agent, wanted, observed(attributes), pushed)
    if first.change is not None:
        assert set(first.reasons) == set(first.change.after) == set(first.change.before)
        pushed = Pushed("a1", "r1", remembered(first.change, pushed))
    second = difference(agent, wanted, observed(applied(first.change, attributes)), pushed)
    assert second.change is None
    assert (
        first.change is None
        or not left_to_do(first.change, observed(applied(first.change, attributes))).after
    )


@given(FACTS, st.booleans(), FACTS)
def test_a_created_object_is_as_wanted(facts, enabled, there) -> None:
    agent, wanted = replace(AGENT, enabled=enabled), wanting(facts, enabled)
    first = difference(agent, wanted, None, None)
    assert first.change is not None and first.change.action == CREATE
    pushed = Pushed("a1", "r1", remembered(first.change, None))
    assert difference(agent, wanted, observed(applied(first.change, {})), pushed).change is None
    # Released later: we left it off, so we may switch it on.
    later = difference(AGENT, wanting(facts, True), observed(applied(first.change, {})), pushed)
    assert (later.change is not None) == (not enabled)


@given(FACTS, FACTS, SWITCHED, st.booleans(), st.one_of(st.none(), SWITCHED))
def test_what_the_idp_switched_off_is_never_switched_on_by_us(
    facts, there, switched, held_there, last
) -> None:
    agent = replace(AGENT, held_there=held_there)
    pushed = None if last is None else Pushed("a1", "r1", {ENABLED: last})
    change = difference(agent, wanting(facts, True), observed({**there, ENABLED: switched}), pushed).change
    switches_on = change is not None and change.after.get(ENABLED) is True
    if held_there or (switched is False and last is not False):
        assert not switches_on
    elif not switched:
        assert switches_on


@given(FACTS, FACTS, st.booleans(), st.one_of(st.none(), SWITCHED))
def test_a_stop_is_always_written(facts, there, held_there, last) -> None:
    agent = replace(AGENT, enabled=False, held_there=held_there, holds=("the owner left",))
    pushed = None if last is None else Pushed("a1", "r1", {ENABLED: last})
    found = difference(agent, wanting(facts, False), observed({**there, ENABLED: True}), pushed)
    assert found.change is not None and found.change.after[ENABLED] is False
    assert "the owner left" in found.reasons[ENABLED]


def test_a_stop_that_was_there_before_ours_is_not_ours_to_undo() -> None:
    stopped = replace(AGENT, enabled=False)
    there = {"purpose": "x", ENABLED: False}
    found = difference(stopped, wanting({"purpose": "y"}, False), observed(there), None)
    assert found.change is not None and ENABLED not in found.change.after
    pushed = Pushed("a1", "r1", remembered(found.change, None))
    released = difference(
        AGENT, wanting({"purpose": "y"}, True), observed({"purpose": "y", ENABLED: False}), pushed
    )
    assert released.change is None and "not by us" in released.notes[0]


def test_reasons_say_who_changed_what() -> None:
    pushed = Pushed("a1", "r1", {"a": 1, "b": 1, "c": 1, ENABLED: True})
    there = {"a": 1, "b": 2, "c": 3, "d": 4, ENABLED: True}
    found = difference(AGENT, wanting({"a": 2, "b": 1, "c": 2, "d": 1}, True), observed(there), pushed)
    assert found.reasons == {
        "a": "changed here",
        "b": "changed at the IdP since it was last written",
        "c": "changed here and at the IdP",
        "d": "not written before",
    }


def test_a_deleted_agent_is_retired_and_nothing_else_of_it_is_touched() -> None:
    gone = buried("a1", "triage", "triage@agents.test")
    wanted = Wanted({ENABLED: False, "retired": True})
    there = {"purpose": "x", ENABLED: True, "retired": None}
    found = difference(gone, wanted, observed(there), Pushed("a1", "r1", {"purpose": "x", ENABLED: True}))
    assert found.change is not None and found.change.action == RETIRE
    assert found.change.after == {ENABLED: False, "retired": True}
    assert difference(gone, wanted, observed(applied(found.change, there)), None).change is None
    assert difference(gone, wanted, None, None).change is None


def test_a_frozen_object_is_a_note_and_never_an_endless_change() -> None:
    frozen = observed({"purpose": "x", ENABLED: False}, frozen="it is deactivated there")
    found = difference(AGENT, wanting({"purpose": "y"}, True), frozen, Pushed("a1", "r1", {ENABLED: False}))
    assert found.change is None and any("deactivated" in note for note in found.notes)


CHANGES = st.lists(
    st.builds(
        ObjectChange,
        agent_id=st.text("abc", min_size=1, max_size=3),
        slug=st.just("s"),
        action=st.sampled_from([CREATE, UPDATE, RETIRE]),
        remote_id=st.one_of(st.none(), st.text("xyz", max_size=2)),
        before=FACTS,
        after=FACTS,
        wanted=FACTS,
    ),
    max_size=5,
    unique_by=lambda change: change.agent_id,
)


@given(CHANGES, st.randoms())
def test_the_digest_of_a_plan_says_what_it_does_not_in_which_order(changes, random) -> None:
    shuffled = [
        replace(c, after=dict(sorted(c.after.items(), reverse=True)), slug="other name") for c in changes
    ]
    random.shuffle(shuffled)
    assert plan_digest("c", changes) == plan_digest("c", shuffled)
    if changes:
        other = [replace(changes[0], after={**changes[0].after, "purpose": "something else"}), *changes[1:]]
        assert plan_digest("c", changes) != plan_digest("c", other)
    assert plan_digest("c", changes) != plan_digest("d", changes)


def test_the_digest_of_an_agent_changes_with_anything_said_of_it() -> None:
    owner = PersonRef("p1", "maria@corp.test", "Maria", "maria@corp.test")
    others = [
        replace(AGENT, owner=owner),
        replace(AGENT, enabled=False),
        replace(AGENT, holds=("x",)),
        replace(AGENT, purpose="p"),
        replace(AGENT, held_there=True),
    ]
    digests = {desired_digest(agent) for agent in (AGENT, *others)}
    assert len(digests) == len(others) + 1 and desired_digest(replace(AGENT)) == desired_digest(AGENT)


@given(FACTS, FACTS, FACTS)
def test_a_plan_has_moved_exactly_when_a_planned_attribute_is_neither_old_nor_new(there, wanted, now) -> None:
    change = difference(AGENT, Wanted(wanted), observed(there), None).change
    if change is None:
        return
    assert moved(change, observed(there)) == ""
    assert moved(change, observed(applied(change, there))) == ""
    assert moved(change, None)
    if text := moved(change, observed(now)):
        assert any(name in text for name in change.after)


def test_an_object_that_appeared_since_the_plan_is_not_adopted_behind_anybodys_back() -> None:
    change = difference(AGENT, wanting({}, True), None, None).change
    assert change is not None and moved(change, None) == ""
    assert moved(change, Observed("r9", "a1", "ours", {})) == "", "made by an attempt whose answer was lost"
    assert "appeared" in moved(change, Observed("r9", "", "theirs", {}))


@given(st.integers(1, 500), st.integers(0, 500))
def test_an_empty_listing_is_never_believed(known, retires) -> None:
    assert held(Limits(), Listing(True, 0, known, 0), Counts(retires=retires))
    assert held(Limits(10**6, 100), Listing(True, 0, known, 0), Counts())


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 50), st.integers(0, 50), st.integers(0, 100))
def test_the_brake_is_monotonic(known, missing, retires, count, percent) -> None:
    missing = min(missing, known)
    limits = Limits(count, percent)
    listing = Listing(True, known + 1, known, known - missing)
    if held(limits, listing, Counts(retires=retires)):
        worse = Listing(True, known + 1, known, max(0, known - missing - 1))
        assert held(limits, worse, Counts(retires=retires))
        assert held(limits, listing, Counts(retires=retires + 1))
    assert held(limits, replace(listing, complete=False), Counts())
    quiet = Listing(True, known + 1, known, known)
    assert held(limits, quiet, Counts(creates=1000, updates=1000)) == ""


def test_the_brake_says_what_stopped_it() -> None:
    assert held(Limits(), Listing(True, 30, 30, 30), Counts(retires=11)).startswith("11 of 30 agents")
    assert held(Limits(), Listing(True, 10, 10, 10), Counts(retires=3)).startswith("3 of 10 agents")
    assert held(Limits(), Listing(True, 10, 10, 10), Counts(retires=2)) == ""
    assert held(Limits(), Listing(True, 20, 40, 20), Counts()).startswith("20 of 40 objects")


@pytest.mark.parametrize("value", ["", "-1", "ten", "1e3", "101", "²"])
def test_a_brake_setting_that_is_no_number_is_refused(value) -> None:
    with pytest.raises(Invalid):
        limits_of({"brake_percent": value})
    assert limits_of({"brake_percent": "50", "brake_count": "3"}) == Limits(3, 50)
