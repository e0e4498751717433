"""Activated policies: simulated before, in force everywhere at once, kept with who and why, and undone as easily."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.access.decide import decide
from scim_bridge.access.in_force import in_force
from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies, prepared
from scim_bridge.access.policy_file import PolicyText, packaged, read_policies
from scim_bridge.access.simulate import combinations, every_agent, known_resources, replay
from scim_bridge.access.versions import activate, latest, version, versions
from scim_bridge.kernel.calendar import read_calendar
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.errors import ConfigurationError, Conflict, Invalid
from scim_bridge.kernel.work import Store
from tests.access.gateway import Gateway, OnStore, with_gateway
from tests.conftest import TESTER

READ = Question("agent", "code-review", "read", "repository", "storefront")
NOBODY = PolicyText("closed", '@id("closed") forbid (principal, action, resource);', packaged().schema)


async def log(store: Store, *questions: Question) -> None:
    """Decide and keep, as the door does."""
    kept = DecisionLog(store)
    for question in questions:
        decision = await decide(store.reads, load_policies(), question, store.clock.now())
        await kept.keep(Entry(store.ids.new(), store.clock.now(), question, decision, TESTER))
    await kept.drained()


async def put(store: Store, text: PolicyText | None, former: int | None, reason: str = "tried it") -> int:
    policies = None if text is None else prepared(text)
    return await store.transact(
        TESTER, lambda work: activate(work, policies, reason, {"asked": 0}, former=former)
    )


def test_what_is_activated_is_in_force_in_every_process_and_the_former_comes_back(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        store = gateway.store
        replicas = [in_force(), in_force("", ["business-hours"])]
        assert await put(store, NOBODY, None) == 1
        for replica in replicas:
            policies = await replica.refresh(store.reads)
            assert (policies.version, policies.text.title) == (1, "closed")
            assert policies.text.policies == NOBODY.policies
        assert await put(store, read_policies("", ["runaway"]), 1) == 2
        both = await replicas[0].refresh(store.reads)
        assert both.text.title == "the packaged default + runaway" and "runaway-rate" in both.ids.values()
        assert await put(store, (await version(store.reads, 1)).text, 2, "back again") == 3
        assert (await replicas[0].refresh(store.reads)).text.title == "closed"
        assert await put(store, None, 3) == 4
        for replica in replicas:
            assert (await replica.refresh(store.reads)).text == replica.settings.text
        told = [(each.version, each.name, each.by, each.reason) for each in await versions(store.reads)]
        assert told[0] == (4, "the files of the settings", "tester", "tried it")
        assert told[1] == (3, "closed", "tester", "back again")
        rows = await store.reads.all("SELECT subject_id FROM sb_audit WHERE action = 'policy.activated'")
        assert sorted(row["subject_id"] for row in rows) == ["1", "2", "3", "4"]

    with_gateway(on_store, body)


def test_what_is_not_sound_and_what_others_overtook_is_not_activated(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        store = gateway.store
        typo = PolicyText(
            "typo", '@id("a") permit (principal, action == Action::"raed", resource);', packaged().schema
        )
        with pytest.raises(ConfigurationError, match="raed"):
            await put(store, typo, None)
        with pytest.raises(Invalid, match="reason"):
            await put(store, NOBODY, None, "  ")
        await put(store, NOBODY, None)
        with pytest.raises(Conflict, match="meanwhile"):
            await put(store, NOBODY, None)
        assert await latest(store.reads) == 1

    with_gateway(on_store, body)


def test_a_version_this_program_cannot_use_denies_everything_and_says_so(on_store: OnStore) -> None:
    """Written by a newer program, say: going on with the former would allow what was just forbidden."""

    async def body(gateway: Gateway) -> None:
        store = gateway.store
        await put(store, NOBODY, None)

        async def spoil(work: Any) -> None:
            work.bookkeeping("as a newer program writes it")
            await work.tx.run(
                "UPDATE sb_policy_version SET policies = ?",
                '@id("a") forbid (principal, action, resource) when { context.mood == "bad" };',
            )

        await store.transact(TESTER, spoil)
        replica = in_force()
        policies = await replica.refresh(store.reads)
        (facts,) = [f for f in await every_agent(store.reads) if f.slug == "code-review"]
        decision = policies.decide(facts, READ, store.clock.now())
        assert decision.allowed is False
        assert [reason.id for reason in decision.reasons] == ["policies-unusable"]
        await put(store, None, 1)
        assert (await replica.refresh(store.reads)).decide(facts, READ, store.clock.now()).allowed is True

    with_gateway(on_store, body)


def test_a_new_set_is_asked_what_was_asked_lately(on_store: OnStore) -> None:
    """With what the gateway said then, at the instant it asked, about the agents as they are now."""

    async def body(gateway: Gateway) -> None:
        store = gateway.store
        comment = replace(READ, action="comment")
        await log(store, *[comment] * 3, replace(comment, asked={"change_ticket": "CHG-1"}))
        await log(store, READ, replace(READ, action="write"))
        now = store.clock.now()
        before = load_policies()
        # The manual clock stands on a Wednesday, 12:26 UTC: six in the morning in New York.
        york = read_calendar("America/New_York", "mon-fri 09:00-17:00", (), "")
        after = replace(load_policies("", ["business-hours"]), calendar=york)
        found = await replay(store.reads, before, after, since=now - DAY, until=now + 1)
        assert found.asked == 6
        assert [each.row() for each in found.differences] == [
            {
                "agent": "code-review",
                "action": "comment",
                "resource": "repository:storefront",
                "before": "allow",
                "after": "deny",
                "why": ["business-hours-writes"],
                "was": ["source-code-comment"],
                "times": 3,
                "at": now,
            }
        ]
        assert found.summary() == {
            "asked": 6,
            "gone": 0,
            "newly_denied": 3,
            "newly_allowed": 0,
            "agents": ["code-review"],
        }
        same = await replay(store.reads, before, before, since=now - DAY, until=now + 1)
        assert (same.asked, same.differences) == (6, ())
        assert (await replay(store.reads, before, after, since=now + 1, until=now + 2)).asked == 0
        assert (await replay(store.reads, before, after, since=0, until=now + 1, limit=4)).asked == 4

    with_gateway(on_store, body)


def test_every_combination_shows_what_nobody_asked_yet(on_store: OnStore, tmp_path: Path) -> None:
    async def body(gateway: Gateway) -> None:
        store = gateway.store
        await log(store, READ)
        file = tmp_path / "more.cedar"
        file.write_text(
            packaged().policies + '\n@id("more") permit (principal in Group::"source-code",'
            ' action == Action::"create", resource is Repository);'
        )
        before, after = load_policies(), load_policies(file)
        resources = await known_resources(store.reads, before.types)
        assert ("repository", "storefront") in resources and ("Ledger", "any") in resources
        asked = [(verb, *each) for each in resources for verb in ("read", "create")]
        agents = [f for f in await every_agent(store.reads) if f.slug in ("code-review", "hr-helpdesk")]
        found = combinations(before, after, agents, asked, store.clock.now())
        assert found.asked == len(agents) * len(asked)
        rows = [each.row() for each in found.differences]
        assert [(row["agent"], row["action"], row["resource"], row["after"]) for row in rows] == [
            ("code-review", "create", "repository:storefront", "allow")
        ]

    with_gateway(on_store, body)
