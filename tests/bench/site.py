"""One bridge that serves one filled database, with what is needed to ask it things and to check what it did."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.bench.compare import Dishonest
from tests.bench.databases import number, query
from tests.bench.fill import group_name, token
from tests.bench.population import agent_name, external_id, owners_of, people_of, person_name, sample
from tests.bench.servers import SECRET, Running, bridge
from tests.bench.table import Place
from tests.bench.traffic import Traffic

SAMPLE = 2000
BASE = "/scim/v2"
_tags = itertools.count(1)


@dataclass(slots=True)
class Site:
    """A running bridge and who is in its database."""

    url: str
    agents: int
    running: Running
    traffic: Traffic
    place: Place
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.running.port

    def agent_names(self, wanted: int = SAMPLE) -> list[str]:
        """userNames of agents from all over the database."""
        return [agent_name(each) for each in sample(self.agents, wanted)]

    def person_names(self, wanted: int = SAMPLE) -> list[str]:
        """userNames of people who own no agents."""
        owners = owners_of(self.agents)
        return [person_name(owners + each) for each in sample(people_of(self.agents) - owners, wanted)]

    def ids_of(self, names: list[str]) -> list[str]:
        """The ids of users, in the order of their names."""
        missing = [name for name in names if name not in self.ids]
        for start in range(0, len(missing), 500):
            listed = ", ".join(f"'{name}'" for name in missing[start : start + 500])
            found = query(
                self.url, f"SELECT name, id FROM sb_resource WHERE space = 'user' AND key IN ({listed})"
            )
            self.ids.update(dict(found))
        return [self.ids[name] for name in names]

    def owner(self) -> str:
        """The id of somebody who owns agents."""
        return self.ids_of([person_name(0)])[0]

    def external_ids(self, names: list[str]) -> list[str]:
        """What the connection calls these users."""
        return [external_id(name) for name in names]

    def group(self, size: int) -> str:
        """The id of the group that was filled with so many members."""
        found = query(
            self.url, f"SELECT id FROM sb_resource WHERE space = 'group' AND name = '{group_name(size)}'"
        )
        return str(found[0][0])

    def count(self, table: str, where: str = "1 = 1") -> int:
        """How many rows there are: what a run really did."""
        return number(self.url, f"SELECT COUNT(*) FROM {table} WHERE {where}")

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One call outside any measurement: status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            headers = {
                "Authorization": f"Bearer {self.traffic.token}",
                "Content-Type": "application/scim+json",
            }
            packed = None if body is None else json.dumps(body)
            connection.request(method, f"{self.traffic.base}{path}", packed, headers)
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, json.loads(raw) if raw else None
        finally:
            connection.close()

    def settled(self, seconds: float = 120.0) -> None:
        """Wait until the worker has sealed what was written and made the calls it was told to make."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            waiting = self.count("sb_audit", "seq IS NULL") + self.count(
                "sb_effect", "state IN ('pending', 'handed')"
            )
            if not waiting:
                return
            time.sleep(0.2)


def tag() -> str:
    """A word no earlier run used, to name what is created."""
    return f"new{next(_tags)}-{time.time_ns() // 1_000_000 % 10**9}"


def expect(condition: bool, said: str) -> None:
    """Dishonest unless the condition holds."""
    if not condition:
        raise Dishonest(said)


@contextmanager
def site(url: str, backend: str, agents: int) -> Iterator[Site]:
    """Start a bridge on a filled database."""
    made = token(url, SECRET)
    with bridge(url) as running:
        found = Site(url, agents, running, Traffic(BASE, made), Place(backend, agents))
        status, body = found.call("GET", "/Users?count=1")
        total = agents + people_of(agents)
        expect(
            status == 200 and body["totalResults"] >= total, f"{total} users expected, got {status} {body}"
        )
        yield found
