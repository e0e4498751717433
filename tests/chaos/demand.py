"""What so many agents ask of processors, and what their history takes: arithmetic over measured costs. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

DAY = 86_400
GIGABYTE = 2**30
# A server of PostgreSQL as large as is commonly rented, and how full it may be at the peak.
SERVER_CORES = 96
FULL = 0.6


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of processor time a request takes: in a replica, and in PostgreSQL."""

    bridge: float
    postgresql: float


@dataclass(frozen=True, slots=True)
class Habit:
    """What one agent causes in a day. `peak`: how much busier the busiest hour is than the average one."""

    decisions: float = 200.0
    reads: float = 1.0
    changes: float = 0.2
    peak: float = 3.0
    kept_days: int = 90


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is kept of a decision, and of a change in the audit log, with indexes."""

    decision: float
    audit: float


def demanded(agents: int, habit: Habit, costs: dict[str, Cost], kept: Bytes) -> dict[str, Any]:
    """Requests a second at the peak, cores of both sides, and gigabytes of history."""
    rates = {"decisions": habit.decisions, "reads": habit.reads, "writes": habit.changes}
    peak = {name: agents * a_day / DAY * habit.peak for name, a_day in rates.items()}
    bridge = sum(peak[name] * costs[name].bridge for name in peak) / 1e6
    server = sum(peak[name] * costs[name].postgresql for name in peak) / 1e6
    return {
        "decisions/s": round(peak["decisions"]),
        "changes/s": round(peak["writes"], 1),
        "cores of replicas": math.ceil(bridge / FULL),
        "cores of PostgreSQL": math.ceil(server / FULL),
        "decisions kept, GB": round(agents * habit.decisions * habit.kept_days * kept.decision / GIGABYTE, 1),
        "audit, GB a year": round(agents * habit.changes * 365 * kept.audit / GIGABYTE, 1),
    }


def most_on_one_server(habit: Habit, costs: dict[str, Cost]) -> int:
    """How many agents with these habits one server of PostgreSQL bears: the limit of an installation."""
    each = habit.decisions * costs["decisions"].postgresql
    each += habit.reads * costs["reads"].postgresql + habit.changes * costs["writes"].postgresql
    return round(SERVER_CORES * FULL * 1e6 / (each / DAY * habit.peak))
