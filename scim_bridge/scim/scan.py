"""Looking at documents one after the other, where no index knows what a filter asks for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.applications import Link, agents_of, applications_of
from scim_bridge.registry.groups import members_of
from scim_bridge.registry.memberships import Membership, all_groups, direct_groups
from scim_bridge.registry.scope import EVERYTHING, Scope
from scim_bridge.scim import render, selecting
from scim_bridge.scim.agent_view import IDENTIFIER, WZDK, as_agent
from scim_bridge.scim.endpoints import AGENTS, APPLICATIONS, FOREIGN, GROUPS, USERS, Endpoint
from scim_bridge.scim.grammar import Filter
from scim_bridge.scim.mentions import member_ids, mentions
from scim_bridge.scim.plan import Plan
from scim_bridge.scim.render import Head
from scim_bridge.scim.roles import LISTS, group_as, role_ids, with_lists
from scim_bridge.scim.selecting import Key
from scim_bridge.scim.sight import veiled

# A millisecond's work: whoever else wants to run runs in between.
BATCH = 100


class Documents:
    """Rows as documents with just enough in them for a filter to be tested, or a value to be sorted by."""

    def __init__(
        self,
        endpoint: Endpoint,
        base_url: str,
        asked: Filter | None,
        names: Sequence[str] = (),
        scope: Scope = EVERYTHING,
        *,
        entitled: bool = False,
    ) -> None:
        self._endpoint = endpoint
        self._base_url = base_url
        self._scope = scope

        def about(name: str) -> bool:
            return name in names or (asked is not None and mentions(asked, name))

        self._members = endpoint is GROUPS and about("members")
        self._named = None if asked is None or not self._members else member_ids(asked)
        self._lists = entitled and endpoint is USERS and any(about(name) for name in LISTS)
        self._groups = endpoint is not GROUPS and (about("groups") or self._lists)
        self._agents = endpoint is APPLICATIONS and about("agents")
        self._applications = endpoint is AGENTS and about("applications")

    async def of(self, reader: Reader, heads: Sequence[Head]) -> list[dict[str, Any]]:
        """The documents of these rows, in their order."""
        if self._endpoint.name in FOREIGN:
            return [orjson.loads(group_as(self._endpoint, head, self._base_url)) for head in heads]
        if self._endpoint is GROUPS:
            return await self._of_groups(reader, heads)
        if self._endpoint is APPLICATIONS:
            agents = await agents_of(reader, [head.id for head in heads], self._scope) if self._agents else {}
            return [
                orjson.loads(render.application(head, self._base_url, agents.get(head.id, ())))
                for head in heads
            ]
        heads = await veiled(reader, heads, self._scope)
        groups: Mapping[str, list[Membership]] = {}
        if self._groups:
            groups = await all_groups(reader, await direct_groups(reader, [head.id for head in heads]))
        found = [orjson.loads(render.user(head, self._base_url, groups.get(head.id, ()))) for head in heads]
        if self._lists:
            roles = await role_ids(reader)
            return [with_lists(doc, groups.get(doc["id"], ()), roles) for doc in found]
        if self._endpoint is not AGENTS:
            return found
        links = await applications_of(reader, [head.id for head in heads]) if self._applications else {}
        return [_as_either(doc, links.get(doc["id"], ()), self._base_url) for doc in found]

    async def _of_groups(self, reader: Reader, heads: Sequence[Head]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [orjson.loads(render.group(head, self._base_url)) for head in heads]
        if self._named is not None:
            await self._add_named(reader, found, sorted(self._named))
        elif self._members:
            for document in found:
                document["members"] = await self._all_members(reader, document["id"])
        return found

    async def _all_members(self, reader: Reader, group_id: str) -> list[dict[str, Any]]:
        members: list[dict[str, Any]] = []
        after = ""
        while page := await members_of(reader, group_id, after=after, scope=self._scope):
            members += [render.member(self._base_url, *row) for row in page]
            after = page[-1][0]
        return members

    async def _add_named(
        self, reader: Reader, documents: Sequence[dict[str, Any]], named: Sequence[str]
    ) -> None:
        """Give groups only those members the filter names, so that large groups cost nothing."""
        groups = [document["id"] for document in documents]
        too, values = self._scope.also("sb_member", "member_id")
        there = await reader.all(
            f"SELECT group_id, member_id FROM sb_member WHERE member_id {among(reader.backend)}"
            f" AND group_id {among(reader.backend)}{too}",
            listed(reader.backend, named),
            listed(reader.backend, groups),
            *values,
        )
        by_group: dict[str, list[dict[str, Any]]] = {}
        for group_id, member_id in there:
            by_group.setdefault(group_id, []).append({"value": member_id})
        for document in documents:
            if document["id"] in by_group:
                document["members"] = by_group[document["id"]]


def _as_either(document: dict[str, Any], links: Sequence[Link], base_url: str) -> dict[str, Any]:
    """An agent under the identifiers of both drafts: whichever a filter names, it finds."""
    agent = as_agent(document, WZDK) | dict.fromkeys(IDENTIFIER.values(), document["userName"])
    if links:
        agent["applications"] = [render.linked(base_url, "AgenticApplications", link) for link in links]
    return agent


@dataclass(slots=True)
class Scan:
    """Looking through the rows of a plan for those that pass its test.

    Of these, `skip` are passed over and then `want` kept, with their keys; those up to the key `behind` are only
    counted. `all_of_them`: it goes on to the
    end, and `seen` is how many there are. `until` is the instant (monotonic) at which it stops where it is.
    """

    plan: Plan
    documents: Documents
    connection_id: str
    want: int
    skip: int = 0
    all_of_them: bool = True
    until: float = float("inf")
    behind: Key | None = None
    seen: int = 0
    passed: int = 0
    ended: bool = False
    at: Key | None = None
    found: list[tuple[Head, Key]] = field(default_factory=list)

    async def run(self, reader: Reader, after: Key | None = None, *, backwards: bool = False) -> None:
        """Look from a key on, or from the beginning."""
        self.at = after
        while not self.ended and time.monotonic() < self.until:
            rows = await selecting.rows(
                reader, self.plan, self.connection_id, BATCH, after=self.at, backwards=backwards
            )
            heads = selecting.heads_of(rows)
            documents = await self.documents.of(reader, heads)
            for row, head, document in zip(rows, heads, documents, strict=True):
                self.at = selecting.key_of(self.plan.order, row)
                if self.plan.test is None or self.plan.test(document):
                    self.seen += 1
                    self.passed += selecting.is_beyond(self.plan.order, self.at, self.behind)
                    if self.passed > self.skip and len(self.found) < self.want:
                        self.found.append((head, self.at))
                if not self.all_of_them and len(self.found) == self.want:
                    return
            self.ended = len(rows) < BATCH
