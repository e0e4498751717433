"""Scope.admits and Scope.sql are one rule said twice: they agree about every agent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.registry.model import fold
from scim_bridge.registry.resources import MARK
from scim_bridge.registry.scope import GROUP, Scope

VALUES = st.sampled_from(["a", "A", "b", "unknown", "é", "%", "a'b"])
GROUPS = ("Payments", "payments ", "STRASSE", "Straße II", "x'y")
scopes = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: st.frozensets(VALUES, min_size=1, max_size=3)
            for name in ("environment", "platform", "riskTier")
        },
        GROUP: st.frozensets(st.sampled_from([fold(name) for name in GROUPS]), min_size=1, max_size=2),
    },
).map(Scope)


class Agent(NamedTuple):
    """The facts of an agent, and the numbers of the groups it is in; those from 10 on are deleted ones."""

    environment: str
    platform: str
    risk_tier: str
    groups: frozenset[int]


agents = st.lists(
    st.builds(
        Agent, VALUES, VALUES, VALUES, st.frozensets(st.sampled_from([0, 1, 2, 3, 4, 10, 11, 12, 13, 14]))
    ),
    min_size=1,
    max_size=6,
)
Run = Callable[[str, Sequence[Any]], list[Any]]


def resource(run: Run, row_id: str, space: str, kind: str, name: str, deleted: int | None = None) -> None:
    run(
        "INSERT INTO sb_resource (id, space, kind, key, name, active, version, created, modified, doc, rendered,"
        " deleted) VALUES (?, ?, ?, ?, ?, 1, 1, 0, 0, ?, ?, ?)",
        (
            row_id,
            space,
            kind,
            fold(name) + ("" if deleted is None else f"{MARK}{row_id}"),
            name,
            b"{}",
            b"{}",
            deleted,
        ),
    )


def filled(run: Run, some: Sequence[Agent]) -> None:
    for table in ("sb_resource", "sb_agent", "sb_member"):
        run(f"DELETE FROM {table}", ())
    resource(run, "person", "user", "person", "person")
    for number, name in enumerate(GROUPS):
        resource(run, f"g{number}", "group", "group", name)
        resource(run, f"g{number + 10}", "group", "group", name, deleted=1)
    for number, one in enumerate(some):
        resource(run, f"a{number}", "user", "agent", f"agent{number}")
        run(
            "INSERT INTO sb_agent (id, slug, platform, environment, risk_tier, origin, attestation_state)"
            " VALUES (?, ?, ?, ?, ?, 'x', 'none')",
            (f"a{number}", f"a{number}", one.platform, one.environment, one.risk_tier),
        )
        for group in one.groups:
            run(
                "INSERT INTO sb_member (group_id, member_id, kind, since, added_by) VALUES (?, ?, 'agent', 0, 'x')",
                (f"g{group}", f"a{number}"),
            )
    for member, kind in (("person", "person"), ("nobody", "unresolved")):
        run(
            "INSERT INTO sb_member (group_id, member_id, kind, since, added_by) VALUES ('g0', ?, ?, 0, 'x')",
            (member, kind),
        )


def agree(run: Run, some: Sequence[Agent], scope: Scope) -> None:
    filled(run, some)
    expected = {
        f"a{number}"
        for number, one in enumerate(some)
        if scope.admits(
            one.environment, one.platform, one.risk_tier, [GROUPS[g] for g in one.groups if g < len(GROUPS)]
        )
    }
    condition, values = scope.sql("r")
    found = {
        row[0]
        for row in run(f"SELECT id FROM sb_resource r WHERE kind = 'agent' AND {condition or '1=1'}", values)
    }
    assert found == expected
    others = run(f"SELECT id FROM sb_resource r WHERE kind <> 'agent' AND {condition or '1=1'}", values)
    assert len(others) == 1 + 2 * len(GROUPS), "people and groups are not limited"
    condition, values = scope.sql("m", "member_id")
    shown = {row[0] for row in run(f"SELECT member_id FROM sb_member m WHERE {condition or '1=1'}", values)}
    inside = {f"a{number}" for number, one in enumerate(some) if one.groups}
    assert shown == (inside & expected) | {"person", "nobody"}


def test_both_say_the_same_on_sqlite(sqlite_url: str) -> None:
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))

    def run(sql: str, values: Sequence[Any]) -> list[Any]:
        return connection.execute(sql, values).fetchall()

    @settings(max_examples=100, deadline=None)
    @given(agents, scopes)
    def check(some: list[Agent], scope: Scope) -> None:
        agree(run, some, scope)

    check()
    connection.close()


def test_both_say_the_same_on_postgresql(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=False) as connection:

        def run(sql: str, values: Sequence[Any]) -> list[Any]:
            cursor = connection.execute(sql.replace("%", "%%").replace("?", "%s"), values)
            return [] if cursor.description is None else cursor.fetchall()

        @settings(max_examples=30, deadline=None)
        @given(agents, scopes)
        def check(some: list[Agent], scope: Scope) -> None:
            agree(run, some, scope)

        check()
        connection.rollback()


@pytest.mark.parametrize("scope", [Scope(), Scope({})])
def test_without_a_scope_there_is_no_condition_at_all(scope: Scope) -> None:
    assert scope.sql("r") == ("", [])
    assert scope.also("r") == ("", [])
    assert scope.admits("any", "any", "any", [])
