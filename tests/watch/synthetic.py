"""Made-up agents and what they did, hour by hour, with oddities planted into the last days.

Everything comes from one seed. The noise is of the kind real fleets have: hours of work in several time
zones, weekends, a holiday, days of deployment with more load and now and then something new, people who work
late, bursts, volume that drifts, agents that move to another region, refusals that come and go. None of
that is planted: an alert about it is a false alarm and counts as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from scim_bridge.kernel.clock import MINUTE
from scim_bridge.watch.baseline_model import (
    CONCURRENCY,
    DENIALS,
    DORMANT,
    NEW_ACTION,
    NEW_RESOURCE,
    OUT_OF_HOURS,
    RATE,
    UNDECLARED,
    Hour,
)
from scim_bridge.watch.baseline_novelty import at_once

DAY = 24
# A Monday's first hour (UTC), in hours since 1970.
START = 492_000 - (492_000 + 72) % 168
RISE = "rate (slow rise)"
PLANTED = (RATE, RISE, NEW_RESOURCE, NEW_ACTION, OUT_OF_HOURS, DENIALS, DORMANT, CONCURRENCY, UNDECLARED)
SHAPES = ("office", "office", "office", "office", "always", "always", "batch", "sparse", "bursty", "dormant")


@dataclass(frozen=True, slots=True)
class Planted:
    """One oddity: from which hour to which (with it), how strong."""

    agent: int
    kind: str
    first: int
    last: int
    strength: float


@dataclass(slots=True)
class Agent:
    """One made-up agent: how it works, and what its declaration says."""

    number: int
    shape: str
    rng: Random
    zone: int
    volume: float
    drift: float
    scatter: float
    resources: list[str]
    actions: list[str]
    tools: list[str]
    declared: frozenset[str]
    denied: float
    origins: list[str]
    curious: float
    moves: int
    ends: int
    run_at: int
    deploys: set[int] = field(default_factory=set)
    planted: list[Planted] = field(default_factory=list)


def fleet(seed: int, agents: int, days: int, held_back: int) -> list[Agent]:
    """So many agents, with one oddity each in about half of them, all in the last `held_back` days."""
    rng = Random(seed)
    made = [_agent(Random(rng.random()), number, days, held_back) for number in range(agents)]
    order = list(range(agents))
    rng.shuffle(order)
    kinds = [PLANTED[i % len(PLANTED)] for i in range(max(len(PLANTED), agents * 9 // 10))]
    for kind in kinds:
        fit = next((number for number in order if _fits(made[number], kind)), None)
        if fit is not None:
            order.remove(fit)
            made[fit].planted.append(_plant(rng, made[fit], kind, days, held_back))
    return made


def _agent(rng: Random, number: int, days: int, held_back: int) -> Agent:
    shape = SHAPES[number % len(SHAPES)]
    volume = math.exp(rng.uniform(math.log(2), math.log(90)))
    tools = [f"tool-{rng.randrange(60)}" for _ in range(rng.randint(1, 6))]
    told = rng.random() < 0.8 or number % 4 == 0
    kind = rng.random()
    regions = ["eu-west-1", "us-east-1", "ap-south-1", "10.2.0.7", "10.9.1.4"]
    rng.shuffle(regions)
    return Agent(
        number,
        shape,
        rng,
        rng.choice((-8, -5, 0, 1, 2, 8)),
        volume if shape != "sparse" else rng.uniform(0.1, 0.6),
        rng.uniform(-0.35, 0.6) / days,
        rng.choice((0.02, 0.1, 0.3)) if shape != "bursty" else rng.uniform(0.8, 1.6),
        [f"system-{rng.randrange(40)}/thing-{i}" for i in range(rng.randint(2, 12))],
        [f"verb-{rng.randrange(20)}" for _ in range(rng.randint(1, 6))],
        tools,
        frozenset(tools) if told else frozenset(),
        rng.choice((0.0, 0.0, 0.005, 0.02, 0.05)),
        regions[:2] if kind < 0.15 else regions[:1],
        rng.uniform(0.3, 1.5) if rng.random() < 0.08 else 0.0,
        rng.randrange(5, days) if kind > 0.92 else -1,
        rng.randint(9, 12) if shape == "dormant" else days,
        rng.randrange(24),
        {rng.randrange(days) for _ in range(rng.randint(0, 3))},
    )


def _fits(agent: Agent, kind: str) -> bool:
    if (agent.shape == "dormant") != (kind == DORMANT):
        return False
    if kind == OUT_OF_HOURS:
        return agent.shape in ("office", "batch")
    if kind in (RATE, RISE, DENIALS):
        return agent.shape not in ("sparse", "dormant") and agent.volume > 5
    if kind == CONCURRENCY:
        return len(agent.origins) == 1 and agent.moves < 0
    return bool(agent.declared) if kind == UNDECLARED else True


def _plant(rng: Random, agent: Agent, kind: str, days: int, held_back: int) -> Planted:
    day = rng.randrange(days - held_back, days - 1)
    if (
        kind in (RATE, RISE, NEW_RESOURCE, NEW_ACTION, DENIALS, UNDECLARED, CONCURRENCY)
        and agent.shape == "office"
    ):
        while day % 7 >= 5 and kind in (RATE, RISE, DENIALS):
            day = rng.randrange(days - held_back, days - 1)
    hour = agent.run_at if agent.shape == "batch" else (rng.randrange(10, 16) - agent.zone) % 24
    if kind == OUT_OF_HOURS:
        hour = (agent.run_at + 12) % 24 if agent.shape == "batch" else (rng.randrange(1, 4) - agent.zone) % 24
    first = START + day * DAY + hour
    strength = {
        RATE: rng.uniform(3, 12),
        RISE: rng.uniform(1.7, 3.5),
        NEW_RESOURCE: rng.randint(1, 5),
        NEW_ACTION: rng.randint(1, 5),
        OUT_OF_HOURS: rng.randint(3, 25),
        DENIALS: rng.uniform(0.1, 0.8),
        DORMANT: rng.randint(1, 40),
        CONCURRENCY: rng.randint(2, 10),
        UNDECLARED: rng.randint(1, 5),
    }[kind]
    lasts = {RATE: rng.randint(0, 2), RISE: 23}.get(kind, 0)
    return Planted(agent.number, kind, first, first + lasts, float(strength))


def hours(agent: Agent, days: int) -> Iterator[Hour]:
    """Every hour in which the agent did something, in order."""
    for number in range(days * DAY):
        seen = _hour(agent, number, days)
        if seen is not None:
            yield seen


def _hour(agent: Agent, number: int, days: int) -> Hour | None:
    rng, at = agent.rng, START + number
    day, fraction = divmod(number, DAY)
    mean = _mean(agent, day, fraction) if day < agent.ends else 0.0
    planted = [one for one in agent.planted if one.first <= at <= one.last]
    for one in planted:
        mean *= one.strength if one.kind in (RATE, RISE) else 1.0
    count = _count(rng, mean, agent.scatter)
    extra = sum(int(one.strength) for one in planted if one.kind in (OUT_OF_HOURS, DORMANT))
    added = [one for one in planted if one.kind in (NEW_RESOURCE, NEW_ACTION, UNDECLARED, CONCURRENCY)]
    if added and not count:
        count = 1
    count += extra + sum(int(one.strength) for one in added)
    if not count:
        return None
    fresh = f"system-{rng.randrange(40)}/new-{number}" if _meets_new(agent, day) else ""
    resources, actions = _split(rng, count, agent.resources), _split(rng, count, agent.actions)
    tools = _split(rng, count, agent.tools)
    if fresh:
        agent.resources.append(fresh)
        resources[fresh] = 1
    share = agent.denied * (8 if day in agent.deploys and rng.random() < 0.1 else 1)
    denied = min(count, _count(rng, count * share, 0.1))
    for one in added:
        into = {NEW_RESOURCE: resources, NEW_ACTION: actions, UNDECLARED: tools}.get(one.kind)
        if into is not None:
            into[f"planted-{one.kind}"] = int(one.strength)
    for one in planted:
        if one.kind == DENIALS:
            denied = min(count, denied + round(count * one.strength))
    swaps = sum(int(one.strength) for one in added if one.kind == CONCURRENCY)
    return Hour(at, count, denied, resources, actions, tools, at_once(_acts(agent, day, count, swaps)))


def _mean(agent: Agent, day: int, hour: int) -> float:
    rng = agent.rng
    local = (hour + agent.zone) % 24
    weekday = (day + (hour + agent.zone) // 24) % 7
    level = agent.volume * max(0.2, 1 + agent.drift * day)
    if day in agent.deploys and 9 <= local < 15:
        level *= rng.uniform(1.1, 2.0)
    if agent.shape in ("office", "dormant"):
        # One holiday for all, and now and then somebody works late.
        if weekday >= 5 or day == 16:
            return level * 0.3 if rng.random() < 0.002 else 0.0
        edge = rng.choice((0, 0, 0, 1))
        if 8 - edge <= local < 18 + edge:
            return level * (0.6 + 0.4 * math.sin(math.pi * (local - 7) / 12))
        return level * 0.2 if 18 <= local < 22 and rng.random() < 0.02 else 0.0
    if agent.shape == "batch":
        return level * 12 if hour == (agent.run_at + (rng.random() < 0.04)) % 24 else 0.0
    if agent.shape == "sparse":
        return agent.volume
    return level * (0.75 + 0.25 * math.sin(math.pi * (local - 6) / 12)) * (0.8 if weekday >= 5 else 1.0)


def _meets_new(agent: Agent, day: int) -> bool:
    rng = agent.rng
    if agent.curious and rng.random() < agent.curious / 12:
        return True
    return day in agent.deploys and rng.random() < 0.015


def _acts(agent: Agent, day: int, count: int, swaps: int) -> list[tuple[int, str]]:
    rng = agent.rng
    home = "eu-central-2" if 0 <= agent.moves <= day else agent.origins[0]
    if len(agent.origins) == 1 and not swaps:
        return [(rng.randrange(60) * MINUTE, home) for _ in range(min(count, 4))]
    other = "198.51.100.7" if swaps else agent.origins[1]
    acts = [
        (rng.randrange(60) * MINUTE, rng.choice((home, other)) if not swaps else home)
        for _ in range(min(count, 40))
    ]
    for turn in range(swaps):
        acts += [((2 * turn) * MINUTE, home), ((2 * turn + 1) * MINUTE, other)]
    return acts


def _split(rng: Random, count: int, values: list[str]) -> dict[str, int]:
    """Events over values, the first ones most often."""
    found: dict[str, int] = {}
    for _ in range(min(count, 6)):
        value = values[int(len(values) * rng.random() ** 2)]
        found[value] = found.get(value, 0) + 1
    return found


def _count(rng: Random, mean: float, scatter: float) -> int:
    """A count with this mean whose variance is wider than chance by `scatter` (gamma and Poisson)."""
    if mean <= 0:
        return 0
    if scatter > 0.01:
        mean *= rng.gammavariate(1 / scatter, scatter)
    if mean > 40:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
