"""Promises of the rules: what is usual is silent, what is odd is told with its figures, on days not seen before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.kernel.clock import MINUTE
from scim_bridge.watch.baseline import begun, judge, learn, passed
from scim_bridge.watch.baseline_model import (
    CONCURRENCY,
    DENIALS,
    DORMANT,
    NEW_ACTION,
    NEW_RESOURCE,
    OUT_OF_HOURS,
    RATE,
    UNDECLARED,
    Finding,
    Hour,
    Known,
    State,
    Unreadable,
    state_of,
)
from scim_bridge.watch.baseline_novelty import at_once
from tests.watch.evaluate import run
from tests.watch.synthetic import PLANTED, START

DAY = 24
KNOWN = Known(frozenset({"tickets/*"}), frozenset({"read"}), frozenset())
USUAL = {"resources": {"tickets/*": 5}, "actions": {"read": 5}}


def office(days: int) -> State:
    """An agent that worked from 8 to 18 on weekdays, 20 events an hour, some denied."""
    state = begun(START + 8)
    for hour in range(START + 8, START + days * DAY):
        day, at = divmod(hour - START, DAY)
        if day % 7 < 5 and 8 <= at < 18:
            state = learn(state, Hour(hour, 20 + hour % 5, hour % 3 == 0, **USUAL), KNOWN)
    return passed(state, START + days * DAY)


def found(state: State, seen: Hour, declared: frozenset[str] = frozenset()) -> dict[str, Finding]:
    return {one.kind: one for one in judge(passed(state, seen.hour), seen, KNOWN, declared, 14)}


# A Monday, four weeks on, at ten.
TEN = START + 28 * DAY + 10


def test_a_usual_hour_is_silent_and_a_burst_is_told_with_its_figures() -> None:
    state = office(28)
    for count in (1, 22, 40):
        assert not found(state, Hour(TEN, count, 0, **USUAL))
    burst = found(state, Hour(TEN, 400, 0, **USUAL))[RATE]
    assert burst.severity == "high" and burst.why.startswith("400 events within the hour; 2")
    assert burst.figures["events"] == 400 and 18 < float(burst.figures["expected"]) < 26
    assert RATE not in found(state, Hour(TEN - DAY, 15, 0, **USUAL)), "a few on a Sunday are no burst"


def test_an_odd_hour_is_one_at_which_it_never_works() -> None:
    state = office(28)
    night = found(state, Hour(START + 28 * DAY + 3, 5, 0, **USUAL))[OUT_OF_HOURS]
    assert "Monday after 03:00 UTC" in night.why and "0% of such hours" in night.why
    assert OUT_OF_HOURS not in found(state, Hour(START + 28 * DAY + 7, 5, 0, **USUAL)), "an hour early"
    always = begun(START)
    for hour in range(START, START + 28 * DAY):
        always = learn(always, Hour(hour, 3, 0, **USUAL), KNOWN)
    assert not found(always, Hour(START + 28 * DAY + 3, 5, 0, **USUAL)), "it has no hours of work"


def test_new_things_refusals_and_two_places_at_once_are_each_told() -> None:
    state = office(28)
    seen = Hour(TEN, 24, 20, {"vault/*": 2, "tickets/*": 22}, {"delete": 1}, {}, ("eu | us",))
    told = found(state, seen)
    assert set(told) == {NEW_RESOURCE, NEW_ACTION, DENIALS, CONCURRENCY}
    assert "vault/*" in told[NEW_RESOURCE].why and told[NEW_RESOURCE].subject == "vault/*"
    assert "20 of 24 calls were denied" in told[DENIALS].why
    assert "from eu and from us" in told[CONCURRENCY].why


def test_an_agent_that_meets_new_things_every_day_is_not_told_for_one_more() -> None:
    state, seen = begun(START), Hour(START, 1)
    for hour in range(START, START + 20 * DAY, 6):
        seen = Hour(hour, 5, 0, {f"site-{hour}": 1}, {"read": 5})
        state = learn(state, seen, KNOWN)
    assert not found(state, Hour(seen.hour + 6, 5, 0, {"site-new": 1}, {"read": 5}))
    many = {f"site-x{number}": 1 for number in range(60)}
    assert NEW_RESOURCE in found(state, Hour(seen.hour + 6, 60, 0, many, {"read": 60}))


def test_waking_after_long_is_told_once_and_hides_that_all_else_is_new() -> None:
    state = office(28)
    told = found(state, Hour(START + 80 * DAY + 3, 50, 0, **USUAL))
    assert set(told) == {DORMANT} and "after 54 days" in told[DORMANT].why.replace("53", "54")


def test_before_there_is_history_only_tools_that_were_not_declared_are_told() -> None:
    state = office(10)
    seen = Hour(START + 10 * DAY + 3, 900, 800, {"x": 1}, {"y": 1}, {"Mail": 1, "shell": 2}, ("a | b",))
    told = found(state, seen, frozenset({"mail"}))
    assert set(told) == {UNDECLARED} and told[UNDECLARED].subject == "shell"
    many = dict.fromkeys(("(others)", "a", "b", "c", "d", "e", "f"), 1)
    why = found(state, replace(seen, tools=many), frozenset({"mail"}))[UNDECLARED].why
    assert "a, b, c, d, e and 2 more" in why, "what has a name is named before what has none"
    assert not found(state, seen), "an agent that declares no tools is not held to any"


@pytest.mark.parametrize(
    ("acts", "pairs"),
    [
        ([(0, "a"), (1, "b"), (2, "a"), (3, "b")], ("a | b",)),
        ([(0, "a"), (1, "a"), (2, "b"), (3, "b")], ()),
        ([(0, "a"), (9, "b"), (18, "a"), (27, "b")], ()),
        ([(0, "a"), (1, ""), (2, "a")], ()),
        ([], ()),
    ],
)
def test_moving_from_one_place_to_another_is_not_being_at_both(
    acts: list[tuple[int, str]], pairs: tuple[str, ...]
) -> None:
    assert at_once((at * MINUTE, origin) for at, origin in acts) == pairs


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 10**6), st.integers(0, 100)), max_size=12))
def test_whatever_comes_the_state_stays_a_state_and_is_kept_as_it_is(
    steps: list[tuple[int, int, int]],
) -> None:
    state, hour = begun(START), START
    for ahead, events, denied in steps:
        hour += ahead
        seen = Hour(hour, events, min(denied, events), {str(events): 1}, {"a": 1})
        list(judge(passed(state, hour), seen, KNOWN, frozenset(), 1))
        state = learn(state, seen, KNOWN)
        assert state.through == hour + 1 and state.since <= hour
        assert all(0 <= mean <= 10**7 for mean in state.means) and 0.1 <= state.level <= 20
    kept = state.stored()
    assert len(kept) < 1500 and state_of(kept).stored() == kept
    with pytest.raises(Unreadable):
        state_of(b"\x02" + kept[1:])


def test_planted_oddities_of_days_not_seen_before_are_found_and_false_alarms_are_few() -> None:
    """The floor; `python -m tests.watch.evaluate` tells the whole of it (docs/explanation/anomalies.md)."""
    result = run(seed=3, agents=60, days=35, held_back=7)
    assert sum(result.planted.values()) >= 45 and set(result.planted) == set(PLANTED)
    assert result.detection >= 0.75
    for kind in (UNDECLARED, CONCURRENCY, DORMANT, NEW_ACTION):
        assert result.rate(kind) == 1.0, kind
    assert result.per_hundred(sum(result.false.values())) <= 4
    assert result.per_hundred(result.false_above_low) <= 2.5
