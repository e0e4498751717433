"""How fast activity is taken: events a second over HTTP, committed, with its sums, while the worker judges them.

python -m tests.bench.activity [--backend sqlite,postgresql] [--seconds 10] [--agents 200] [--batch 500]

One server process on one core, its clients on the other; on PostgreSQL the database shares both. What was
answered as accepted is compared with what is in the database afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import threading
import time
from statistics import quantiles

import orjson

from scim_bridge.kernel.clock import SystemClock, iso
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.migrations import upgrade
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.tokens import create_token
from tests.bench.databases import databases, number
from tests.bench.servers import SECRET, bridge
from tests.bench.site import expect

WANTED = 5_000
BENCH = Actor("cli", "bench", "bench")


async def prepared(url: str, agents: int) -> str:
    """Make agents agent-0, agent-1, …; a token that may send activity."""
    await upgrade(url)
    database = await open_database(url)
    clock = SystemClock()
    store = Store(database, clock, UuidV7(clock))

    async def body(work: Work) -> str:
        for each in range(agents):
            doc = {"userName": f"agent-{each}@bench.test", AGENT_URN: {"tools": ["search", "mail"]}}
            await create_agent(work, doc, origin="bench", slug=f"agent-{each}")
        # The server's key: it is told the same secret.
        return await create_token(work, MasterKey(SECRET.encode()), connection_id=None, scopes=("activity",))

    try:
        return await store.transact(BENCH, body)
    finally:
        await database.close()


def bodies(client: int, count: int, batch: int, agents: int) -> list[bytes]:
    """So many requests with events no other request has."""
    now = iso(SystemClock().now())
    made = []
    for request in range(count):
        events = [
            {
                "id": f"{client}-{request}-{each}",
                "agent": f"agent-{(each * 7 + request) % agents}",
                "time": now,
                "action": f"tickets.{('read', 'write', 'search')[each % 3]}",
                "resource": f"tickets/{each % 50}",
                "tool": "search" if each % 2 else "mail",
                "outcome": "denied" if each % 97 == 0 else "ok",
                "region": "eu-west-1",
                "cost": each,
            }
            for each in range(batch)
        ]
        made.append(orjson.dumps({"source": "bench", "events": events}))
    return made


class Client(threading.Thread):
    """Sends its bodies one after the other until the time is over; waits when it is told to."""

    def __init__(self, port: int, token: str, made: list[bytes], until: float) -> None:
        super().__init__(daemon=True)
        self._port, self._token, self._made, self._until = port, token, made, until
        self.accepted, self.refused, self.sent = 0, 0, 0
        self.took: list[float] = []

    def run(self) -> None:
        """Send."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        for body in self._made:
            while time.perf_counter() < self._until:
                began = time.perf_counter()
                connection.request("POST", "/activity", body, headers)
                answer = connection.getresponse()
                told = orjson.loads(answer.read())
                if answer.status == 429:
                    self.refused += 1
                    time.sleep(int(answer.headers["retry-after"]))
                    continue
                expect(answer.status == 200 and not told["rejected"], f"{answer.status} {told}")
                self.took.append(time.perf_counter() - began)
                self.accepted += told["accepted"]
                self.sent += 1
                break


def measured(backend: str, seconds: float, agents: int, batch: int, clients: int) -> str:
    """One row of the table."""
    with databases(backend, None) as source:
        url = source.empty()
        token = asyncio.run(prepared(url, agents))
        each = round(seconds * 20_000 / batch / clients) + 1
        made = [bodies(client, each, batch, agents) for client in range(clients)]
        with bridge(url) as running:
            began = time.perf_counter()
            senders = [Client(running.port, token, one, began + seconds) for one in made]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            took = time.perf_counter() - began
            memory = running.memory() / 1e6
        accepted = sum(sender.accepted for sender in senders)
        kept = number(url, "SELECT COUNT(*) FROM sb_activity")
        summed = number(url, "SELECT SUM(events) FROM sb_activity_hour")
        expect(accepted == kept == summed, f"{accepted} accepted, {kept} kept, {summed} summed")
        times = sorted(one for sender in senders for one in sender.took)
        p99 = quantiles(times, n=100)[98] if len(times) > 2 else max(times)
        rate = accepted / took
        refused = sum(sender.refused for sender in senders)
        return (
            f"| {backend} | {agents} | {batch} | {rate:,.0f} | {p99 * 1000:.0f} ms | {refused} | {memory:.0f} MB |"
            f" {'met' if rate >= WANTED else 'missed'} |"
        )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="tests.bench.activity", description=__doc__)
    parser.add_argument("--backend", default="sqlite,postgresql")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--clients", type=int, default=4)
    told = parser.parse_args()
    print("| database | agents | events a request | events/s | p99 of a request | 429 | memory | ≥ 5,000/s |")
    print("|---|---|---|---|---|---|---|---|")
    for backend in told.backend.split(","):
        print(measured(backend, told.seconds, told.agents, told.batch, told.clients), flush=True)


if __name__ == "__main__":
    main()
