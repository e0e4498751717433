"""JSON Lines: every problem with its line, all of them or as many as anybody reads, and nothing imported."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.inventory import current, current_people
from scim_bridge.inventory.lines.careful import careful
from scim_bridge.inventory.lines.quick import KINDS, quick
from scim_bridge.inventory.lines.service import import_lines
from scim_bridge.inventory.manifest import AgentEntry
from scim_bridge.inventory.problems import MOST, ManifestProblems, Problem
from scim_bridge.inventory.service import import_manifest
from scim_bridge.inventory.source import MAX_BYTES, Unreadable, decoded
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.agents import delete_agent
from tests.conftest import TESTER, run_with_store
from tests.inventory.registry import contents

OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]
ANN = {
    "userName": "ann",
    "givenName": "Ann",
    "familyName": "Lee",
    "email": "ann@corp.example",
    "department": "IT",
}
AGENT = {
    "slug": "a",
    "name": "Agent A",
    "purpose": "P",
    "platform": "k8s",
    "environment": "dev",
    "riskTier": "low",
    "owner": "ann",
}


def line(kind: str, **said: Any) -> str:
    """A line of this kind over what every entry of it has."""
    base = {"person": ANN, "agent": AGENT}.get(kind, {})
    return json.dumps({kind: {**base, **said}})


def refused(store: Store, file: Path, *lines: str) -> Callable[[], Awaitable[tuple[Problem, ...]]]:
    """The problems of an import that changes nothing."""

    async def body() -> tuple[Problem, ...]:
        file.write_text("\n".join(lines) + "\n")  # noqa: ASYNC240
        before = await contents(store)
        audited = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit")
        with pytest.raises(ManifestProblems) as caught:
            await import_lines(store, TESTER, file, size=1)
        assert await contents(store) == before
        after = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit")
        assert after["n"] == audited["n"]
        return caught.value.problems

    return body


@pytest.fixture
def on_sqlite(sqlite_url: str, clock: ManualClock) -> OnStore:
    """Run an async test body with a store where the back end makes no difference."""
    return lambda body: run_with_store(sqlite_url, clock, body)


WRONG = [
    (line("agent", slug="x", riskTier="lo"), "agent.riskTier", "'lo' is not one of low, medium, high."),
    ('{"agent": {"slug": "x"', "", "A comma or '}' is expected here, not the end of the file."),
    ('{"agnet": {}}', "", "'agnet' is no kind of entry."),
    ('{"agent": {}, "person": {}}', "", "A line holds one entry under one key; here: 'agent', 'person'."),
    ('{"agents": []}', "", "'agents' begins a manifest in one piece."),
    ("[1]", "", "The line is a list, not an entry."),
    ('{"member": {"group": "Gone", "agent": "a"}}', "member.group", "'Gone' is not a known group."),
    ('{"member": {"group": "G", "agent": "zz"}}', "member.agent", "'zz' is not a known agent."),
    (line("agent", slug="b", owner="bo"), "agent.owner", "'bo' is not a known person."),
    (
        line("agent", slug="c", owner="a@agents.example"),
        "agent.owner",
        "is an agent; people answer for agents.",
    ),
    (line("agent", slug="d", owner="g"), "agent.owner", "'g' is a group; a person has to answer."),
    (line("agent", slug="e", coOwners=["ann@corp.example"]), "agent.coOwners[0]", "is owner or co-owner"),
    (line("agent", slug="f", groups=["H"]), "agent.groups[0]", "'H' is not a known group."),
    (line("group", name="G2", members=["a", "q"]), "group.members[1]", "'q' is not a known agent."),
    (
        line("person", userName="x1", email="x1@c.example", manager="no"),
        "person.manager",
        "'no' is not a known",
    ),
    (
        line("person", userName="x2", email="x2@c.example", manager="x2"),
        "person.manager",
        "their own manager",
    ),
    (line("agent", name="Again"), "agent.slug", "The slug 'a' is taken by the agent on line 2."),
    (
        line("person", userName="ANN", email="o@c.example"),
        "person.userName",
        "is taken by the person on line 1.",
    ),
    (
        line("person", userName="x3", email="ANN@corp.example"),
        "person.email",
        "is taken by the person on line 1.",
    ),
    (line("agent", slug="h", userName="ann"), "agent.userName", "The userName 'ann' is taken by the person"),
    (
        line("agent", slug="i", userName="a@agents.example"),
        "agent.userName",
        "is taken by the agent on line 2.",
    ),
    (line("group", name="g"), "group.name", "The name 'g' is taken by the group on line 3."),
    ('{"member": {"group": "G", "group": "H", "agent": "a"}}', "", "The key 'group' is given twice."),
    ('{"person": {"userName": "y", "secretKey": "x"}}', "person", "would hold a secret"),
]


@pytest.mark.parametrize(("wrong", "where", "message"), WRONG)
def test_a_wrong_line_is_named_with_its_number_place_and_reason(
    on_store: OnStore, tmp_path: Path, wrong: str, where: str, message: str
) -> None:
    async def body(store: Store) -> None:
        good = [line("person"), line("agent"), line("group", name="G")]
        problems = await refused(store, tmp_path / "m.jsonl", *good, wrong)()
        found = [each for each in problems if message in each.message]
        assert [(each.line, each.where) for each in found] == [(4, where)], problems
        assert found[0].fix and (found[0].column or 0) >= 1
        assert all(each.line == 4 for each in problems)

    on_store(body)


def test_all_problems_of_a_file_come_at_once_in_its_order(on_store: OnStore, tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        # An e-mail of two people is neither's, so the line that gives it twice would hide another one's fault.
        wrong = [each for each, where, _ in WRONG if where != "person.email"]
        lines = [line("agent"), line("person"), "", line("group", name="G"), *wrong]
        problems = await refused(store, tmp_path / "m.jsonl", *lines)()
        numbers = [problem.line for problem in problems]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(5, 5 + len(wrong)))

    on_store(body)


def test_managers_in_a_circle_are_found_across_lines(on_store: OnStore, tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        lines = [
            line("person", userName=name, email=f"{name}@c.example", manager=above)
            for name, above in (("a", "b"), ("b", "c@c.example"), ("c", "a"))
        ]
        (problem,) = await refused(store, tmp_path / "m.jsonl", *lines)()
        assert problem.message == "Managers form a circle: a → b → c → a."

    on_store(body)


def test_names_that_something_registered_has_are_found_before_anything_is_written(
    on_store: OnStore, tmp_path: Path
) -> None:
    async def body(store: Store) -> None:
        known = {"people": [ANN], "agents": [{**AGENT, "userName": "bot"}]}
        await import_manifest(store, TESTER, json.dumps(known).encode(), "m.json")
        lines = [
            line("agent", slug="n"),
            line("person", userName="bot"),
            line("agent", slug="z", userName="ann"),
        ]
        problems = await refused(store, tmp_path / "m.jsonl", *lines)()
        assert [(each.line, each.where) for each in problems] == [
            (2, "person.userName"),
            (3, "agent.userName"),
        ]

    on_store(body)


def test_an_agent_that_was_deleted_is_not_made_anew_by_a_line(on_store: OnStore, tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        known = {"people": [ANN], "agents": [AGENT, {**AGENT, "slug": "b", "userName": "bot"}]}
        await import_manifest(store, TESTER, json.dumps(known).encode(), "m.json")
        for slug in ("a", "b"):
            found = await find_agent(store.reads, slug)
            assert found is not None

            async def delete(work: Work, agent_id: str = found.resource.id) -> None:
                await delete_agent(work, agent_id, "test")

            await store.transact(TESTER, delete)
        lines = [line("agent"), line("agent", slug="b"), line("agent", slug="c", userName="bot")]
        problems = await refused(store, tmp_path / "m.jsonl", *lines)()
        assert [(each.line, each.where) for each in problems] == [
            (1, "agent.userName"),
            (2, "agent.slug"),
            (3, "agent.userName"),
        ]

    on_store(body)


def test_of_very_many_problems_the_first_are_shown_and_the_rest_counted(
    on_sqlite: OnStore, tmp_path: Path
) -> None:
    async def body(store: Store) -> None:
        lines = [line("agent", slug=f"a{n}", riskTier="lo") for n in range(MOST + 500)]
        problems = await refused(store, tmp_path / "m.jsonl", *lines)()
        assert len(problems) == MOST
        # Each has no owner who is known, too.
        assert problems[-1].message == f"{2 * (MOST + 500) - MOST + 1} more problems follow."

    on_sqlite(body)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        ("\ufeff{}".encode("utf-16"), "The file is UTF-16."),
        (b'{"group": {"name": "\xff"}}', "This byte is not UTF-8."),
        (b'{"group": {"name": "' + b"x" * 9 * 2**20 + b'"}}\n{"group": {"name": "G"}}', "longer than 8 MB"),
    ],
)
def test_what_is_no_text_of_lines_is_said_so(
    on_sqlite: OnStore, tmp_path: Path, data: bytes, message: str
) -> None:
    async def body(store: Store) -> None:
        (tmp_path / "m.jsonl").write_bytes(data)
        with pytest.raises(ManifestProblems) as caught:
            await import_lines(store, TESTER, tmp_path / "m.jsonl")
        assert message in caught.value.problems[0].message

    on_sqlite(body)


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_no_problem(
    on_sqlite: OnStore, tmp_path: Path
) -> None:
    async def body(store: Store) -> None:
        text = "\ufeff" + line("agent") + "\r\n\r\n  " + line("person") + "\r\n"
        (tmp_path / "m.ndjson").write_text(text, newline="")
        result = await import_lines(store, TESTER, tmp_path / "m.ndjson")
        assert (result.entries, result.counts["created"]) == (2, 2)

    on_sqlite(body)


texts = st.one_of(
    st.sampled_from(
        ["ann", "low", "dev", "a", "", " x ", "a b", "x@y.example", "2027-01-31", "\u202e", "ſ", "z\n"]
    ),
    st.text(max_size=5),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda each: st.one_of(
        st.lists(each, max_size=3), st.dictionaries(st.sampled_from(["url", "label", "x"]), each, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An entry that is right or nearly so."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    right = {"person": ANN, "agent": AGENT, "group": {"name": "G"}, "member": {"group": "G", "agent": "a"}}[
        kind
    ]
    keys = st.sampled_from([field.key for field in KINDS[kind][0]] + ["other"])
    changed = draw(st.dictionaries(keys, values, max_size=3))
    said = {**right, **changed}
    for key in draw(st.lists(st.sampled_from(sorted(said)), max_size=1)):
        del said[key]
    return kind, said


@given(entries(), st.booleans(), st.booleans())
@settings(max_examples=300)
def test_what_is_read_quickly_is_what_careful_reading_finds_right(
    entry: tuple[str, dict[str, Any]], escaped: bool, doubled: bool
) -> None:
    kind, said = entry
    text = json.dumps({kind: said}, ensure_ascii=escaped)
    if doubled and said:
        text = text[:-2] + ", " + json.dumps({next(iter(said)): "twice"})[1:-1] + "}}"
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    found, careful_found = quick(data), careful(data, 7)
    if found is not None:
        assert (careful_found.kind, careful_found.entry, careful_found.problems) == (*found, ())
        assert careful_found.entry is not None and careful_found.entry.given == found[1].given


def test_a_file_too_large_for_one_piece_is_sent_to_lines() -> None:
    with pytest.raises(Unreadable) as caught:
        decoded(b" " * (MAX_BYTES + 1))
    assert ".jsonl" in caught.value.problem.fix


def test_an_import_walks_no_table_to_find_what_its_file_names(sqlite_url: str, clock: ManualClock) -> None:
    """Agents and people by the thousand that the file does not name must not cost anything."""
    asked: list[tuple[str, tuple[Any, ...]]] = []

    class Asked:
        backend = "sqlite"

        def __init__(self, reader: Any) -> None:
            self._reader = reader

        async def all(self, sql: str, *values: Any) -> Any:
            asked.append((sql, values))
            return await self._reader.all(sql, *values)

    async def body(store: Store) -> None:
        known = {"people": [ANN], "agents": [AGENT], "groups": [{"name": "G", "members": ["a"]}]}
        await import_manifest(store, TESTER, json.dumps(known).encode(), "m.json")
        reader: Any = Asked(store.reads)
        found = await current.registered_agents(
            reader, [agent_of({**AGENT, "risk_tier": "low"} | {"given": ()})]
        )
        assert found.agents and found.people and found.groups
        assert await current_people.by_email(reader, ["ann@corp.example"])

    def agent_of(said: dict[str, Any]) -> AgentEntry:
        names = {field.name for field in fields(AgentEntry)}
        return AgentEntry(**{name: value for name, value in said.items() if name in names})

    run_with_store(sqlite_url, clock, body)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        for sql, values in asked:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            walked = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
            assert not walked or "sb_connection" in sql, (sql, plan)
            assert not any("sb_resource_kind" in step for step in plan), (sql, plan)
