"""`python -m tests.chaos.soak --minutes 20 [--report FILE]`: a gentle load for a while, and what grows under it.

The memory of every process as a series with its slope; the rows of every table against what is said to bound them
(`scim_bridge/moving/kept.py`); and, with the clock moved on by years, what the retention duties leave. Exit code 1 when
memory does not stay flat, or a table that traffic makes grow is bounded by nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scim_bridge.app import Bridge
from scim_bridge.duties import jobs_of
from scim_bridge.kernel.clock import DAY, SystemClock
from scim_bridge.kernel.key_holders import Presence
from scim_bridge.moving.kept import TABLES
from tests.chaos import judge
from tests.chaos.crew import resident, used
from tests.chaos.replicas import tree
from tests.chaos.report import broken, words
from tests.chaos.run import Plan, Run, rehearsed
from tests.chaos.site import Site

EVERY = 10.0
MEGABYTE = 2**20
# Beyond it, memory counts as growing: MB an hour, over what is left after the first third (caches fill).
MOST_SLOPE = 12.0
YEARS = 3 * 365


class Ahead(SystemClock):
    """The machine's clock, years later."""

    def now(self) -> int:
        """Now, then."""
        return super().now() + YEARS * DAY


@dataclass
class Watched:
    """What was seen: (seconds, bytes) of each process, rows of each table at the start and the end."""

    postgres: int
    memory: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)

    async def watch(self, run: Run) -> None:
        """Look again and again until the load is over."""
        url = run.site.url
        await asyncio.sleep(EVERY)
        self.first = await asyncio.to_thread(counted, url)
        begun, before = run.crew.now(), run.crew.seconds_used()
        while not run.over:
            for member in run.crew.members.values():
                self._note(member.name, run.crew.now(), resident(member.process.pid))
            self._note("postgresql", run.crew.now(), shared_once(tree(self.postgres)))
            await asyncio.sleep(EVERY)
        self.last = await asyncio.to_thread(counted, url)
        after, wall = run.crew.seconds_used(), run.crew.now() - begun
        self.cores = {name: round((after[name] - before[name]) / wall, 3) for name in after}
        self.cores["postgresql, whole life"] = round(sum(map(used, tree(self.postgres))) / wall, 3)

    def _note(self, name: str, at: float, size: int) -> None:
        self.memory.setdefault(name, []).append((round(at, 1), size))


def shared_once(pids: Sequence[int]) -> int:
    """Bytes of private memory of these processes: what they share would be counted for each."""
    total = 0
    for pid in pids:
        try:
            pages = Path(f"/proc/{pid}/statm").read_text().split()
        except OSError:
            continue
        total += (int(pages[1]) - int(pages[2])) * 4096
    return total


def counted(url: str) -> dict[str, int]:
    """Rows of every table of ours."""
    return {name: judge.rows(url, f"SELECT COUNT(*) AS n FROM {name}")[0]["n"] for name in sorted(TABLES)}


def slope(series: Sequence[tuple[float, int]]) -> float:
    """MB an hour by least squares over the last two thirds of a series."""
    points = series[len(series) // 3 :]
    if len(points) < 3:
        return 0.0
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(size for _, size in points) / len(points)
    over = sum((at - middle) ** 2 for at, _ in points)
    return 3600 * sum((at - middle) * (size - mean) for at, size in points) / over / MEGABYTE


async def retained(bridge: Bridge) -> None:
    """Every retention duty, as if years had gone by, until it finds nothing more."""
    bridge.ctx.store.clock = Ahead()
    named = {kept.job for kept in TABLES.values() if kept.job}
    duties = {
        name: duty
        for name, _, duty in jobs_of(bridge, Presence(bridge.ctx.store, bridge.ctx.master))._periodic
    }
    for name in sorted(named & duties.keys()):
        for _ in range(5):
            await duties[name]()


def memory_of(watched: Watched) -> dict[str, Any]:
    """Each process: first, last and largest MB, and the slope."""
    found = {}
    for name, series in watched.memory.items():
        sizes = [size / MEGABYTE for _, size in series]
        found[name] = {
            "MB first": round(sizes[0], 1),
            "MB after a third": round(sizes[len(sizes) // 3], 1),
            "MB last": round(sizes[-1], 1),
            "MB most": round(max(sizes), 1),
            "MB/hour": round(slope(series), 2),
        }
    return found


def growth_of(watched: Watched, minutes: float) -> list[dict[str, Any]]:
    """Every table that grew: by how much, what bounds it, and what is left years later."""
    found = []
    for name in sorted(watched.last):
        grown = watched.last[name] - watched.first[name]
        if grown:
            kept = TABLES[name]
            line = {
                "table": name,
                "rows": watched.last[name],
                "grown": grown,
                "per minute": round(grown / minutes, 1),
            }
            found.append({**line, "bounded by": kept.bound, "years later": watched.kept.get(name)})
    return found


def unbounded(growth: Sequence[dict[str, Any]]) -> list[str]:
    """Tables that are said to be emptied by a duty, and were not."""
    return [
        f"{line['table']} still has {line['years later']} of {line['rows']} rows"
        for line in growth
        if TABLES[line["table"]].job and (line["years later"] or 0) > line["rows"] / 2
    ]


def main() -> int:
    """Run, look, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--pace", type=float, default=1.5, help="seconds a client rests between calls")
    parser.add_argument("--report", type=Path, help="a file for the report as JSON; the text goes beside it")
    given = parser.parse_args()
    plan = Plan(
        seed=1,
        seconds=given.minutes * 60,
        every=1e9,
        restarts=0,
        web=1,
        workers=1,
        leavers=4,
        pace=given.pace,
        syncs=given.minutes * 60 / 6,
    )
    folder = Path(tempfile.mkdtemp(prefix="soak", dir="/tmp"))
    watched = Watched(0)

    async def watch(run: Run) -> None:
        watched.postgres = run.postgres.pid
        await watched.watch(run)

    def after(site: Site) -> None:
        site.with_bridge(retained)
        watched.kept = counted(site.url)

    try:
        report = rehearsed(plan, folder, watch, after)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    memory, growth = memory_of(watched), growth_of(watched, given.minutes)
    wrong = broken(report)
    wrong += [
        f"{name} grows by {one['MB/hour']} MB/hour"
        for name, one in memory.items()
        # PostgreSQL's processes fill caches of plans on each connection: shown, and nobody's leak here.
        if one["MB/hour"] > MOST_SLOPE and name != "postgresql"
    ]
    wrong += unbounded(growth)
    lines = [words(report), "", "memory:"]
    lines += [f"  {name}: {', '.join(f'{k} {v}' for k, v in one.items())}" for name, one in memory.items()]
    lines += [f"cores used: {watched.cores}", "", "tables that grew:"]
    lines += [
        f"  {one['table']}: +{one['grown']} ({one['per minute']}/min), {one['bounded by']};"
        f" years later {one['years later']}"
        for one in growth
    ]
    lines.append(
        "; ".join(f"BROKEN: {one}" for one in wrong)
        or "Memory is flat, and everything that grows is bounded."
    )
    text = "\n".join(lines)
    print(text)
    if given.report:
        whole = {
            "run": report,
            "memory": memory,
            "series": watched.memory,
            "tables": growth,
            "cores": watched.cores,
        }
        given.report.write_text(json.dumps(whole, indent=1, default=str) + "\n")
        given.report.with_suffix(".txt").write_text(text + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
