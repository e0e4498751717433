"""Budgets: never more than burst and rate allow, shared by all who count, and a no that says when to come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.access.budget_file import load_budgets, parse
from scim_bridge.access.budget_model import Breach, Budget, Limit, Match, cells, cost_of, fits, key_of
from scim_bridge.access.budgets import Budgets, rate_of, reset
from scim_bridge.access.decide import decide
from scim_bridge.access.facts import facts_about
from scim_bridge.access.model import Decision, Facts, Question, Reason, texts
from scim_bridge.access.policies import load_policies
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import HOUR, MINUTE, SECOND, ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from scim_bridge.registry.holds import release_hold
from scim_bridge.registry.model import Owners, PersonRef
from tests.conftest import TESTER

OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]
CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = CONFIG / "examples" / "agents.yaml"
NOW = 1_795_000_000 * SECOND
OWNER = PersonRef("p1", "aiko@corp.test", "Aiko", "aiko@corp.test")
AGENT = Facts("a1", "refunds", "k8s", "production", "high", owners=Owners(OWNER), groups=("g1", "g2"))
REFUND = Question("agent", "a1", "refund", "payment", "4711")
YES = Decision(True, (Reason("payments-refund", "Group payments-write may issue refunds."),), facts=AGENT)


def budget(*limits: Limit, **more: object) -> Budget:
    return Budget("b", limits or (Limit(10, SECOND, 5),), **more)  # type: ignore[arg-type]


@given(
    st.integers(1, 50),
    st.sampled_from([SECOND, MINUTE, HOUR]),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(-SECOND, 3 * SECOND), st.integers(0, 30)), max_size=60),
)
@settings(max_examples=200)
def test_never_more_than_burst_and_rate_times_time_pass(
    count: int, span: int, burst: int, calls: list[tuple[int, int]]
) -> None:
    """In any window, whatever is asked, and also when a clock goes back a little."""
    limit = Limit(count, span, burst)
    tat, now, passed = 0, NOW, []
    for step, units in calls:
        now += step
        charge = limit.charge(Decimal(units))
        if fits(tat, now, charge, limit.room):
            tat = max(tat, now) + charge
            passed.append((now, units))
    for start in range(len(passed)):
        latest = passed[start][0]
        units = 0
        for at, cost in passed[start:]:
            latest = max(latest, at)
            units += cost
            assert units <= burst + (latest - min(a for a, _ in passed[start:])) / limit.interval


def test_so_many_at_once_then_by_the_rate_on_both_back_ends_with_concurrent_callers(
    on_store: OnStore, clock: ManualClock
) -> None:
    """Two processes with a pool each: what one counts the other sees."""

    async def body(store: Store) -> None:
        other = Store(await open_database(store.database.url, pool_size=4), clock, UuidV7(clock))
        try:
            gates = [Budgets(each, [budget(Limit(10, SECOND, 5))]) for each in (store, other)]

            async def ask(times: int) -> list[Decision]:
                now = clock.now()
                asked = (gates[n % 2](REFUND, AGENT, YES, now) for n in range(times))
                return list(await asyncio.gather(*asked))

            first = await ask(20)
            assert sum(each.allowed for each in first) == 5
            no = next(each for each in first if not each.allowed)
            assert [reason.id for reason in no.reasons] == ["budget:b"]
            assert "10/s, burst 5" in no.reasons[0].text and no.retry_after == 1
            clock.advance(seconds=0.2)
            assert sum(each.allowed for each in await ask(10)) == 2
            clock.advance(seconds=60)
            assert sum(each.allowed for each in await ask(10)) == 5
        finally:
            await other.database.close()

    on_store(body)


def test_a_question_no_budget_is_about_touches_no_database() -> None:
    about_deployments = budget(match=Match(actions=frozenset({"deploy"})))
    gate = Budgets(None, [about_deployments])  # type: ignore[arg-type]
    assert asyncio.run(gate(REFUND, AGENT, YES, NOW)) is YES
    assert asyncio.run(Budgets(None, [])(REFUND, AGENT, YES, NOW)) is YES  # type: ignore[arg-type]


def test_when_one_limit_has_no_room_the_others_are_not_charged(on_store: OnStore) -> None:
    """Burst and sustained: a no of the hour leaves the second's room as it was."""

    async def body(store: Store) -> None:
        gate = Budgets(store, [budget(Limit(100, SECOND, 4), Limit(2, HOUR, 2))])
        answers = [await gate(REFUND, AGENT, YES, NOW) for _ in range(6)]
        assert [each.allowed for each in answers] == [True, True, False, False, False, False]
        assert answers[-1].retry_after == 1800
        rows = await store.reads.all("SELECT budget, tat FROM sb_budget_use ORDER BY budget")
        assert [(row["budget"], row["tat"] - NOW) for row in rows] == [("b", 2 * 10_000), ("b#2", HOUR)]

    on_store(body)


