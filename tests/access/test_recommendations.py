"""Recommendations: what was of no use, what would do instead, and nothing that the log cannot prove."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.access.decide import decide
from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies
from scim_bridge.access.policy_file import packaged
from scim_bridge.access.recommend import permits_of, review
from scim_bridge.attestations.opening import Invitation, seen
from scim_bridge.cli.recommendations import _provable
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import DAY, ManualClock
from scim_bridge.kernel.errors import Invalid, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.registry import recommendations as kept
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.grants import group_named
from scim_bridge.registry.groups import add_members, create_group, delete_group, groups_of, remove_members
from scim_bridge.settings.access import AccessSettings
from tests.access.gateway import EXAMPLE, OnStore
from tests.conftest import TESTER

# Who may read repositories, and nothing else: less than source-code.
READERS = """
@id("readers") permit (principal in Group::"readers", action == Action::"read", resource is Repository);
"""
READ = Question("agent", "code-review", "read", "repository", "storefront")


async def used(store: Store, policies: Any, *questions: Question) -> None:
    log = DecisionLog(store)
    for question in questions:
        decision = await decide(store.reads, policies, question, store.clock.now())
        assert decision.allowed, question
        await log.keep(Entry(store.ids.new(), store.clock.now(), question, decision, TESTER))
    await log.drained()


def test_the_groups_that_permits_name_are_known(tmp_path: Path) -> None:
    found = permits_of(load_policies())
    assert found["source-code"] == {"source-code-read", "source-code-comment"}
    assert found["payments-write"] == {"payments-refund"}
    file = tmp_path / "a.cedar"
    file.write_text('@id("x") permit (principal is Agent in Group::"g", action, resource);')
    assert permits_of(load_policies(file)) == {"g": frozenset({"x"})}


def test_what_was_of_no_use_is_advised_to_go_and_what_would_do_to_come(
    on_store: OnStore, clock: ManualClock, tmp_path: Path
) -> None:
    file = tmp_path / "access.cedar"
    file.write_text(packaged().policies + READERS)
    policies = load_policies(file)

    async def main(store: Store) -> None:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        reviewer, other = [await find_agent(store.reads, name) for name in ("code-review", "metrics-analyst")]
        assert reviewer is not None and other is not None
        agent, telemetry = reviewer.resource.id, await group_named(store.reads, "security-telemetry")

        async def more(work: Any) -> str:
            await add_members(work, telemetry[0], [(agent, None)])
            return (await create_group(work, {"displayName": "readers"}, origin="test")).id

        readers = await store.transact(TESTER, more)
        clock.advance(days=91)
        await used(store, policies, READ, READ)
        clock.advance(days=1)
        now = store.clock.now()
        found = [each for each in await review(store.reads, policies, now, 90) if each.agent_id == agent]
        source = await group_named(store.reads, "source-code")
        assert [(each.kind, each.group_id, each.instead_id) for each in found] == [
            (kept.DROP, telemetry[0], None),
            (kept.SWAP, source[0], readers),
        ]
        assert "in 90 days (2 allowed questions)" in found[0].why and found[1].evidence["questions"] == 1
        # A question that readers would not allow, and source-code is needed.
        await used(store, policies, replace(READ, action="comment"))
        again = [each for each in await review(store.reads, policies, now, 90) if each.agent_id == agent]
        assert [each.kind for each in again] == [kept.DROP]
        # Young memberships are not judged.
        assert await review(store.reads, policies, now, 93) == []

        assert await store.transact(TESTER, lambda work: kept.keep(work, found, 0)) == 2
        assert await store.transact(TESTER, lambda work: kept.keep(work, found, 0)) == 0
        drop, swap = sorted(await kept.recommended(store.reads, agent), key=lambda each: each.advice.kind)
        assert (drop.group, swap.group, swap.instead) == ("security-telemetry", "source-code", "readers")
        # The owner who is asked about the facts sees it beside them; the facts are the same.
        owner = reviewer.owners.owner
        assert owner is not None
        look = await seen(store.reads, Invitation("r", agent, owner.id, now + DAY, None, ""))
        assert look.advised == {telemetry[0]: drop.advice.why}
        assert "recommended" not in look.facts

        await store.transact(TESTER, lambda work: kept.apply(work, drop.id, "the owner agrees"))
        await store.transact(TESTER, lambda work: kept.dismiss(work, swap.id, "it will comment soon"))
        names = [name for _, name in (await groups_of(store.reads, [agent]))[agent]]
        assert "security-telemetry" not in names and "source-code" in names
        assert await kept.recommended(store.reads, agent) == []
        with pytest.raises(Invalid, match="applied already"):
            await store.transact(TESTER, lambda work: kept.apply(work, drop.id, "again"))
        # What was dismissed lately is not brought up again; later it is.
        assert await store.transact(TESTER, lambda work: kept.keep(work, [swap.advice], 0)) == 0
        assert await store.transact(TESTER, lambda work: kept.keep(work, [swap.advice], now)) == 1
        rows = await store.reads.all(
            "SELECT action FROM sb_audit WHERE action LIKE 'recommendation.%' ORDER BY id"
        )
        assert [row["action"] for row in rows] == ["recommendation.applied", "recommendation.dismissed"]

    on_store(main)


def test_advice_about_a_group_the_agent_left_or_that_is_gone_gives_nothing(on_store: OnStore) -> None:
    async def main(store: Store) -> None:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        found = await find_agent(store.reads, "code-review")
        assert found is not None
        agent, (source, _) = found.resource.id, await group_named(store.reads, "source-code")
        warehouse, _ = await group_named(store.reads, "data-warehouse-read")
        swap = kept.Advice(agent, source, kept.SWAP, "less", {}, warehouse)
        await store.transact(TESTER, lambda work: kept.keep(work, [swap], 0))
        (one,) = await kept.recommended(store.reads, agent)
        await store.transact(TESTER, lambda work: remove_members(work, source, [agent]))
        with pytest.raises(Invalid, match="not in this group any more"):
            await store.transact(TESTER, lambda work: kept.apply(work, one.id, "late"))
        assert (await groups_of(store.reads, [agent]))[agent] == []
        await store.transact(TESTER, lambda work: add_members(work, source, [(agent, None)]))
        await store.transact(TESTER, lambda work: delete_group(work, warehouse, "gone"))
        with pytest.raises(Invalid, match="is gone"):
            await store.transact(TESTER, lambda work: kept.apply(work, one.id, "late"))
        assert [group for group, _ in (await groups_of(store.reads, [agent]))[agent]] == [source]

    on_store(main)


def test_a_log_that_keeps_too_little_proves_nothing() -> None:
    _provable(AccessSettings(), 90)
    _provable(AccessSettings(keep_allow_days=0), 900)
    with pytest.raises(Refused, match="only some"):
        _provable(AccessSettings(allow_log="0.1"), 30)
    with pytest.raises(Refused, match="30 days, not 31"):
        _provable(AccessSettings(keep_allow_days=30), 31)
