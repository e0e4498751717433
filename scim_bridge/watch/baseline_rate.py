"""Rules about how much and when: too many events, slow rises, odd hours, refusals, an agent that wakes. Pure.

Expected is the mean of the same hour of the week, drawn towards the same hour of similar days while there
are few weeks of it, times how busy the agent is lately. How far counts scatter around it is learnt too: an
agent that works in bursts is allowed bursts.
"""

from __future__ import annotations

from math import sqrt

from scim_bridge.watch.baseline_model import (
    DAY,
    DENIALS,
    DORMANT,
    HIGH,
    MEDIUM,
    OUT_OF_HOURS,
    RATE,
    WEEK,
    Finding,
    Hour,
    State,
    slot,
    weekend,
)

# An hour's count is odd beyond so many of the agent's own standard deviations, and so many times expected.
FAR = 7.0
TIMES = 2.5
FEWEST = 20
# Work that begins an hour early or late is no burst: what the hours beside have counts nearly as much.
BESIDE = 0.8
# A slow rise: what each hour is above its expectation, less an allowance, adds up (CUSUM, in deviations).
ALLOWANCE = 0.6
MOST_A_STEP = 4.0
RISEN = 11.0
# Working hours are told only of an agent that mostly sleeps outside of them.
SCHEDULED = 0.62
NEVER = 0.03
FEWEST_AT_NIGHT = 3
FEWEST_DENIED = 6
SILENT_DAYS = 14


def expected(state: State, hour: int) -> float:
    """How many events an hour should have."""
    return state.level * usual(state, slot(hour))


def usual(state: State, at: int) -> float:
    """The learnt mean of an hour of the week, half its own and half of similar days in the first weeks."""
    weeks = state.days / 7
    own = weeks / (weeks + 3.0)
    means = state.means
    beside = similar(at)
    around = sum(means[other] for other in beside) / len(beside)
    return own * means[at] + (1.0 - own) * around


def similar(at: int) -> tuple[int, ...]:
    """The same hour of day on days of the same kind: the five days of work, or the two of the weekend."""
    return _SIMILAR[at]


_SIMILAR = tuple(
    tuple(other for other in range(WEEK) if other % DAY == at % DAY and weekend(other) == weekend(at))
    for at in range(WEEK)
)


def deviation(state: State, mean: float) -> float:
    """The standard deviation of a count with this mean: wider than chance by what was learnt."""
    return sqrt(state.spread * max(mean, 0.5) + 1.0)


def rate(state: State, seen: Hour) -> Finding | None:
    """Far more events than the hour of the week and the agent's own scatter explain."""
    beside = max(expected(state, seen.hour - 1), expected(state, seen.hour + 1))
    mean = max(expected(state, seen.hour), BESIDE * beside)
    apart = deviation(state, mean)
    if seen.events < FEWEST or seen.events < TIMES * mean or seen.events < mean + FAR * apart:
        return None
    times = seen.events / max(mean, 0.5)
    why = (
        f"{seen.events} events within the hour; {mean:.1f} are usual at this hour of the week"
        f" (standard deviation {apart:.1f})."
    )
    figures = {"events": seen.events, "expected": round(mean, 2), "deviation": round(apart, 2)}
    return Finding(RATE, HIGH if times >= 10 else MEDIUM, why, seen.hour, "burst", figures)


def risen(state: State, seen: Hour) -> Finding | None:
    """More than expected for hours: no hour alone is odd, all of them together are."""
    if state.excess < RISEN or state.today < FEWEST or state.today < 1.6 * state.expected_today:
        return None
    why = (
        f"{state.today:.0f} events since it rose above what is usual, {state.expected_today:.0f} were expected:"
        " hour after hour more than usual."
    )
    figures = {"events": round(state.today), "expected": round(state.expected_today, 1)}
    return Finding(RATE, MEDIUM, why, seen.hour, "rise", figures)


def out_of_hours(state: State, seen: Hour) -> Finding | None:
    """Active at an hour of the week at which it never is, though it has working hours."""
    if seen.events < FEWEST_AT_NIGHT or sum(state.activity) > SCHEDULED * WEEK:
        return None
    at = slot(seen.hour)
    near = max(state.activity[(at + by) % WEEK] for by in (-1, 0, 1))
    alike = [state.activity[other] for by in (-1, 0, 1) for other in similar((at + by) % WEEK)]
    share = sum(alike) / len(alike)
    if near > 0.1 or share > NEVER:
        return None
    day = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[at // DAY]
    why = (
        f"{seen.events} events on {day} after {at % DAY:02d}:00 UTC; in {state.days:.0f} days it was active in"
        f" {share:.0%} of such hours."
    )
    figures = {"events": seen.events, "activeShare": round(share, 4), "days": round(state.days)}
    return Finding(OUT_OF_HOURS, MEDIUM, why, seen.hour, "", figures)


def denials(state: State, seen: Hour) -> Finding | None:
    """Far more refusals than its usual share of as many events."""
    mean = seen.events * state.denial
    if seen.denied < FEWEST_DENIED or seen.denied < mean + 5.0 * sqrt(2.0 * mean + 1.0):
        return None
    share = seen.denied / max(seen.events, 1)
    why = (
        f"{seen.denied} of {seen.events} calls were denied within the hour ({share:.0%});"
        f" {state.denial:.1%} are usual."
    )
    figures = {"denied": seen.denied, "events": seen.events, "usualShare": round(state.denial, 4)}
    return Finding(DENIALS, HIGH if seen.denied >= 50 else MEDIUM, why, seen.hour, "", figures)


def dormant(state: State, seen: Hour) -> Finding | None:
    """Active after a silence far longer than any before."""
    silent = seen.hour - state.last_active
    if seen.events < 1 or silent < SILENT_DAYS * DAY or silent < 2 * state.gap:
        return None
    why = (
        f"Active again after {silent / DAY:.0f} days of silence; its longest silence before was"
        f" {state.gap / DAY:.1f} days."
    )
    figures = {"silentDays": round(silent / DAY, 1), "longestDays": round(state.gap / DAY, 1)}
    return Finding(DORMANT, HIGH if silent >= 60 * DAY else MEDIUM, why, seen.hour, "", figures)
