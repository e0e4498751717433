"""A database with very many agents: the rows an import leaves, written in large transactions.

The documents come from the importer's and the registry's own pure functions; a test holds the rows against
those of a real import (tests/bench/test_bench.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.audit.seal import seal
from scim_bridge.inventory import documents
from scim_bridge.kernel import counters
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.migrations import upgrade
from scim_bridge.registry.agent_creation import INSERT as AGENT_ROW
from scim_bridge.registry.agent_creation import agent_row, created, new_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.groups import create_group
from scim_bridge.registry.model import (
    AGENT,
    PERSON,
    USER_SPACE,
    Owners,
    PersonRef,
    display_name,
    fold,
    indexed,
    pointers,
    primary_email,
    rendered,
)
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token
from tests.bench.population import agent, external_id, owners_of, people_of, person

FILLER = Actor("cli", "bench", "bench")
ORIGIN = "manifest"
CONNECTION = "bench"
CHUNK = 2000
GROUPS = (10, 1_000, 10_000, 100_000)

RESOURCE = (
    "INSERT INTO sb_resource (id, space, kind, key, name, active, version, created, modified, doc, rendered)"
    " VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)"
)
AUDIT = (
    "INSERT INTO sb_audit (id, at, actor_kind, actor_id, actor_name, connection_id, action, subject_kind,"
    " subject_id, outcome, detail, request_id, address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
PERSON_ROW = (
    "INSERT INTO sb_person (id, email, manager_id, department, employment, time_zone)"
    " VALUES (?, ?, NULL, ?, 'active', NULL)"
)
ATTR = "INSERT INTO sb_attr (resource_id, name, key) VALUES (?, ?, ?)"
EXTERNAL = (
    "INSERT INTO sb_external (resource_id, connection_id, space, external_id, since) VALUES (?, ?, ?, ?, ?)"
)
OWNED = "INSERT INTO sb_owner (agent_id, role, person_id, rank, since) VALUES (?, ?, ?, ?, ?)"
MEMBER = "INSERT INTO sb_member (group_id, member_id, kind, display, since, added_by) VALUES (?, ?, 'agent', ?, ?, ?)"


@dataclass(slots=True)
class Rows:
    """Rows waiting to be written, by statement."""

    connection_id: str
    batches: dict[str, list[Sequence[Any]]] = field(default_factory=dict)

    def add(self, statement: str, *values: Any) -> None:
        """One more row."""
        self.batches.setdefault(statement, []).append(values)

    def user(self, work: Work, kind: str, doc: dict[str, Any], served: bytes, version: int) -> str:
        """The rows that agents and people have in common; the id."""
        user_id, name = str(orjson.loads(served)["id"]), str(doc["userName"])
        key, packed = fold(name), orjson.dumps(doc)
        self.add(RESOURCE, user_id, USER_SPACE, kind, key, name, version, work.now, work.now, packed, served)
        for attribute, value in indexed(doc):
            self.add(ATTR, user_id, attribute, value)
        self.add(EXTERNAL, user_id, self.connection_id, USER_SPACE, external_id(name), work.now)
        return user_id

    def audit(self, work: Work, action: str, kind: str, subject: str, detail: dict[str, Any]) -> None:
        """An audit row, as `audit.record` writes it."""
        packed = orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode()
        who = work.actor
        values = (who.kind, who.id, who.name, None, action, kind, subject, "success", packed, "", None)
        self.add(AUDIT, work.ids.new(), work.now, *values)
        work.audited = True

    async def write(self, work: Work) -> None:
        """Write what waits."""
        for statement, rows in self.batches.items():
            await work.tx.many(statement, rows)


def _person_rows(work: Work, rows: Rows, number: int) -> PersonRef:
    doc = documents.person_document(person(number), None)
    person_id = work.ids.new()
    rows.user(work, PERSON, doc, rendered(person_id, doc, True), 1)
    rows.add(PERSON_ROW, person_id, primary_email(doc), person(number).department)
    detail = {"userName": doc["userName"], "origin": ORIGIN}
    rows.audit(work, "person.created", PERSON, person_id, detail)
    return PersonRef(person_id, doc["userName"], display_name(doc), primary_email(doc))


def _agent_rows(work: Work, rows: Rows, number: int, agents: int, owners: Sequence[PersonRef]) -> str:
    entry, owner = agent(number, agents), owners[number % len(owners)]
    answerable = pointers(Owners(owner))
    doc = documents.agent_document(entry, owner.id, (), ())
    made = new_agent(work.ids.new(), doc, answerable, entry.slug, None, work.now)
    agent_id = rows.user(work, AGENT, made.resource.doc, made.rendered, made.resource.version)
    rows.add(AGENT_ROW, *agent_row(made, ORIGIN))
    for role, person_id, rank in answerable.rows:
        rows.add(OWNED, agent_id, role, person_id, rank, work.now)
    rows.audit(work, "agent.created", AGENT, agent_id, created(made, answerable, ORIGIN))
    return agent_id


async def add_people(store: Store, connection_id: str, numbers: Iterable[int]) -> list[PersonRef]:
    """Write these people; references to them."""
    found: list[PersonRef] = []
    for chunk in _chunks(list(numbers)):

        async def body(work: Work, chunk: Sequence[int] = chunk) -> list[PersonRef]:
            rows = Rows(connection_id)
            made = [_person_rows(work, rows, number) for number in chunk]
            await rows.write(work)
            for name in (f"live:{PERSON}", f"live:{USER_SPACE}"):
                await counters.add(work.tx, name, len(made))
            return made

        found += await store.transact(FILLER, body)
    return found


async def add_agents(store: Store, connection_id: str, agents: int, owners: Sequence[PersonRef]) -> list[str]:
    """Write so many agents; their ids in order."""
    found: list[str] = []
    for chunk in _chunks(range(agents)):

        async def body(work: Work, chunk: Sequence[int] = chunk) -> list[str]:
            rows = Rows(connection_id)
            made = [_agent_rows(work, rows, number, agents, owners) for number in chunk]
            await rows.write(work)
            for name in (f"live:{AGENT}", f"live:{USER_SPACE}"):
                await counters.add(work.tx, name, len(made))
            return made

        found += await store.transact(FILLER, body)
    return found


async def add_group(store: Store, name: str, members: Sequence[str]) -> str:
    """Write a group of these agents; its id."""

    async def body(work: Work) -> str:
        group = await create_group(work, {"displayName": name}, origin=ORIGIN)
        for chunk in _chunks(members):
            rows = [(group.id, member, None, work.now, work.actor.name) for member in chunk]
            await work.tx.many(MEMBER, rows)
        return group.id

    return await store.transact(FILLER, body)


def _chunks(items: Any) -> Iterable[Any]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


async def populate(store: Store, master: MasterKey, agents: int) -> None:
    """Connection, people, agents, and groups of 10 to 100,000 members as far as there are agents."""

    async def connection(work: Work) -> str:
        made = await create_connection(work, master, CONNECTION, "okta", dialect="okta-patch")
        return made.id

    connection_id = await store.transact(FILLER, connection)
    people = await add_people(store, connection_id, range(people_of(agents)))
    ids = await add_agents(store, connection_id, agents, people[: owners_of(agents)])
    for size in GROUPS:
        if size <= agents:
            await add_group(store, group_name(size), ids[:size])
    await seal(store, master)


def group_name(size: int) -> str:
    """The displayName of the group with so many members."""
    return f"Group of {size}"


async def _filled(url: str, secret: str, agents: int) -> None:
    await upgrade(url)
    database = await open_database(url, pool_size=2)
    try:
        clock = SystemClock()
        await populate(Store(database, clock, UuidV7(clock)), MasterKey(secret.encode()), agents)
        if database.backend == "postgresql":
            # What autovacuum does within a minute: without it the planner knows nothing of the new rows.
            for table in ("sb_resource", "sb_attr", "sb_external", "sb_member", "sb_agent", "sb_owner"):
                await database.reads.all(f"ANALYZE {table}")
    finally:
        await database.close()


def fill(url: str, secret: str, agents: int) -> None:
    """Migrate the database at `url` and write so many agents, with what belongs to them."""
    asyncio.run(_filled(url, secret, agents))


async def _token(url: str, secret: str) -> str:
    database = await open_database(url, pool_size=1)
    try:
        clock = SystemClock()
        store, master = Store(database, clock, UuidV7(clock)), MasterKey(secret.encode())

        async def body(work: Work) -> str:
            row = await work.tx.one("SELECT id FROM sb_connection WHERE name = ?", CONNECTION)
            assert row is not None
            return await create_token(work, master, connection_id=row["id"], scopes=CONNECTION_SCOPES)

        return await store.transact(FILLER, body)
    finally:
        await database.close()


def token(url: str, secret: str) -> str:
    """A new token of the benchmark's connection."""
    return asyncio.run(_token(url, secret))
