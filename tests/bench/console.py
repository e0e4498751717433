"""How much longer a page of the console takes at very many agents than at a hundred: `python -m tests.bench.console`.

Server time alone: pages are asked of the application in this process, with no socket between. The two sizes take
turns, so that a busy machine slows both; the time this process worked is told beside that of the clock (of
PostgreSQL's own work it knows nothing).
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import orjson

from scim_bridge.kernel.clock import DAY, SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Actor, Store, Work
from tests.bench.databases import Databases, databases
from tests.console.browser import Browser, open_browser

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
    "sync/bench",
    "connect",
    "audit",
    "audit?about=AGENT",
    "audit?action=agent.created",
    "audit/verification",
    "status",
)
PAGES += ("settings",)
SMALL, CHUNK, PAGE = 100, 5_000, 50
HELD_OF, DECISIONS_OF, ALERTS_OF = 100, 3, 1_000
HOLD = (
    "INSERT INTO sb_hold (id, agent_id, source, code, reason, release, placed, placed_by)"
    " VALUES (?, ?, 'admin', 'admin', 'Odd.', 'an admin', ?, 'bench')"
)
ALERT = (
    "INSERT INTO sb_alert (id, agent_id, kind, subject, severity, state, why, figures, evidence, first, last, hour,"
    " hours, response) VALUES (?, ?, 'rate', '', 'medium', 'open', 'Odd.', '{}', '[]', ?, ?, 1, 1, '[]')"
)
DECISION = (
    "INSERT INTO sb_decision (id, at, agent_id, subject, action, resource_type, resource_id, allowed, reasons,"
    " policies, caller_id, caller_name, request_id, subject_type, properties, asked)"
    " VALUES (?, ?, ?, ?, 'read', 'ticket', ?, ?, '[]', '[]', 'g', 'gate', '', 'agent', '{}', '{}')"
)


PUSHED = (
    "INSERT INTO sb_pushed (connection_id, agent_id, remote_id, attributes, written) VALUES (?, ?, ?, ?, ?)"
)
STRANGER = (
    "INSERT INTO sb_stranger (connection_id, remote_id, name, mark, attributes, origin, made, owner, unknown,"
    " first_seen, last_seen, state, agent_id, decided, decided_by, reason)"
    " VALUES (?, ?, ?, '', '{}', '', NULL, '', '', ?, ?, 'open', '', NULL, '', '')"
)
DRIFT = (
    "INSERT INTO sb_drift (id, connection_id, agent_id, slug, attribute, field, ours, theirs, rule, first_seen,"
    " last_seen, changed_by, changed_at, unknown, state, slot, settled, settled_by, reason)"
    " VALUES (?, ?, ?, ?, 'purpose', 'purpose', '\"a\"', '\"b\"', 'report', ?, ?, '', NULL, '', 'open', '', NULL,"
    " '', '')"
)
ATTRIBUTES = orjson.dumps({f"attribute{n}": "A value of some length" for n in range(10)}).decode()


async def lived(store: Store, held_of: int = HELD_OF, alerts_of: int = ALERTS_OF) -> None:
    """What a while of use leaves: some agents held, every second attested, three decisions each, alerts.

    All are kept in step at the connection, which has a drift for each alert and as many objects that are nobody's.
    """
    there = await store.reads.one("SELECT id FROM sb_connection")
    assert there is not None
    at = there["id"]
    ids = [row["id"] for row in await store.reads.all("SELECT id FROM sb_agent ORDER BY id")]
    held = ids[::held_of]
    now, new = store.clock.now(), store.ids.new
    spread, many = 14 * DAY // (len(ids) * DECISIONS_OF), len(ids)
    rows = {
        HOLD: [(new(), each, now) for each in held],
        "UPDATE sb_resource SET active = 0 WHERE id = ?": [(each,) for each in held],
        "UPDATE sb_agent SET attestation_state = 'valid', attested_until = ? WHERE id = ?": [
            (now + 90 * DAY, each) for each in ids[::2]
        ],
        ALERT: [(new(), each, now, now) for each in ids[::alerts_of]],
        PUSHED: [(at, each, f"00u{n}", ATTRIBUTES, now) for n, each in enumerate(ids)],
        STRANGER: [(at, f"00x{n}", f"stranger-{n}", now, now) for n, _ in enumerate(ids[::alerts_of])],
        DRIFT: [(new(), at, each, f"drifted-{n}", now, now) for n, each in enumerate(ids[::alerts_of])],
        DECISION: [
            (new(), now - n * spread, ids[n % many], ids[n % many], f"T-{n % 50}", int(n % 7 > 0))
            for n in range(many * DECISIONS_OF)
        ],
    }
    for statement, values in rows.items():
        for start in range(0, len(values), CHUNK):

            async def body(
                work: Work, statement: str = statement, some: Sequence[Any] = values[start : start + CHUNK]
            ) -> None:
                work.bookkeeping("a benchmark's rows")
                await work.tx.many(statement, some)

            await store.transact(Actor("cli", "bench", "bench"), body)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The store of a database."""
    database = await open_database(url, pool_size=4)
    try:
        clock = SystemClock()
        yield Store(database, clock, UuidV7(clock))
    finally:
        await database.close()


