"""Creates of one Bulk request done together: one transaction, a few statements, however many there are.

Only what is certain to succeed is done this way; the rest is left to be done, and to fail, by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scim_bridge.kernel.errors import BridgeError, Conflict
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_columns import workload_id_in
from scim_bridge.registry.agent_creation import new_agent, slug_of
from scim_bridge.registry.agent_names import workload_ids_taken
from scim_bridge.registry.arrivals import NOBODY, Arrival, arrive, in_use, pointers_to
from scim_bridge.registry.model import AGENT, ENTERPRISE_URN, PERSON, USER_SPACE, Doc, fold
from scim_bridge.registry.owning import owners_named, people_named
from scim_bridge.registry.people import new_person
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import USERS, Endpoint
from scim_bridge.scim.incoming import Incoming, as_stored, completed, read
from scim_bridge.scim.roles import LISTS, offered
from scim_bridge.scim.sight import admits

# What is prepared between two looks at other requests: about a millisecond of work.
AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """One user or agent that a Bulk request creates, read and checked; `number` is its operation's."""

    number: int
    incoming: Incoming
    doc: Doc
    key: str
    people: frozenset[str]

    @property
    def slug(self) -> str:
        """The slug its userName makes; empty for people, who have none."""
        return slug_of(str(self.doc["userName"])) if self.incoming.agent else ""

    @property
    def workload_id(self) -> str | None:
        """The workload id of an agent that has one."""
        return workload_id_in(self.doc) if self.incoming.agent else None


async def create_together(
    call: Call, asked: Mapping[int, tuple[Endpoint, Any]], *, in_order: bool = False
) -> dict[int, str]:
    """Create these (endpoint and data by number of the operation); the ids of those that were.

    Left out: what is refused, what is or may be there already, and what needs more than a row of its own;
    and, when they are to be done `in_order`, all that follow the first of those.
    """
    wanted = await _prepared(call, asked, in_order)
    if not wanted:
        return {}

    async def body(work: Work) -> dict[int, str]:
        return await _created(work, call, wanted, in_order)

    try:
        return await call.transact(body)
    except Conflict:
        # Somebody took a name in the moment between looking and writing: each finds out by itself.
        return {}


async def _prepared(call: Call, asked: Mapping[int, tuple[Endpoint, Any]], in_order: bool) -> list[Wanted]:
    wanted: list[Wanted] = []
    names: set[str] = set()
    external: set[str] = set()
    for count, (number, (endpoint, data)) in enumerate(asked.items(), start=1):
        if count % AT_ONCE == 0:
            await asyncio.sleep(0)
        one = _read(call, number, endpoint, data)
        key = _name(data) if one is None else one.key
        external_id = None if one is None else one.incoming.external_id
        if one is not None and key not in names and external_id not in external:
            wanted.append(one)
        elif in_order:
            break
        # Of two with one name it is the first that gets it, also where it is done by itself.
        names.add(key)
        if external_id is not None:
            external.add(external_id)
    return wanted


def _name(data: Any) -> str:
    """The name a create that could not be read would take."""
    return next((fold(str(value)) for key, value in data.items() if key.casefold() == "username"), "")


def _read(call: Call, number: int, endpoint: Endpoint, data: Any) -> Wanted | None:
    """What an operation creates, None when that is to be found out by itself."""
    if endpoint.space != USER_SPACE:
        return None
    here = replace(call, endpoint=endpoint)
    if endpoint is USERS and offered(call.caller) and any(key.casefold() in LISTS for key in data):
        return None
    try:
        incoming = as_stored(here, read(here, data))
        doc = incoming.doc
        if incoming.agent:
            doc = completed(doc, call.door.settings.agent_mail_domain)
    except BridgeError:
        # It says so when it is done by itself, in its turn.
        return None
    if incoming.agent and (incoming.active is False or not admits(call.caller.scope, doc)):
        return None
    return Wanted(number, incoming, doc, fold(str(doc["userName"])), frozenset(people_named(doc)))


async def _created(work: Work, call: Call, wanted: Sequence[Wanted], in_order: bool) -> dict[int, str]:
    external_ids = [w.incoming.external_id for w in wanted if w.incoming.external_id is not None]
    slugs = [w.slug for w in wanted if w.incoming.agent]
    used = await in_use(work, USER_SPACE, [w.key for w in wanted], external_ids, slugs)
    workloads = {w.workload_id: "" for w in wanted if w.workload_id is not None}
    workloads_used = await workload_ids_taken(work, workloads)
    people = await pointers_to(work, {name for w in wanted for name in w.people}, active=True)
    arrivals: list[Arrival] = []
    made: dict[int, str] = {}
    for one in wanted:
        there = (
            any(one.key in used[what] for what in ("key", AGENT, PERSON))
            or one.incoming.external_id in used["external"]
            or one.workload_id in workloads_used
        )
        if there or not one.people <= people.keys():
            if in_order:
                break
            continue
        arrival = await _arrival(work, one, people, used["slug"])
        if one.workload_id is not None:
            # Of two with one workload id it is the first that gets it, also where it is done by itself.
            workloads_used.add(one.workload_id)
        arrivals.append(arrival)
        made[one.number] = arrival.standing.resource.id
    if not arrivals:
        work.bookkeeping("nothing of it can be created together")
    arrive(work, arrivals, f"connection:{call.caller.connection.name}", taken=_taken)
    return made


def _taken() -> Conflict:
    return Conflict("name-taken", "A name, slug or externalId is already in use.")


async def _arrival(work: Work, one: Wanted, people: Mapping[str, Doc], slugs: set[str]) -> Arrival:
    new_id, external_id = work.ids.new(), one.incoming.external_id
    if not one.incoming.agent:
        person = new_person(new_id, one.doc, one.incoming.active is not False, work.now)
        manager = (one.doc.get(ENTERPRISE_URN) or {}).get("manager") or {}
        return Arrival(replace(person, external_id=external_id), NOBODY, manager.get("value"))
    answerable = await owners_named(work, one.doc, {}, people)
    slug = one.slug if one.slug not in slugs else f"{one.slug[:51]}-{new_id[-12:]}"
    slugs.add(slug)
    agent = new_agent(new_id, one.doc, answerable, slug, None, work.now)
    return Arrival(replace(agent, external_id=external_id), answerable)
