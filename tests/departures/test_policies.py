"""Promises of policies as data: the first rule that fits decides, says why, and slips are named by their line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.departures.accepting import accept, decline
from scim_bridge.departures.model import Absent, Answerable, Fate, Leaver
from scim_bridge.departures.policy_file import load_rules, parse
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.service import due
from scim_bridge.departures.simulate import simulated
from scim_bridge.departures.succession import Policies, Succession, When, decide
from scim_bridge.kernel.clock import DAY, HOUR
from scim_bridge.kernel.errors import ConfigurationError, Forbidden, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.model import Owners, PersonRef
from tests.conftest import TESTER
from tests.departures.crowd import tell
from tests.departures.house import cases, context, facts, furnish, left
from tests.departures.test_rules import able, situations

EXAMPLE = Path(__file__).parents[2] / "config" / "policies" / "departures.yaml"


def rules(text: str) -> Rules:
    found, problems = parse(text)
    assert found is not None, problems
    return found


def test_the_packaged_file_says_what_the_program_does_without_one() -> None:
    assert load_rules() == RULES


def test_the_example_is_right_and_its_rules_come_in_order() -> None:
    found = load_rules(EXAMPLE)
    assert [one.name for _, one in found.policies.rules] == [
        "high-risk-involuntary",
        "production-needs-a-yes",
        "absence",
    ]
    assert found.policies.rules[1][1].accept == 2 * DAY
    assert found.brake.sources["hr:*"].owners == 8


@pytest.mark.parametrize(
    ("text", "line", "message", "fix"),
    [
        ("brake:\n  owner: 3\n", 2, "brake.owner is not known", "Did you mean owners?"),
        ("brake:\n  window: soon\n", 2, "brake.window is 'soon'", "90m, 8h, 2d"),
        ("brake: {people_percent: 200}", 1, "people_percent is '200'", "0 to 100"),
        ("rules:\n  - stop: true\n", 2, "no name", "Write name:"),
        ("rules:\n- name: a\n  when: {risk: [hgih]}\n", 3, "cannot be 'hgih'", "Did you mean high?"),
        ("default:\n  inherit: [boss]\n", 2, "neither a role nor a userName", "co-owner, sponsor, manager"),
        ("rules:\n- name: a\n- name: b\n  stop: true\n", 3, "never reached", "Put it before"),
        ("rules:\n- name: a\n  stop: maybe\n", 3, "cannot be 'maybe'", "true, false"),
        ("grace: 2h\ngrace: 3h\n", 2, "written twice", "Keep one"),
        ("a: [", 1, "not YAML", "Mend"),
        ("", 1, "empty", "Leave"),
        ("- a\n- b\n", 1, "no table", "keys"),
        ("rules: {name: a}\n", 1, "no list", "dash"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_what_to_write(text, line, message, fix, tmp_path) -> None:
    found, problems = parse(text)
    assert found is None
    first = problems[0]
    assert (first.line, message in first.message, fix in first.fix) == (line, True, True), first
    file = tmp_path / "departures.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=f"line {line}"):
        load_rules(file)


@given(st.text(alphabet="abr:{}[]-\n \t&*!|>%'\"0", max_size=60))
def test_no_text_breaks_the_reader(text) -> None:
    found, problems = parse(text)
    assert (found is None) == bool(problems)


WORDS = st.lists(
    st.sampled_from(("co-owner", "sponsor", "manager", "fay@corp.test")), unique=True, max_size=4
).map(tuple)
SUCCESSIONS = st.builds(
    Succession,
    inherit=WORDS,
    propose=WORDS,
    stop=st.booleans(),
    accept=st.none() | st.just(DAY),
    meanwhile=st.sampled_from(("running", "held")),
)


@given(situations(), SUCCESSIONS, SUCCESSIONS, st.booleans())
def test_by_any_policy_no_agent_ends_ownerless_and_active(situation, special, default, fits) -> None:
    agent, leaver, absent = situation
    when = When(environment=("production",) if fits else ("dev",))
    agent = replace(agent, environment="production")
    policies = Policies(((when, replace(special, name="special")),), default)
    everybody = (agent.owners.owner, *agent.owners.co_owners, *agent.owners.sponsors, leaver.manager)
    named = {p.user_name: p for p in everybody if p is not None}
    outcome = decide(agent, leaver, absent, policies, named)
    if outcome is None:
        return
    assert outcome.rule == ("special" if fits else "default")
    if outcome.fate is not Fate.HELD:
        assert able(outcome.owners.owner, leaver, absent)
        assert outcome.fate is Fate.RELIEVED or not (special if fits else default).stop


POLICY = """
version: 1
rules:
  - name: urgent
    when: {risk: [high], leave: [involuntary]}
    stop: true
  - name: ask
    when: {environment: [production]}
    inherit: [co-owner, sponsor, manager]
    accept: 2d
    meanwhile: held
    otherwise: next
default:
  inherit: [co-owner, ingrid@corp.test]
  accept: 1d
  otherwise: hold
