"""Who may, on what, and what: the searches of AuthZEN 1.0, each a list of what an evaluation would allow.

Candidates are read in the order of their ids and asked one by one, so that a search can never say more than
an evaluation. A page looks at so many candidates at most: one that finds few still comes back soon, with a
token. Gates are not asked: a search uses up no budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from scim_bridge.access.actions import actions_in
from scim_bridge.access.cedar import cedar_type
from scim_bridge.access.decide import judge
from scim_bridge.access.model import Facts, Question
from scim_bridge.access.page import Page, read_page
from scim_bridge.access.policies import Policies
from scim_bridge.access.request import read_sought
from scim_bridge.access.resources import resources_after
from scim_bridge.access.subjects import Premises, subjects_named, subjects_of
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import AGENT

# Candidates read at once, and looked at for one page.
READ = 100
MOST_LOOKED_AT = 1000
TURN = 10

T = TypeVar("T")
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Searches:
    """The three searches over one moment's policies."""

    reader: Reader
    policies: Policies
    premises: Premises

    async def subjects(self, body: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Those of a type who may do this to that: agents by id, people by userName."""
        question = self.premises.resources.completed(read_sought(body, "subject"))
        page = read_page(body, "subject")
        kind = self.premises.kind_of(question.subject_type)
        if kind is None or not self._speaks_of(question):
            return page.answer([], None)

        async def candidates(after: str, count: int) -> Sequence[tuple[str, Facts | None]]:
            rows = await self.reader.all(
                "SELECT id FROM sb_resource WHERE kind = ? AND deleted IS NULL AND id > ? ORDER BY id LIMIT ?",
                kind,
                after,
                count,
            )
            found = {
                facts.id: facts for facts in await subjects_of(self.reader, kind, [r["id"] for r in rows])
            }
            # Who was deleted between the two reads keeps the place: a short list would be taken for the end.
            return [(row["id"], found.get(row["id"])) for row in rows]

        def allowed(facts: Facts | None) -> Result | None:
            if facts is None or not judge(self.policies, question, [facts], now).allowed:
                return None
            if kind == AGENT:
                return {"type": question.subject_type, "id": facts.id, "properties": {"slug": facts.slug}}
            return {"type": question.subject_type, "id": facts.slug}

        return await _paged(page, candidates, allowed)

    async def resources(self, body: Mapping[str, Any], now: int) -> dict[str, Any]:
        """The resources of a type on which the subject may do this: known, declared, or named in decisions."""
        question = read_sought(body, "resource")
        page = read_page(body, "resource")
        found = await self._subject(question)
        if not found or not self._speaks_of(question):
            return page.answer([], None)

        async def candidates(after: str, count: int) -> Sequence[tuple[str, str]]:
            ids = await resources_after(
                self.reader, self.premises.resources, found[0], question.resource_type, after, count
            )
            return [(identity, identity) for identity in ids]

        def allowed(identity: str) -> Result | None:
            asked = self.premises.resources.completed(replace(question, resource_id=identity))
            if not judge(self.policies, asked, found, now).allowed:
                return None
            return {"type": question.resource_type, "id": identity}

        return await _paged(page, candidates, allowed)

    async def actions(self, body: Mapping[str, Any], now: int) -> dict[str, Any]:
        """The actions of the schema that the subject may do to that, in the schema's order."""
        question = self.premises.resources.completed(read_sought(body, "action"))
        page = read_page(body, "action")
        found = await self._subject(question)
        if not found or not self._speaks_of(question):
            return page.answer([], None)
        names = actions_in(self.policies.text.schema)

        async def candidates(after: str, count: int) -> Sequence[tuple[str, str]]:
            begin = int(after) if after.isascii() and after.isdigit() else 0
            return [(str(n + 1), names[n]) for n in range(begin, min(begin + count, len(names)))]

        def allowed(name: str) -> Result | None:
            yes = judge(self.policies, replace(question, action=name), found, now).allowed
            return {"name": name} if yes else None

        return await _paged(page, candidates, allowed)

    async def _subject(self, question: Question) -> list[Facts]:
        kind = self.premises.kind_of(question.subject_type)
        found = [] if kind is None else await subjects_named(self.reader, kind, question.subject_id)
        return found if len(found) == 1 else []

    def _speaks_of(self, question: Question) -> bool:
        return cedar_type(question.resource_type) in self.policies.types


async def _paged(
    page: Page,
    candidates: Callable[[str, int], Awaitable[Sequence[tuple[str, T]]]],
    allowed: Callable[[T], Result | None],
) -> dict[str, Any]:
    """A page of those candidates that are allowed; each stands at a place in an order that never changes."""
    results: list[Result] = []
    after, looked = page.after, 0
    while True:
        batch = await candidates(after, READ)
        for place, candidate in batch:
            if len(results) >= page.limit or looked >= MOST_LOOKED_AT:
                return page.answer(results, after)
            result = allowed(candidate)
            if result is not None:
                results.append(result)
            after = place
            looked += 1
            if looked % TURN == 0:
                await asyncio.sleep(0)
        if len(batch) < READ:
            return page.answer(results, None)
