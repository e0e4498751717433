"""A company in which everybody owns agents, and a process that tells of many leavers at once.

Run as `python -m tests.departures.crowd DATABASE_URL FROM TO`: HR says that these people left.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.service import reactor
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.signal import Signal
from scim_bridge.signals.service import accept
from tests.conftest import MASTER, TESTER
from tests.departures.house import HR, left


async def gather(store: Store, people: int, agents: int = 1, **extension: Any) -> list[str]:
    """So many people who own so many agents each, every one with a credential; the people's ids."""

    async def body(work: Work) -> list[str]:
        ids = []
        for number in range(people):
            doc = {"userName": f"p{number}@corp.test", "displayName": f"P{number}"}
            ids.append((await create_person(work, doc, origin="test")).id)
            for agent in range(agents):
                slug = f"a{number}-{agent}"
                said = {
                    AGENT_URN: {"owner": {"value": ids[-1]}, **extension},
                    "userName": f"{slug}@agents.test",
                }
                made = await create_agent(
                    work, said, origin="test", slug=slug, runtime_url=f"https://runtime.test/{slug}"
                )
                await register_credential(
                    work,
                    made.id,
                    label="key",
                    kind="api_key",
                    system="vault",
                    reference=f"kv/{slug}",
                    expires=None,
                )
        await create_connection(work, MASTER, "okta", "okta", secrets={"client_id": "x"})
        return ids

    return await store.transact(TESTER, body)


async def tell(store: Store, signal: Signal, rules: Rules = RULES) -> None:
    """Accept a signal by these rules."""
    await store.transact(HR, lambda work: accept(work, signal, reactor(rules)))


async def states(store: Store) -> dict[str, int]:
    """How many cases are in which state."""
    rows = await store.reads.all("SELECT state, COUNT(*) AS n FROM sb_departure GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


async def stopped(store: Store) -> int:
    """How many agents may not act."""
    row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_resource WHERE kind = 'agent' AND active = 0")
    return int(row["n"])


async def main(url: str, first: int, last: int) -> None:
    """Tell of these people, as many at a time as the pool has connections."""
    clock = SystemClock()
    database = await open_database(url, pool_size=4)
    store = Store(database, clock, UuidV7(clock))
    names = [f"p{number}@corp.test" for number in range(first, last)]
    rows = await store.reads.all("SELECT id, name FROM sb_resource WHERE kind = 'person' ORDER BY id")
    ids = [row["id"] for row in rows if row["name"] in set(names)]
    limit = asyncio.Semaphore(4)

    async def one(person_id: str) -> None:
        async with limit:
            await tell(store, left(person_id, clock.now(), key=person_id))

    await asyncio.gather(*(one(person_id) for person_id in ids))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