"""


async def described(store: Store, ids: dict[str, str]) -> None:
    async def body(work) -> None:
        for slug, environment, risk in (("refund", "production", "low"), ("triage", "dev", "high")):
            await work.tx.run(
                "UPDATE sb_agent SET environment = ?, risk_tier = ? WHERE id = ?",
                environment,
                risk,
                ids[slug],
            )
        work.bookkeeping("test")

    await store.transact(TESTER, body)


def test_a_simulation_names_the_rule_and_why_it_fits_and_that_is_what_happens(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await described(store, ids)
        found = {
            row["agent"]: row
            for row in await simulated(
                store.reads, "priya@corp.test", clock.now(), rules(POLICY), leave="involuntary"
            )
        }
        triage, refund = found["triage"], found["refund"]
        assert (triage["outcome"], triage["rule"], triage["may_act"]) == ("held", "urgent", False)
        assert triage["because"] == "risk is high, leave is involuntary"
        assert triage["next_in_line"] == "lena@corp.test"
        assert (refund["outcome"], refund["successor"]) == ("handed-over", "daniel@corp.test")
        assert (refund["rule"], refund["may_act"], refund["accept_by"]) == (
            "ask",
            False,
            "2026-11-20T11:06:40.000Z",
        )
        await tell(store, left(ids["priya"], clock.now(), immediate=True), rules(POLICY))
        assert not (await facts(store, ids["triage"])).resource.active
        rows = await store.reads.all("SELECT slug, fate, rule FROM sb_departure_agent")
        assert {row["slug"]: row["fate"] for row in rows} == {
            slug: row["outcome"] for slug, row in found.items()
        }
        assert {row["slug"]: row["rule"].split(":")[0] for row in rows} == {
            slug: row["rule"] for slug, row in found.items()
        }

    on_store(body)


def test_a_successor_who_must_accept_holds_the_agent_until_then_and_nobody_else_can(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await described(store, ids)
        await tell(store, left(ids["priya"], clock.now()), rules(POLICY))
        refund = await facts(store, ids["refund"])
        assert refund.owners.owner is not None
        assert refund.owners.owner.id == ids["daniel"]
        (hold,) = refund.holds
        assert (hold.code, refund.resource.active) == ("not-accepted", False)
        assert "departures accept" in hold.release
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"active"}
        with pytest.raises(Forbidden):
            await store.transact(
                TESTER, lambda work: accept(work, "priya@corp.test", "refund", "lena@corp.test")
            )
        answer = await store.transact(
            TESTER, lambda work: accept(work, "priya@corp.test", "refund", "daniel@corp.test")
        )
        assert answer.state == "active"
        with pytest.raises(Refused):
            await store.transact(
                TESTER, lambda work: accept(work, "priya@corp.test", "refund", "daniel@corp.test")
            )

    on_store(body)


def test_who_does_not_accept_in_time_makes_way_for_the_next_and_at_the_end_it_is_held(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await described(store, ids)
        by = rules(POLICY)
        await tell(store, left(ids["priya"], clock.now()), by)
        ctx = context(store)
        # triage: Lena runs it meanwhile, by the default; nobody comes after her.
        triage = await facts(store, ids["triage"])
        assert triage.resource.active
        clock.advance(days=1, seconds=1)
        await due(ctx, by)
        triage = await facts(store, ids["triage"])
        assert not triage.resource.active
        assert "Lena did not accept in time" in triage.holds[0].reason
        assert {c["state"] for c in await credentials_of(store.reads, ids["triage"])} == {"revoking"}
        # refund: Daniel as sponsor declines, and as manager he is not asked again.
        answer = await store.transact(
            TESTER, lambda work: decline(work, by, "priya@corp.test", "refund", "daniel@corp.test")
        )
        assert answer.state == "held"
        refund = await facts(store, ids["refund"])
        assert "Daniel declined" in refund.holds[0].reason
        assert len(refund.holds) == 1
        before = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit")
        clock.advance(days=30)
        await due(ctx, by)
        await due(ctx, by)
        after = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit")
        assert after["n"] - before["n"] <= 2, "nothing goes on and on (signing and paging apart)"
        await ctx.outbound.aclose()

    on_store(body)


def test_grace_gives_time_to_whoever_does_not_leave_involuntarily(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        by = rules("version: 1\ngrace: 4h\n")
        await tell(store, left(ids["priya"], clock.now()), by)
        (case,) = await cases(store)
        assert (case["state"], case["effective_at"]) == ("planned", clock.now() + 4 * HOUR)
        assert (await facts(store, ids["refund"])).resource.active
        await tell(store, left(ids["lena"], clock.now(), key="2", immediate=True), by)
        assert [case["state"] for case in await cases(store)] == ["planned", "open"]
        clock.advance(seconds=4 * 3600 + 1)
        ctx = context(store)
        assert await due(ctx, by) == 1
        assert not (await facts(store, ids["refund"])).resource.active
        await ctx.outbound.aclose()

    on_store(body)


def test_when_speaks_of_everything_a_rule_may_ask_for() -> None:
    agent = Answerable("1", "a", None, "dev", "low", "openai", "connection:okta")  # type: ignore[arg-type]
    leaver = Leaver(None, 0, None, "voluntary", "hr:workday")  # type: ignore[arg-type]
    assert When(("dev",), ("low",), ("openai",), ("okta",), ("voluntary",), ("hr:*",)).why(agent, leaver)
    assert When(connection=("entra",)).why(agent, leaver) is None
    assert When(door=("hr:bamboo",)).why(agent, leaver) is None


def test_another_record_of_the_leaver_inherits_nothing_and_the_reason_says_so() -> None:
    twin = PersonRef("2", "ada.b@corp.test", "Ada B", "Ada@corp.test", True)
    ada = PersonRef("1", "ada@corp.test", "Ada", "ada@CORP.test", True)
    ben = PersonRef("3", "ben@corp.test", "Ben", "", True)
    agent = Answerable("a", "triage", Owners(ada, (twin,)))
    outcome = decide(agent, Leaver(ada, 0), Absent())
    assert outcome is not None
    assert outcome.fate is Fate.HELD
    assert "no active co-owner could take over (ada.b@corp.test has the same address)" in outcome.reason
    relieved = decide(Answerable("a", "triage", Owners(twin, (ada, ben))), Leaver(ada, 0), Absent())
    assert relieved is not None
    assert relieved.successor == ben, "an owner who is the leaver owns nothing"
