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
from urllib.parse import quote_plus

from scim_bridge.kernel.clock import DAY, SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Actor, Store, Work
from tests.bench.fill import fill
from tests.console.browser import open_browser

PAGES = (
    *("", "?q=state:held", "?q=env:production+-state:held", "?q=group:GROUPNAME", "?q=owner:OWNER"),
    *("?q=attestation:missing", "agents/AGENT?show=changes", "bulk"),
)
PAGES += ("agents/AGENT", "overview", "people", "people/OWNER", "groups", "groups/GROUP")
PAGES += (
    "departures",
    "attestations",
    "credentials",
    "access",
    "decisions",
    "decisions?show=denied",
    "agents/AGENT/decisions",
    "alerts",
    "sync",
    "audit",
    "audit?about=AGENT",
    "audit?action=agent.created",
    "audit/verification",
    "status",
)
PAGES += ("settings",)
SMALL = 100
HELD_OF, DECISIONS_OF, ALERTS_OF = 100, 3, 1_000


async def lived(url: str, agents: int) -> None:
    """What a while of use leaves: every hundredth agent held, every second attested, decisions, alerts."""
    database = await open_database(url, pool_size=1)
    try:
        clock = SystemClock()
        store = Store(database, clock, UuidV7(clock))
        ids = [row["id"] for row in await store.reads.all("SELECT id FROM sb_agent ORDER BY id")]
        held = ids[::HELD_OF]

        async def body(work: Work) -> None:
            work.bookkeeping("a benchmark's rows")
            await work.tx.many(
                "INSERT INTO sb_hold (id, agent_id, source, code, reason, release, placed, placed_by)"
                " VALUES (?, ?, 'admin', 'admin', 'Odd.', 'an admin', ?, 'bench')",
                [(work.ids.new(), each, work.now) for each in held],
            )
            await work.tx.many("UPDATE sb_resource SET active = 0 WHERE id = ?", [(each,) for each in held])
            await work.tx.many(
                "UPDATE sb_agent SET attestation_state = 'valid', attested_until = ? WHERE id = ?",
                [(work.now + 90 * DAY, each) for each in ids[::2]],
            )
            await work.tx.many(
                "INSERT INTO sb_alert (id, agent_id, kind, subject, severity, state, why, figures, evidence, first,"
                " last, hour, hours, response) VALUES (?, ?, 'rate', '', 'medium', 'open', 'Odd.', '{}', '[]', ?, ?,"
                " 1, 1, '[]')",
                [(work.ids.new(), each, work.now, work.now) for each in ids[::ALERTS_OF]],
            )
            spread = 14 * DAY // (len(ids) * DECISIONS_OF)
            await work.tx.many(
                "INSERT INTO sb_decision (id, at, agent_id, subject, action, resource_type, resource_id, allowed,"
                " reasons, policies, caller_id, caller_name, request_id, subject_type, properties, asked)"
                " VALUES (?, ?, ?, ?, 'read', 'ticket', ?, ?, '[]', '[]', 'g', 'gate', '', 'agent', '{}', '{}')",
                [
                    (
                        work.ids.new(),
                        work.now - n * spread,
                        ids[n % len(ids)],
                        ids[n % len(ids)],
                        f"T-{n % 50}",
                        n % 7 > 0,
                    )
                    for n in range(len(ids) * DECISIONS_OF)
                ],
            )

        await store.transact(Actor("cli", "bench", "bench"), body)
    finally:
        await database.close()


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
                "SELECT id, name FROM sb_resource WHERE kind = 'group' ORDER BY id DESC LIMIT 1"
            )
            people = (await browser.get("/console/people")).text
            owner = re.search(r'href="/console/people/([^"?]+)"', people)
            assert agent is not None and group is not None and owner is not None
            names = {"AGENT": agent["slug"], "GROUP": group["id"], "OWNER": owner.group(1)}
            names["GROUPNAME"] = quote_plus(f'"{group["name"]}"')
            found = {}
            for page in PAGES:
                address = re.sub("AGENT|GROUPNAME|GROUP|OWNER", lambda one: names[one.group(0)], page)
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
            asyncio.run(lived(url, agents))
            found.append(asyncio.run(measured(url, told.rounds)))
    worst = 0.0
    for page in PAGES:
        few, many = found[0][page], found[1][page]
        worst = max(worst, many / few)
        print(
            f"/console/{page:<32} {few * 1000:8.1f} ms {many * 1000:8.1f} ms  x {many / few:.2f}", flush=True
        )
    raise SystemExit(int(worst > 3))


if __name__ == "__main__":
    main()
