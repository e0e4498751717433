"""Judging an hour by what was learnt, and learning from it. Pure; both see only whole hours.

The order is always: judge, then learn. An hour that was odd teaches less than it says, so that an attack
does not become what is usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scim_bridge.watch import baseline_rate as rates
from scim_bridge.watch.baseline_model import DAY, WEEK, Finding, Hour, Known, State, slot
from scim_bridge.watch.baseline_novelty import concurrency, novelties, undeclared

# How fast things are forgotten: an hour of the week over some five weeks, the level over three days.
SLOT_RATE = 0.2
LEVEL_RATE = 1 / 72
SPREAD_RATE = 0.01
DENIAL_RATE = 0.002
# New resources and actions over eight days.
FRESH_RATE = 1 / (8 * DAY)
# After so many silent hours an agent counts as gone: silence teaches nothing more until it wakes.
ASLEEP = 7 * DAY
ODD = 5.0


def begun(hour: int) -> State:
    """The state of an agent whose first activity is in this hour."""
    return State(hour, hour, hour)


def judge(
    state: State, seen: Hour, known: Known, declared: frozenset[str], learn_days: int
) -> Iterator[Finding]:
    """What is odd about an hour, which may still be running: counts only grow, so what is odd stays odd.

    Before `learn_days` of history only the use of undeclared tools is told: everything else needs to know
    what is usual.
    """
    if not seen.events:
        return
    yield from undeclared(seen, declared)
    if state.days < learn_days:
        return
    awake = rates.dormant(state, seen)
    if awake is not None:
        # Everything is new to an agent that slept: one alert says so.
        yield awake
    else:
        for rule in (rates.rate, rates.risen, rates.out_of_hours):
            found = rule(state, seen)
            if found is not None:
                yield found
    refused = rates.denials(state, seen)
    if refused is not None:
        yield refused
    yield from novelties(state, seen, known)
    yield from concurrency(state, seen, known)


def learn(state: State, seen: Hour, known: Known) -> State:
    """The state after a whole hour; hours between `state.through` and it were silent."""
    state = passed(state, seen.hour)
    mean, at = rates.expected(state, seen.hour), slot(seen.hour)
    apart = rates.deviation(state, mean)
    taught = float(seen.events)
    if state.days >= 7:
        taught = min(taught, mean + ODD * apart)
    after = _counted(state, at, mean, apart, taught)
    fresh_resources, fresh_actions = _fresh(state, seen, known)
    silent = seen.hour - state.last_active
    return replace(
        after,
        through=seen.hour + 1,
        last_active=seen.hour if seen.events else state.last_active,
        denial=_denial(state, seen),
        fresh_resources=fresh_resources,
        fresh_actions=fresh_actions,
        gap=max(state.gap, silent) if seen.events else state.gap,
    )


def passed(state: State, until: int) -> State:
    """The state after the silent hours up to `until` (not with it)."""
    while state.through < until:
        state = _silent(state, until)
    return state


def _silent(state: State, until: int) -> State:
    hour = state.through
    if hour - state.last_active > ASLEEP:
        # What passed asleep is neither history nor silence that was usual.
        asleep = until - hour
        return replace(state, since=state.since + asleep, through=until)
    mean = rates.expected(state, hour)
    after = _counted(state, slot(hour), mean, rates.deviation(state, mean), 0.0)
    return replace(after, through=hour + 1)


def _counted(state: State, at: int, mean: float, apart: float, events: float) -> State:
    """Means, level, spread and the slow rise after an hour with so many events."""
    weeks = (state.through - state.since) // WEEK
    pace = max(SLOT_RATE, 1.0 / (weeks + 1))
    means, activity = list(state.means), list(state.activity)
    # The level is taken out, so that a busy month is not learnt twice.
    means[at] += pace * (events / max(state.level, 0.2) - means[at])
    activity[at] += pace * ((events > 0) - activity[at])
    level, spread, excess, today, due = state.level, state.spread, 0.0, 0.0, 0.0
    if state.days >= 7:
        off = (events - mean) / apart
        if mean > 0.2:
            level += LEVEL_RATE * min(mean, 5.0) / 5.0 * (min(events / mean, 4.0) * level - level)
            level = min(max(level, 0.1), 20.0)
            scatter = min((events - mean) ** 2 / max(mean, 0.5), 50.0 * state.spread)
            spread = max(1.0, spread + SPREAD_RATE * (scatter - spread))
        excess = max(0.0, state.excess + min(off, rates.MOST_A_STEP) - rates.ALLOWANCE)
        if excess:
            today, due = state.today + events, state.expected_today + mean
    return replace(
        state,
        level=level,
        spread=spread,
        excess=excess,
        today=today,
        expected_today=due,
        means=tuple(means),
        activity=tuple(activity),
    )


def _denial(state: State, seen: Hour) -> float:
    if not seen.events:
        return state.denial
    share = min(seen.denied / seen.events, 4 * state.denial + 0.05)
    weight = min(1.0, DENIAL_RATE * seen.events)
    return state.denial + min(weight, 0.05) * (share - state.denial)


def _fresh(state: State, seen: Hour, known: Known) -> tuple[float, float]:
    """How many new resources and actions a day are usual."""
    resources = sum(value not in known.resources for value in seen.resources)
    actions = sum(value not in known.actions for value in seen.actions)
    # The first two days find everything new: they teach nothing. An odd hour teaches no more than three.
    told = [min(fresh, 3) * DAY * FRESH_RATE if state.days >= 2 else 0.0 for fresh in (resources, actions)]
    kept = (1.0 - FRESH_RATE) ** max(1, seen.hour - state.last_active)
    return kept * state.fresh_resources + told[0], kept * state.fresh_actions + told[1]