def test_spending_is_counted_by_units_and_what_can_never_fit_says_so(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        gate = Budgets(store, [budget(Limit(100, HOUR, 50), counts="cost", per=("owner",))])

        async def ask(cost: str | None) -> Decision:
            asked = {} if cost is None else {"cost": cost}
            return await gate(replace(REFUND, asked=asked), AGENT, YES, NOW)

        assert (await ask("40")).allowed is True
        over = await ask("10.5")
        assert (over.allowed, over.retry_after) == (False, 18)
        assert (await ask("9.5")).allowed is True
        assert (await ask("0")).allowed is True
        never = await ask("51")
        assert (never.allowed, never.retry_after) == (False, None)
        assert "ever allows" in never.reasons[0].text
        for wrong in ("much", "-1", "NaN", "1e99", "Infinity"):
            said = await ask(wrong)
            assert (said.allowed, said.reasons[0].id) == (False, "budget-cost")
        assert (await ask(None)).allowed is False

    on_store(body)


@pytest.mark.parametrize(
    ("per", "match", "facts", "asked", "keys"),
    [
        (("agent",), Match(), AGENT, {}, [["a1"]]),
        (("owner", "action"), Match(), AGENT, {}, [["p1", "refund"]]),
        (("group",), Match(), AGENT, {}, [["g1"], ["g2"]]),
        (("group",), Match(groups=frozenset({"g2"})), AGENT, {}, [["g2"]]),
        (("group",), Match(groups=frozenset({"g3"})), AGENT, {}, []),
        (("group",), Match(), replace(AGENT, ends={"g1": NOW}), {}, [["g2"]]),
        (("task_type",), Match(), AGENT, {"task_type": "triage"}, [["triage"]]),
        ((), Match(), AGENT, {}, [[]]),
        (("agent",), Match(task_types=frozenset({"x"})), AGENT, {}, []),
        (("agent",), Match(agents=frozenset({"refunds"}), risk_tiers=frozenset({"high"})), AGENT, {}, [["a1"]]),
        (("agent",), Match(owners=frozenset({"aiko@corp.test"})), replace(AGENT, owners=Owners()), {}, []),
        (("owner",), Match(), replace(AGENT, owners=Owners()), {}, [[""]]),
    ],
)  # fmt: skip
def test_a_question_is_counted_by_the_dimensions_of_its_budget(
    per: tuple[str, ...], match: Match, facts: Facts, asked: dict[str, str], keys: Sequence[list[str]]
) -> None:
    found = cells([budget(per=per, match=match)], replace(REFUND, asked=asked), facts, NOW)
    assert not isinstance(found, str)
    assert [cell.key for cell in found] == [key_of(key) for key in keys]


def test_whoever_does_not_stop_is_held_and_an_admin_lets_go(on_store: OnStore, clock: ManualClock) -> None:
    async def body(store: Store) -> None:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        policies = load_policies()
        gate = Budgets(store, [budget(Limit(1, MINUTE, 1), breach=Breach(3, 10 * MINUTE))])

        async def ask() -> Decision:
            question = Question("agent", "code-review", "read", "repository", "storefront")
            return await decide(store.reads, policies, question, clock.now(), (gate,))

        assert [(await ask()).allowed for _ in range(3)] == [True, False, False]
        clock.advance(seconds=601)
        assert (await ask()).allowed is True
        # What was long ago does not count: three refusals within ten minutes do.
        assert [(await ask()).reasons[0].id for _ in range(3)] == ["budget:b"] * 3
        held = await ask()
        assert held.reasons[0].id == "hold:budget-breach"
        assert "scim-bridge budgets release code-review --reason WHY" in held.reasons[0].text
        (row,) = await store.reads.all("SELECT detail FROM sb_audit WHERE action = 'agent.held'")
        assert "3 times within 10 minutes" in row["detail"]
        (facts,) = await facts_about(store.reads, "code-review")

        async def let_go(work: object) -> None:
            await release_hold(work, facts.id, "access", "looked at it")  # type: ignore[arg-type]
            await reset(work, "b", key_of([facts.id]))  # type: ignore[arg-type]

        await store.transact(TESTER, let_go)
        assert (await ask()).allowed is True

    on_store(body)


def test_what_never_fits_is_a_strike_too_and_changes_no_room(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        (facts,) = await facts_about(store.reads, "code-review")
        small = budget(Limit(2, HOUR, 2), counts="cost", breach=Breach(3, HOUR))
        # So much that what it puts on the cell is more than a column holds.
        long = Budget("long", (Limit(1, 24 * HOUR, 1),), counts="cost")
        gate = Budgets(store, [small, long])

        async def ask(cost: str) -> Decision:
            return await gate(replace(REFUND, asked={"cost": cost}), facts, YES, NOW)

        for _ in range(2):
            no = await ask("1000000000")
            assert not no.allowed and no.retry_after is None
            assert [reason.id for reason in no.reasons] == ["budget:b", "budget:long"]
        assert (await ask("1")).allowed, "nothing was charged"
        assert [row["n"] for row in await store.reads.all("SELECT COUNT(*) AS n FROM sb_hold")] == [0]
        await ask("1000000000")
        (held,) = await store.reads.all("SELECT agent_id, code, reason FROM sb_hold")
        assert (held["agent_id"], held["code"]) == (facts.id, "budget-breach") and "3 times" in held["reason"]

    on_store(body)


def test_the_rate_of_an_agent_is_that_of_the_last_minute(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        start = NOW - NOW % MINUTE
        gate = Budgets(store, [budget(Limit(1000, MINUTE, 1000))])
        assert await rate_of(store.reads, ["b"], "a1", start) is None
        for second in range(0, 60, 2):
            await gate(REFUND, AGENT, YES, start + second * SECOND)
        for when, expected in ((59, 30), (60, 30), (90, 15), (119, 0), (180, 0)):
            assert await rate_of(store.reads, ["b"], "a1", start + when * SECOND) == expected
        await gate(REFUND, AGENT, YES, start + 90 * SECOND)
        assert await rate_of(store.reads, ["b"], "a1", start + 90 * SECOND) == 16
        assert await rate_of(store.reads, ["b"], "a2", start) is None

    on_store(body)


def test_the_packaged_budgets_are_sound_and_a_mistake_names_its_line(tmp_path: Path) -> None:
    found = load_budgets(str(CONFIG / "policies" / "budgets.yaml"))
    assert [each.name for each in found][:2] == ["questions-per-agent", "refunds-per-agent"]
    assert found[0].limits[0] == Limit(20, SECOND, 100) and found[0].limits[1].burst == 6000
    assert load_budgets("") == ()
    file = tmp_path / "budgets.yaml"
    file.write_text("version: 1\nbudgets:\n  a:\n    limits: [{rate: often}]\n")
    with pytest.raises(ConfigurationError, match=r"line 4: The rate is 'often'"):
        load_budgets(str(file))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_budgets(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("version: 2\nbudgets: {}", 1, "version"),
        ("version: 1", 1, "no table 'budgets'"),
        ("budgets:\n  a: {}", 2, "0 limits"),
        ("budgets:\n  a: {limits: [{rate: 5/m, burst: 0}]}", 2, "burst is 0"),
        ("budgets:\n  a: {limits: [{rate: 5/m}], per: [agnet]}", 2, "agnet"),
        ("budgets:\n  a: {limits: [{rate: 5/m}], per: [agent, everybody]}", 2, "everybody"),
        ("budgets:\n  a: {limits: [{rate: 5/m}], when: {action: [x]}}", 2, "when.action"),
        ("budgets:\n  a: {limits: [{rate: 5/m}], counts: money}", 2, "money"),
        ("budgets:\n  a: {limits: [{rate: 5/m}], breach: {hold_after: 0}}", 2, "holds after nothing"),
        ("budgets:\n  A B: {limits: [{rate: 5/m}]}", 2, "no name"),
        ("budgets:\n  a: {limits: [{rate: 999999999999/s}]}", 2, "more than"),
        ("budgets:\n  a: {limits: [{rate: 1/d, burst: 1000000000}]}", 2, "1000 years"),
    ],
)
def test_a_file_of_budgets_that_is_wrong_is_refused_by_line(text: str, line: int, message: str) -> None:
    _, found = parse(text)
    assert [(problem.line, message in problem.message) for problem in found][:1] == [(line, True)], found


@given(st.text(max_size=12))
def test_any_cost_is_a_number_of_units_or_none(said: str) -> None:
    found = cost_of({"cost": said})
    assert found is None or 0 <= found <= 10**9


@pytest.mark.parametrize("said", [[500], {"units": 500}, [], True, -1, "NaN"])
def test_a_cost_that_is_said_but_no_number_is_never_counted_as_one(said: object) -> None:
    assert cost_of(texts({"cost": said})) is None
