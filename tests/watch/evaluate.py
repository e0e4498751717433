"""How good the rules are on days they have not seen: detection and false alarms by kind.

python -m tests.watch.evaluate --seed 7 [--agents 200] [--days 35] [--held-back 7]

Rules learn from the first days and go on learning through the held-back ones, as they do in service. An
alert counts once for an agent, kind, subject and day. One that meets an oddity of its own kind detects it;
one that meets another kind's is related; every other one is a false alarm.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field

from scim_bridge.watch.baseline import begun, judge, learn, passed
from scim_bridge.watch.baseline_model import DAY, KINDS, LOW, RATE, Finding, Known, State
from tests.watch.synthetic import PLANTED, RISE, START, Agent, Planted, fleet, hours

LEARN_DAYS = 14
# An oddity is found when an alert comes while it lasts or in the hour after.
SLACK = 1


@dataclass
class Result:
    """What came of one run."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    related: int = 0
    agent_days: int = 0
    false_above_low: int = 0
    examples: list[str] = field(default_factory=list)

    def rate(self, kind: str) -> float:
        """The share of planted oddities of a kind that was found."""
        return self.found[kind] / self.planted[kind] if self.planted[kind] else 1.0

    @property
    def detection(self) -> float:
        """The share of all that were planted."""
        return sum(self.found.values()) / max(1, sum(self.planted.values()))

    def per_hundred(self, count: int) -> float:
        """Alerts a day in a fleet of a hundred agents."""
        return 100 * count / max(1, self.agent_days)


def judged(agent: Agent, days: int, held_back: int) -> list[Finding]:
    """Every finding of the held-back days."""
    state: State | None = None
    resources: set[str] = set()
    actions: set[str] = set()
    together: set[str] = set()
    found: list[Finding] = []
    for seen in hours(agent, days):
        known = Known(frozenset(resources), frozenset(actions), frozenset(together))
        state = state or begun(seen.hour)
        state = passed(state, seen.hour)
        if seen.hour >= START + (days - held_back) * DAY:
            found += judge(state, seen, known, agent.declared, LEARN_DAYS)
        state = learn(state, seen, known)
        resources |= seen.resources.keys()
        actions |= seen.actions.keys()
        together |= set(seen.together)
    return found


def run(seed: int, agents: int = 200, days: int = 35, held_back: int = 7) -> Result:
    """Make a fleet, let the rules judge its held-back days, and compare with what was planted."""
    result = Result(agent_days=agents * held_back)
    for agent in fleet(seed, agents, days, held_back):
        result.planted.update(one.kind for one in agent.planted)
        told = judged(agent, days, held_back)
        result.found.update(one.kind for one in agent.planted if any(_finds(f, one) for f in told))
        seen: set[tuple[str, str, int]] = set()
        for finding in told:
            key = (finding.kind, finding.subject, finding.hour // DAY)
            if key in seen:
                continue
            seen.add(key)
            if any(_finds(finding, one) for one in agent.planted):
                continue
            if any(_meets(finding, one) for one in agent.planted):
                result.related += 1
                continue
            result.false[finding.kind] += 1
            result.false_above_low += finding.severity != LOW
            result.examples.append(f"agent {agent.number} ({agent.shape}) {finding.kind}: {finding.why}")
    return result


def _finds(finding: Finding, one: Planted) -> bool:
    kind = RATE if one.kind == RISE else one.kind
    return finding.kind == kind and _meets(finding, one)


def _meets(finding: Finding, one: Planted) -> bool:
    after = DAY if one.kind == RISE else SLACK
    return one.first <= finding.hour <= one.last + after


def printed(result: Result) -> str:
    """The table of a run."""
    lines = ["| kind | planted | detected | false alarms | a day per 100 agents |", "|---|---|---|---|---|"]
    for kind in PLANTED:
        false = "" if kind == RISE else str(result.false[kind])
        rate = "" if kind == RISE else f"{result.per_hundred(result.false[kind]):.2f}"
        lines.append(
            f"| {kind} | {result.planted[kind]} | {result.found[kind]} ({result.rate(kind):.0%}) | {false} | {rate} |"
        )
    total = sum(result.false[kind] for kind in KINDS)
    found, planted = sum(result.found.values()), sum(result.planted.values())
    lines.append(
        f"| all | {planted} | {found} ({result.detection:.0%}) | {total}, of these {result.false_above_low} above"
        f" low | {result.per_hundred(total):.2f} |"
    )
    return "\n".join(lines)


def main() -> None:
    """Read the arguments, print the table."""
    parser = argparse.ArgumentParser(prog="tests.watch.evaluate", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--days", type=int, default=35)
    parser.add_argument("--held-back", type=int, default=7)
    parser.add_argument("--examples", type=int, default=0, help="print so many false alarms")
    told = parser.parse_args()
    result = run(told.seed, told.agents, told.days, told.held_back)
    print(printed(result))
    for line in result.examples[: told.examples]:
        print(line)


if __name__ == "__main__":
    main()
