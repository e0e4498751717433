"""`python -m tests.chaos.replicas [--replicas 1,2,4] [--seconds 8]`: throughput by replicas, and where time goes.

Each number of `serve` processes runs alone on the same PostgreSQL, under the same mix: decisions, Okta's lookups and
reads, profile changes. Reported are requests a second and the processor time of the replicas, of PostgreSQL and of the
client, each in cores. A machine has so many cores: once they are used up, more replicas share what there is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.bench.client import drive, request
from tests.bench.traffic import Traffic
from tests.chaos.crew import Crew, used
from tests.chaos.postgres import Postgres
from tests.chaos.site import Site

CLIENTS = 16
MIXES = ("reads", "writes", "decisions")


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def times(pids: list[int]) -> dict[int, float]:
    """Processor time of each."""
    return {pid: used(pid) for pid in pids}


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    """What was used between two looks, by those that lived then and came since."""
    return sum(max(0.0, now - before.get(pid, 0.0)) for pid, now in after.items())


def mixed(site: Site, mix: str, part: int) -> Iterator[bytes]:
    """Requests without end; `part` keeps the writers of two replicas apart."""
    ground = site.ground
    traffic = Traffic("/scim/v2", ground.tokens["okta"])
    ids = [ground.ids[slug] for slug in ground.switched]
    if mix == "writes":
        yield from traffic.titles(ids[part::8] or ids, f"{mix}{part}")
    elif mix == "reads":
        yield from cycle(traffic.get("Users", ids) + traffic.equal("Users", "userName", ["nobody@corp.test"]))
    else:
        asked = [
            json.dumps(
                {
                    "subject": {"type": "agent", "id": slug},
                    "action": {"name": "read"},
                    "resource": {"type": "repository", "id": "storefront"},
                }
            ).encode()
            for slug in ground.switched
        ]
        kind = [("Content-Type", "application/json")]
        # The load generator names SCIM's media type for a body; a gateway's is JSON, and the last one counts.
        token = ground.tokens["access"]
        yield from cycle(
            request("POST", "/access/v1/evaluation", token=token, body=body).replace(
                b"Content-Type: application/scim+json", b"%s: %s" % (kind[0][0].encode(), kind[0][1].encode())
            )
            for body in asked
        )


async def measured(site: Site, postgres: Postgres, crew: Crew, mix: str, seconds: float) -> dict[str, Any]:
    """One mix at the replicas that run now."""
    members = list(crew.members.values())
    pids = {m.process.pid for m in members}

    def look() -> tuple[dict[int, float], dict[int, float], float, float]:
        return times(list(pids)), times(tree(postgres.pid)), used(os.getpid()), time.perf_counter()

    async def at(part: int) -> Any:
        port, share = members[part].port, max(1, CLIENTS // len(members))
        return await drive(port, mixed(site, mix, part), clients=share, seconds=seconds)

    await asyncio.gather(
        *(drive(m.port, mixed(site, mix, n), clients=4, seconds=1.0) for n, m in enumerate(members))
    )
    before = look()
    results = await asyncio.gather(*(at(part) for part in range(len(members))))
    after = look()
    wall = after[3] - before[3]
    statuses: dict[int, int] = {}
    for result in results:
        for status, count in result.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    if any(status >= 400 or status == 0 for status in statuses):
        raise RuntimeError(f"{mix}: {statuses}")
    number = sum(result.requests for result in results)
    every = sorted(one for result in results for one in result.times)
    bridge, server = spent(before[0], after[0]), spent(before[1], after[1])
    return {
        "mix": mix,
        "replicas": len(members),
        "requests/s": round(number / wall),
        "p50 ms": round(1000 * every[len(every) // 2], 2),
        "p99 ms": round(1000 * every[int(len(every) * 0.99)], 2),
        "cores bridge": round(bridge / wall, 2),
        "cores postgresql": round(server / wall, 2),
        "cores client": round((after[2] - before[2]) / wall, 2),
        "us bridge": round(1e6 * bridge / number),
        "us postgresql": round(1e6 * server / number),
    }


async def of(replicas: int, site: Site, postgres: Postgres, seconds: float) -> list[dict[str, Any]]:
    """Every mix with so many replicas."""
    crew = Crew(site.environment, site.folder)
    try:
        await crew.start(replicas, 0)
        await asyncio.sleep(2.0)
        return [await measured(site, postgres, crew, mix, seconds) for mix in MIXES]
    finally:
        crew.stop()


def main() -> None:
    """Run each number of replicas and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.replicas", description=__doc__)
    parser.add_argument("--replicas", default="1,2,4")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--report", type=Path, help="a file for the figures as JSON")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="replicas", dir="/tmp"))
    postgres = Postgres()
    site: Site | None = None
    lines: list[dict[str, Any]] = []
    try:
        site = Site.opened(postgres.url, folder)
        site.furnish(given.agents, 0)
        for number in map(int, given.replicas.split(",")):
            lines += asyncio.run(of(number, site, postgres, given.seconds))
    finally:
        if site is not None:
            site.close()
        postgres.close()
        shutil.rmtree(folder, ignore_errors=True)
    names = list(lines[0])
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for line in sorted(lines, key=lambda one: (MIXES.index(one["mix"]), one["replicas"])):
        print("| " + " | ".join(str(line[name]) for name in names) + " |")
    print(f"{os.cpu_count()} cores; PostgreSQL with fsync on; {CLIENTS} clients, on the same machine.")
    if given.report:
        given.report.write_text(json.dumps(lines, indent=1) + "\n")


if __name__ == "__main__":
    main()