async def addresses(browser: Browser) -> dict[str, str]:
    """The address of each page, by its place in PAGES: of the last agent and group, and the first owner."""
    reads = browser.store.reads
    agent = await reads.one("SELECT slug FROM sb_agent ORDER BY slug DESC LIMIT 1")
    group = await reads.one("SELECT id, name FROM sb_resource WHERE kind = 'group' ORDER BY id DESC LIMIT 1")
    people = (await browser.get("/console/people")).text
    owner = re.search(r'href="/console/people/([^"?]+)"', people)
    assert agent is not None and group is not None and owner is not None
    names = {"AGENT": agent["slug"], "GROUP": group["id"], "OWNER": owner.group(1)}
    names["GROUPNAME"] = quote_plus(f'"{group["name"]}"')
    found = {}
    for page in PAGES:
        address = re.sub("AGENT|GROUPNAME|GROUP|OWNER", lambda one: names[one.group(0)], page)
        found[page] = f"/console{address if address.startswith('?') or not address else '/' + address}"
    return found


@dataclass
class Taken:
    """The seconds each round of a page took, by the clock and of this process's own work."""

    wall: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)

    async def ask(self, browser: Browser, address: str, counts: bool) -> None:
        """Ask for the page once."""
        work, wall = time.process_time(), time.perf_counter()
        answer = await browser.get(address)
        took = time.perf_counter() - wall, time.process_time() - work
        assert answer.status_code == 200, (address, answer.status_code)
        if counts:
            self.wall.append(took[0])
            self.work.append(took[1])


async def measured(few: str, many: str, rounds: int) -> dict[str, tuple[Taken, Taken]]:
    """What each page takes in both databases, turn by turn, after one round that warms."""
    found = {}
    async with (
        opened(few) as small,
        opened(many) as large,
        open_browser(small) as one,
        open_browser(large) as other,
    ):
        both = (one, other)
        told = []
        for browser in both:
            await browser.sign_in()
            told.append(await addresses(browser))
        for page in PAGES:
            taken = (Taken(), Taken())
            for turn in range(rounds + 1):
                for browser, known, into in zip(both, told, taken, strict=True):
                    await into.ask(browser, known[page], turn > 0)
            found[page] = taken
    return found


def filled(source: Databases, agents: int) -> str:
    """A database that was used for a while; its URL."""
    url = source.filled(agents)
    asyncio.run(_used(url, agents))
    return url


async def _used(url: str, agents: int) -> None:
    async with opened(url) as store:
        # Both sizes fill the pages they are asked for: with one row at one and fifty at the other, what would be
        # told is how long fifty rows take.
        await lived(store, min(HELD_OF, agents // PAGE), min(ALERTS_OF, agents // SMALL))
        if store.database.backend == "postgresql":
            for table in ("sb_hold", "sb_alert", "sb_decision", "sb_agent", "sb_audit", "sb_pushed"):
                await store.reads.all(f"ANALYZE {table}")


def main() -> None:
    """Fill two databases, measure, and print a line for each page; 1 when a page is over three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--keep", type=Path, help="a folder where filled databases stay for the next run")
    told = parser.parse_args()
    with databases(told.backend, told.keep) as source:
        few, many = (filled(source, agents) for agents in (SMALL, told.agents))
        found = asyncio.run(measured(few, many, told.rounds))
    worst = 0.0
    print(f"{'':<42} {'median':>29} {'this process alone':>36}")
    for page, pair in found.items():
        said = f"/console/{page:<32}"
        for kind in ("wall", "work"):
            one, other = (statistics.median(getattr(taken, kind)) * 1000 for taken in pair)
            said += f" {one:8.1f} ms {other:8.1f} ms  x {other / one:5.2f}"
            if kind == "work":
                worst = max(worst, other / one)
        print(said, flush=True)
    raise SystemExit(int(worst > 3))


if __name__ == "__main__":
    main()
