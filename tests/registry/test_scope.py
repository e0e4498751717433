"""Promises of a connection's scope: the rule in Python and the condition in SQL say the same of every agent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.groups import create_group
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.scope import EVERYTHING, parse_scope
from tests.conftest import TESTER

SCOPES = {
    "": {"prod-low", "prod-high", "dev-low", "bare"},
    "environment=production": {"prod-low", "prod-high"},
    "environment=production; riskTier=low": {"prod-low"},
    "environment=production; environment=development": {"prod-low", "prod-high", "dev-low"},
    "platform=in-house": {"prod-low", "dev-low"},
    "platform=unknown": {"bare"},
    "group=Payments": {"prod-high", "dev-low"},
    "group= payments ;environment = production": {"prod-high"},
    "group=Payments; group=Größe & Co, Inc.": {"prod-high", "dev-low", "bare"},
    "environment=Production": set(),
    "group=Nobody": set(),
}
AGENTS = {
    "prod-low": ("production", "in-house", "low", ()),
    "prod-high": ("production", "vendor", "high", ("Payments",)),
    "dev-low": ("development", "in-house", "low", ("Payments", "Old")),
    "bare": (None, None, None, ("Größe & Co, Inc.",)),
}


async def furnish(work: Work) -> None:
    groups = {}
    for name in ("Payments", "Old", "Größe & Co, Inc."):
        groups[name] = (await create_group(work, {"displayName": name}, origin="test")).id
    for slug, (environment, platform, risk, member_of) in AGENTS.items():
        facts = {"environment": environment, "platform": platform, "riskTier": risk}
        extension = {name: value for name, value in facts.items() if value}
        doc = {"userName": slug, "displayName": slug, AGENT_URN: extension}
        made = await create_agent(work, doc, origin="test")
        for name in member_of:
            await work.tx.run(
                "INSERT INTO sb_member (group_id, member_id, kind, since, added_by) VALUES (?, ?, 'agent', 0, '')",
                groups[name],
                made.id,
            )
    await create_person(work, {"userName": "maria"}, origin="test")


def test_the_condition_and_the_rule_choose_the_same_agents_and_leave_others_alone(on_store: Any) -> None:
    async def body(store: Store) -> None:
        await store.transact(TESTER, furnish)
        for text, wanted in SCOPES.items():
            scope = parse_scope(text)
            condition, values = scope.sql("r")
            rows = await store.reads.all(
                "SELECT r.name, r.kind FROM sb_resource r WHERE r.deleted IS NULL"
                + (f" AND {condition}" if condition else ""),
                *values,
            )
            assert {row["name"] for row in rows if row["kind"] == "agent"} == wanted, text
            assert {row["name"] for row in rows if row["kind"] == "person"} == {"maria"}
            assert len([row for row in rows if row["kind"] == "group"]) == 3
            ruled = {
                slug
                for slug, (environment, platform, risk, groups) in AGENTS.items()
                if scope.admits(environment or "unknown", platform or "unknown", risk or "unknown", groups)
            }
            assert ruled == wanted, text

    on_store(body)


def test_a_deleted_group_lets_nobody_in(on_store: Any) -> None:
    async def body(store: Store) -> None:
        await store.transact(TESTER, furnish)

        async def bury(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run("UPDATE sb_resource SET deleted = ? WHERE name = 'Payments'", work.now)

        await store.transact(TESTER, bury)
        condition, values = parse_scope("group=Payments").sql("x")
        found = f"SELECT 1 AS x FROM sb_resource x WHERE x.kind = 'agent' AND {condition}"
        assert await store.reads.one(found, *values) is None

    on_store(body)


WRONG = [
    "environment",
    "environment=",
    "=production",
    "owner=maria",
    "risk_tier=low",
    "environment=a\0b",
    " ; ",
    "group=a; environment",
    ";".join(f"group=g{n}" for n in range(51)),
    "group=" + "x" * 2000,
]


@pytest.mark.parametrize("text", WRONG)
def test_a_scope_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_scope(text)


@given(st.text(max_size=60))
def test_reading_a_scope_answers_or_refuses(text: str) -> None:
    try:
        scope = parse_scope(text)
    except Invalid:
        return
    condition, values = scope.sql("r")
    assert condition.count("?") == len(values)
    assert bool(scope) == bool(condition)


def test_no_scope_is_every_agent() -> None:
    assert parse_scope(" ") == EVERYTHING
    assert not EVERYTHING
    assert EVERYTHING.sql("r") == ("", [])
    assert EVERYTHING.admits("anything", "x", "y", ())
