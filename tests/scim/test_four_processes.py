"""Four server processes on one PostgreSQL database: sixteen writers on a group of 10,000, and sixteen of one name."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.groups import create_group
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token
from tests.bench.fill import add_people
from tests.conftest import MASTER, TESTER
from tests.scim.processes import serving
from tests.scim.serial import Done, in_time, replayed

PROCESSES, WRITERS, SIZE = 4, 16, 10_000
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MEMBER = (
    "INSERT INTO sb_member (group_id, member_id, kind, display, since, added_by)"
    " VALUES (?, ?, 'person', NULL, ?, 'test')"
)


@dataclass(frozen=True)
class Ground:
    """What the writers find: a token, a group of 10,000, and people who are not in it."""

    token: str
    group: str
    inside: list[str]
    outside: list[str]


async def filled(url: str) -> Ground:
    """A connection, 10,064 people, and a group of 10,000 of them, in direct rows."""
    database = await open_database(url, pool_size=2)
    try:
        clock = SystemClock()
        store = Store(database, clock, UuidV7(clock))

        async def connection(work: Work) -> tuple[str, str]:
            made = await create_connection(work, MASTER, "entra", "entra", dialect="entra")
            return made.id, await create_token(
                work, MASTER, connection_id=made.id, scopes=CONNECTION_SCOPES, label="test"
            )

        connection_id, token = await store.transact(TESTER, connection)
        ids = [person.id for person in await add_people(store, connection_id, range(SIZE + 4 * WRITERS))]

        async def group(work: Work) -> str:
            made = await create_group(work, {"displayName": "Everybody"}, origin="test")
            await work.tx.many(MEMBER, [(made.id, member, work.now) for member in ids[:SIZE]])
            return made.id

        return Ground(token, await store.transact(TESTER, group), ids[:SIZE], ids[SIZE:])
    finally:
        await database.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers write their logs."""
    return tmp_path_factory.mktemp("servers")


class Writer:
    """One client that spreads its calls over all processes and keeps what was acknowledged."""

    def __init__(self, http: httpx2.AsyncClient, bases: list[str], ground: Ground, number: int) -> None:
        self._http, self._bases, self._ground, self._number = http, bases, ground, number
        self._calls = number

    def base(self) -> str:
        """The next process, in turn."""
        self._calls += 1
        return self._bases[self._calls % len(self._bases)]

    async def change(self, member: str, *, joins: bool) -> Done:
        """Add or remove one member; AssertionError unless that is acknowledged."""
        operation: dict[str, Any] = {"op": "add", "path": "members", "value": [{"value": member}]}
        if not joins:
            operation = {"op": "remove", "path": f'members[value eq "{member}"]'}
        began = time.monotonic()
        answer = await self._http.patch(
            f"{self.base()}/Groups/{self._ground.group}", json={"schemas": [PATCH], "Operations": [operation]}
        )
        assert answer.status_code == 204, answer.text
        version = int(answer.headers["etag"].removeprefix('W/"').removesuffix('"'))
        return Done(self._number, member, joins, version, began, time.monotonic())

    async def everything(self) -> list[Done]:
        """Three members of its own come and three go; four everybody fights about come and go."""
        own = self._ground.outside[self._number * 3 : self._number * 3 + 3]
        leaving = self._ground.inside[self._number * 3 : self._number * 3 + 3]
        shared = self._ground.outside[-4:]
        done = []
        for turn in range(3):
            done.append(await self.change(own[turn], joins=True))
            done.append(await self.change(leaving[turn], joins=False))
            fought = shared[(self._number + turn) % 4]
            done.append(await self.change(fought, joins=(self._number + turn // 2) % 2 == 0))
        return done


async def members(http: httpx2.AsyncClient, base: str, ground: Ground) -> tuple[int, frozenset[str]]:
    """Version and members of the group as one process tells them."""
    answer = await http.get(f"{base}/Groups/{ground.group}")
    assert answer.status_code == 200, answer.text[:500]
    version = int(answer.headers["etag"].removeprefix('W/"').removesuffix('"'))
    return version, frozenset(member["value"] for member in answer.json()["members"])


async def sixteen_writers(http: httpx2.AsyncClient, bases: list[str], ground: Ground) -> list[Done]:
    """All that sixteen writers did at once, explained by one serial order and found so in every process."""
    before, _ = await members(http, bases[0], ground)
    writers = [Writer(http, bases, ground, number) for number in range(WRITERS)]
    each = await asyncio.gather(*(writer.everything() for writer in writers))
    done = [change for changes in each for change in changes]
    last, expected = replayed(before, ground.inside, done)
    assert in_time(done)
    for base in bases:
        assert await members(http, base, ground) == (last, expected)
    for change in done:
        if change.member not in ground.outside[-4:]:
            assert (change.member in expected) is change.joins, "nothing acknowledged is lost"
    assert len(expected - set(ground.outside[-4:])) == SIZE
    return done


async def one_name(http: httpx2.AsyncClient, bases: list[str], name: str) -> None:
    """Sixteen create the same userName at once: one 201, fifteen 409."""
    calls = [
        http.post(f"{bases[n % len(bases)]}/Users", json={"userName": name.swapcase() if n % 2 else name})
        for n in range(WRITERS)
    ]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    assert {answer.json()["scimType"] for answer in answers if answer.status_code == 409} == {"uniqueness"}


def audited(url: str, ground: Ground) -> tuple[int, int]:
    """How many memberships the audit log says came and went through the door."""
    with psycopg.connect(url) as database:
        rows = database.execute(
            "SELECT action, CAST(detail AS json) ->> 'count' FROM sb_audit WHERE subject_id = %s"
            " AND action IN ('group.members_added', 'group.members_removed')",
            (ground.group,),
        ).fetchall()
    added = sum(int(count) for action, count in rows if action.endswith("added"))
    return added, sum(int(count) for action, count in rows if action.endswith("removed"))


def test_four_processes_lose_nothing_and_give_each_name_once(
    postgres_url: str, folder: Path, forking: Path
) -> None:
    """C-24, E-04, X-03: sixteen writers on a group of 10,000 members, then sixteen creates of one name, thrice."""
    ground = asyncio.run(filled(postgres_url))

    async def main(bases: list[str]) -> list[Done]:
        headers = {"authorization": f"Bearer {ground.token}", "content-type": "application/scim+json"}
        async with httpx2.AsyncClient(headers=headers, timeout=60.0) as http:
            done = await sixteen_writers(http, bases, ground)
            for name in ("same@corp.test", "Straße", "bot-7"):
                await one_name(http, bases, name)
            return done

    with serving(postgres_url, folder, PROCESSES, forking) as bases:
        done = asyncio.run(main(bases))
    _, expected = replayed(min(change.version for change in done) - 1, ground.inside, done)
    came, went = audited(postgres_url, ground)
    assert SIZE + came - went == len(expected), "the audit log explains who is in"


def test_an_order_that_lost_a_change_is_found_out() -> None:
    one = Done(0, "a", True, 2, 0.0, 1.0)
    two = Done(1, "b", True, 3, 0.5, 1.5)
    assert replayed(1, ["x"], [two, one]) == (3, frozenset("abx"))
    for lost in (
        Done(1, "b", True, 2, 0.5, 1.5),
        Done(1, "b", True, 4, 0.5, 1.5),
        Done(1, "b", True, 1, 0.5, 1.5),
        Done(1, "x", True, 3, 0.5, 1.5),
    ):
        with pytest.raises(AssertionError):
            replayed(1, ["x"], [one, lost])
    assert not in_time([two, Done(0, "a", True, 2, 2.0, 3.0)])
