"""Rules about what: resources, actions and tools it never used, and being at two places at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scim_bridge.kernel.clock import MINUTE
from scim_bridge.watch.baseline_model import (
    CONCURRENCY,
    HIGH,
    LOW,
    MEDIUM,
    NEW_ACTION,
    NEW_RESOURCE,
    OTHERS,
    UNDECLARED,
    Finding,
    Hour,
    Known,
    State,
)

# An agent that meets more new ones a day than this is no longer surprised by each: only by many at once.
CURIOUS = 0.2
MANY = 3
NAMED = 5
# Acting by turns at two origins within so long is at once; moving from one to the other is not.
AT_ONCE = 10 * MINUTE
TURNS = 3


def novelties(state: State, seen: Hour, known: Known) -> Iterator[Finding]:
    """Resources and actions the agent was never seen with; each agent by how often it meets new ones."""
    parts = (
        (NEW_RESOURCE, "resource", seen.resources, known.resources, state.fresh_resources),
        (NEW_ACTION, "action", seen.actions, known.actions, state.fresh_actions),
    )
    for kind, word, values, old, usual in parts:
        fresh = _others_last(value for value in values if value not in old)
        most = 0 if usual < CURIOUS else 3.0 + 6.0 * usual
        if len(fresh) <= most:
            continue
        events = sum(values[value] for value in fresh)
        why = (
            f"{events} {'event' if events == 1 else 'events'} with {_listed(fresh)}: no such {word} in {state.days:.0f}"
            f" days; {usual:.2f} new ones a day are usual."
        )
        figures = {"new": len(fresh), "events": events, "usualPerDay": round(usual, 3)}
        severity = HIGH if len(fresh) >= 10 else MEDIUM if len(fresh) >= MANY or kind == NEW_ACTION else LOW
        subject = fresh[0] if len(fresh) == 1 else f"{len(fresh)} {word}s"
        yield Finding(kind, severity, why, seen.hour, subject if len(fresh) == 1 else "", figures)


def undeclared(seen: Hour, declared: frozenset[str]) -> Iterator[Finding]:
    """Tools that the agent's own declaration does not name; silent for an agent that declares none.

    Each by itself, and beyond a few all together: who makes up a tool for every call is one oddity, not thousands.
    """
    strange = _others_last(tool for tool in seen.tools if tool.casefold() not in declared) if declared else []
    events = sum(seen.tools[tool] for tool in strange)
    its = f"its declared tools are {', '.join(sorted(declared)[:8])}."
    if len(strange) > NAMED:
        why = f"It used {_listed(strange)} in {events} events: tools it does not declare; {its}"
        figures = {"events": events, "declared": len(declared), "tools": len(strange)}
        severity = HIGH if len(strange) >= 2 * NAMED else MEDIUM
        yield Finding(UNDECLARED, severity, why, seen.hour, "", figures, tuple(strange))
        return
    for tool in strange:
        used = seen.tools[tool]
        why = f"It used the tool {tool} {'once' if used == 1 else f'{used} times'}; {its}"
        yield Finding(UNDECLARED, MEDIUM, why, seen.hour, tool, {"events": used, "declared": len(declared)})


def concurrency(state: State, seen: Hour, known: Known) -> Iterator[Finding]:
    """Two origins by turns within minutes that never acted together before; beyond a few pairs all together."""
    pairs, minutes = [pair for pair in seen.together if pair not in known.together], AT_ONCE // MINUTE
    within = f"by turns within {minutes} minutes; in {state.days:.0f} days"
    if len(pairs) > NAMED:
        why = f"It acted from {_listed(pairs)} {within} none of these pairs was ever at once."
        figures = {"pairs": len(pairs), "minutes": minutes}
        origins = tuple(sorted({origin for pair in pairs for origin in pair.split(" | ")}))
        yield Finding(CONCURRENCY, HIGH, why, seen.hour, "", figures, origins)
        return
    for pair in pairs:
        first, _, second = pair.partition(" | ")
        why = f"It acted from {first} and from {second} {within} these two were never at once."
        between = (first, second)
        yield Finding(CONCURRENCY, HIGH, why, seen.hour, pair, {"origins": pair, "minutes": minutes}, between)


def _others_last(names: Iterable[str]) -> list[str]:
    """In order, and what stands for all that was too much to name behind what has a name."""
    return sorted(names, key=lambda name: (name == OTHERS, name))


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def at_once(acts: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """Pairs of origins that took turns (a, b, a, b) within ten minutes; `acts` are (instant, origin)."""
    ordered = sorted((at, origin) for at, origin in acts if origin)
    runs: list[tuple[int, str]] = []
    for at, origin in ordered:
        if not runs or runs[-1][1] != origin:
            runs.append((at, origin))
    found = {_pair(runs[i : i + TURNS + 1]) for i in range(len(runs) - TURNS)}
    return tuple(sorted(pair for pair in found if pair))


def _pair(turns: Sequence[tuple[int, str]]) -> str:
    origins = [origin for _, origin in turns]
    if turns[-1][0] - turns[0][0] > AT_ONCE or len(set(origins)) != 2:
        return ""
    return " | ".join(sorted(set(origins)))
