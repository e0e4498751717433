"""Access for a time: it ends at the decision, then as a membership, at the IdPs too, and every step is audited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from scim_bridge.access.decide import decide
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import HOUR, ManualClock, iso
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry import grants
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.groups import add_members, groups_of, remove_members
from tests.conftest import TESTER

OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]
EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "agents.yaml"
QUERY = Question("agent", "code-review", "read", "dataset", "orders")
POLICIES = load_policies()


class Lent:
    """code-review, and the group data-warehouse-read it is not in."""

    def __init__(self, store: Store, agent: str, group: str) -> None:
        self.store, self.agent, self.group = store, agent, group

    async def grant(self, until: int, why: str = "incident 4711") -> bool:
        return await self.store.transact(
            TESTER, lambda work: grants.grant(work, self.agent, self.group, until, why)
        )

    async def do(self, change: Callable[[Work], Awaitable[Any]]) -> Any:
        return await self.store.transact(TESTER, change)

    async def allowed(self) -> bool:
        return (await decide(self.store.reads, POLICIES, QUERY, self.store.clock.now())).allowed

    async def inside(self) -> bool:
        return self.group in [one for one, _ in (await groups_of(self.store.reads, [self.agent]))[self.agent]]

    async def audited(self, action: str) -> list[Any]:
        rows = await self.store.reads.all("SELECT detail FROM sb_audit WHERE action = ? ORDER BY id", action)
        return [orjson.loads(row["detail"]) for row in rows]


def with_lent(on_store: OnStore, body: Callable[[Lent], Awaitable[None]]) -> None:
    async def main(store: Store) -> None:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        found = await find_agent(store.reads, "code-review")
        assert found is not None
        group, _ = await grants.group_named(store.reads, "Data-Warehouse-Read")
        await body(Lent(store, found.resource.id, group))

    on_store(main)


def test_a_grant_counts_until_its_end_and_not_a_moment_longer(on_store: OnStore, clock: ManualClock) -> None:
    async def body(lent: Lent) -> None:
        assert await lent.allowed() is False
        end = clock.now() + HOUR
        assert await lent.grant(end) is True
        assert await lent.allowed() is True
        clock.advance(seconds=3599.999999)
        assert await lent.allowed() is True
        clock.advance(seconds=0.000001)
        # Nobody cleaned up yet.
        assert await lent.inside() is True and await lent.allowed() is False
        assert await grants.due(lent.store) == 1
        assert await lent.inside() is False
        assert await grants.due(lent.store) == 0
        (given,) = await lent.audited("grant.given")
        assert (given["until"], given["added"], given["reason"]) == (iso(end), True, "incident 4711")
        (ended,) = await lent.audited("grant.ended")
        assert "time was over" in ended["reason"]

    with_lent(on_store, body)


def test_an_end_can_be_moved_taken_away_or_come_now(on_store: OnStore, clock: ManualClock) -> None:
    async def body(lent: Lent) -> None:
        await lent.grant(clock.now() + HOUR)
        assert await lent.grant(clock.now() + 2 * HOUR, "longer") is False
        (one,) = await grants.grants(lent.store.reads, lent.agent)
        assert (one.slug, one.group, one.until, one.why) == (
            "code-review",
            "data-warehouse-read",
            clock.now() + 2 * HOUR,
            "longer",
        )
        await lent.do(lambda work: grants.keep(work, lent.agent, lent.group, "it is its job"))
        clock.advance(days=1)
        assert await grants.due(lent.store) == 0 and await lent.allowed() is True
        with pytest.raises(NotFound):
            await lent.do(lambda work: grants.end(work, lent.agent, lent.group, "not mine"))
        assert await lent.grant(clock.now() + HOUR, "now for a time") is False
        await lent.do(lambda work: grants.end(work, lent.agent, lent.group, "done early"))
        assert await lent.inside() is False and await grants.grants(lent.store.reads) == []

    with_lent(on_store, body)


def test_who_leaves_and_joins_again_has_no_end(on_store: OnStore, clock: ManualClock) -> None:
    """An IdP that takes the agent out and assigns it anew means it for good."""

    async def body(lent: Lent) -> None:
        await lent.grant(clock.now() + HOUR)
        await lent.do(lambda work: remove_members(work, lent.group, [lent.agent]))
        assert await lent.allowed() is False
        await lent.do(lambda work: add_members(work, lent.group, [(lent.agent, None)]))
        clock.advance(days=1)
        assert await grants.due(lent.store) == 0 and await lent.allowed() is True

    with_lent(on_store, body)


def test_the_next_import_of_the_manifest_leaves_a_grant_alone(on_store: OnStore, clock: ManualClock) -> None:
    async def body(lent: Lent) -> None:
        await lent.grant(clock.now() + HOUR)
        await import_manifest(lent.store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        assert await lent.inside() is True

    with_lent(on_store, body)


def test_a_grant_needs_a_future_and_a_reason(on_store: OnStore, clock: ManualClock) -> None:
    async def body(lent: Lent) -> None:
        with pytest.raises(Invalid, match="past"):
            await lent.grant(clock.now())
        with pytest.raises(Invalid, match="reason"):
            await lent.grant(clock.now() + 1, " ")
        with pytest.raises(NotFound, match="no group"):
            await grants.group_named(lent.store.reads, "nobody")
        assert await lent.inside() is False

    with_lent(on_store, body)
