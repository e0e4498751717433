"""How much longer a page of the console takes at very many agents than at a hundred: `python -m tests.bench.console`.

Server time alone: pages are asked of the application in this process, with no socket between.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from pathlib import Path

from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from tests.bench.fill import fill
from tests.console.browser import open_browser

PAGES = ("", "?q=state:held", "agents/AGENT", "overview", "people", "people/OWNER", "groups", "groups/GROUP")
PAGES += (
    "departures",
    "attestations",
    "credentials",
    "access",
    "decisions",
    "alerts",
    "sync",
    "audit",
    "status",
)
PAGES += ("settings",)
SMALL = 100


async def measured(url: str, rounds: int) -> dict[str, float]:
    """The median seconds of each page, after one that warms."""
    database = await open_database(url, pool_size=4)
    try:
        clock = SystemClock()
        store = Store(database, clock, UuidV7(clock))
        async with open_browser(store) as browser:
            await browser.sign_in()
            agent = await store.reads.one("SELECT slug FROM sb_agent ORDER BY slug DESC LIMIT 1")
            group = await store.reads.one(
                "SELECT id FROM sb_resource WHERE kind = 'group' ORDER BY id DESC LIMIT 1"
            )
            people = (await browser.get("/console/people")).text
            owner = re.search(r'href="/console/people/([^"?]+)"', people)
            assert agent is not None and group is not None and owner is not None
            names = {"AGENT": agent["slug"], "GROUP": group["id"], "OWNER": owner.group(1)}
            found = {}
            for page in PAGES:
                address = re.sub("AGENT|GROUP|OWNER", lambda one: names[one.group(0)], page)
                address = f"/console{address if address.startswith('?') or not address else '/' + address}"
                taken = []
                for _ in range(rounds + 1):
                    began = time.perf_counter()
                    answer = await browser.get(address)
                    taken.append(time.perf_counter() - began)
                    assert answer.status_code == 200, (address, answer.status_code)
                found[page] = statistics.median(taken[1:])
            return found
    finally:
        await database.close()


def main() -> None:
    """Fill two databases, measure, and print a line for each page; 1 when a page is over three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for agents in (SMALL, told.agents):
            url = f"sqlite:///{Path(folder, f'{agents}.db')}"
            fill(url, "test master key, thirty-two bytes or more", agents)
            found.append(asyncio.run(measured(url, told.rounds)))
    worst = 0.0
    for page in PAGES:
        few, many = found[0][page], found[1][page]
        worst = max(worst, many / few)
        print(
            f"/console/{page:<14} {few * 1000:8.1f} ms {many * 1000:8.1f} ms  x {many / few:.2f}", flush=True
        )
    raise SystemExit(int(worst > 3))


if __name__ == "__main__":
    main()
