"""Promises of the rules: nobody who is gone inherits, and no agent ends ownerless and active."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.departures.model import (
    Absent,
    Answerable,
    Case,
    Fate,
    Leaver,
    Move,
    Outcome,
    State,
    move,
)
from scim_bridge.departures.succession import decide, release_text
from scim_bridge.registry.model import Owners, PersonRef
from scim_bridge.registry.signal import DELETED, LEFT, RETURNED, Signal

NAMES = ("ada", "ben", "cleo", "dan", "eve", "fay")
T0 = 1_795_000_000_000_000


def ref(name: str, active: bool = True) -> PersonRef:
    return PersonRef(f"id-{name}", f"{name}@corp.test", name.capitalize(), f"{name}@corp.test", active)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Answerable, Leaver, Absent]:
    everybody = [ref(name, draw(st.booleans())) for name in NAMES]
    some = st.lists(st.sampled_from(everybody), unique=True, max_size=4).map(tuple)
    owners = Owners(draw(st.none() | st.sampled_from(everybody)), draw(some), draw(some))
    manager = draw(st.none() | st.sampled_from(everybody))
    away = st.frozensets(st.sampled_from([person.id for person in everybody]), max_size=3)
    leaver = Leaver(draw(st.sampled_from(everybody)), T0, manager)
    return Answerable("agent-1", "triage", owners), leaver, Absent(draw(away), draw(away))


def able(person: PersonRef | None, leaver: Leaver, absent: Absent) -> bool:
    return (
        person is not None
        and person.active
        and person.id != leaver.person.id
        and person.id not in absent.gone
    )


@given(situations())
def test_afterwards_an_agent_has_an_owner_who_can_act_or_it_is_held(situation) -> None:
    agent, leaver, absent = situation
    outcome = decide(agent, leaver, absent)
    if outcome is None:
        named = {agent.owners.owner, *agent.owners.co_owners, *agent.owners.sponsors}
        assert leaver.person not in named
    elif outcome.fate is not Fate.HELD:
        assert able(outcome.owners.owner, leaver, absent)


@given(situations())
def test_nobody_inactive_gone_or_leaving_ever_inherits_or_is_proposed(situation) -> None:
    agent, leaver, absent = situation
    outcome = decide(agent, leaver, absent)
    if outcome is not None:
        for heir in (outcome.successor, outcome.proposed):
            assert heir is None or able(heir, leaver, absent)
        if outcome.fate is Fate.HANDED_OVER:
            assert outcome.successor == outcome.owners.owner
            assert outcome.successor in agent.owners.co_owners


@given(situations())
def test_the_leaver_keeps_no_role_but_the_record_of_having_owned_a_held_agent(situation) -> None:
    agent, leaver, absent = situation
    outcome = decide(agent, leaver, absent)
    if outcome is not None:
        others = {person.id for person in (*outcome.owners.co_owners, *outcome.owners.sponsors)}
        assert leaver.person.id not in others
        if outcome.owners.owner is not None and outcome.owners.owner.id == leaver.person.id:
            assert outcome.fate is Fate.HELD


@given(situations())
def test_the_same_situation_always_gives_the_same_decision(situation) -> None:
    agent, leaver, absent = situation
    assert decide(agent, leaver, absent) == decide(agent, leaver, absent)


@given(situations())
def test_deciding_again_about_a_decided_agent_takes_nothing_back(situation) -> None:
    agent, leaver, absent = situation
    outcome = decide(agent, leaver, absent)
    if outcome is not None:
        again = decide(replace(agent, owners=outcome.owners), leaver, absent)
        if outcome.fate is Fate.HELD:
            assert again is None or (again.fate is Fate.HELD and again.owners == outcome.owners)
        else:
            assert again is None


@given(situations(), st.sampled_from(NAMES), st.permutations((0, 1)))
def test_two_who_leave_at_once_leave_the_agent_with_a_third_or_held_whoever_is_first(
    situation, second, order
) -> None:
    agent, leaver, _ = situation
    other = Leaver(ref(second), T0, None)
    held, owners, gone = False, agent.owners, frozenset()
    for who in [(leaver, other)[place] for place in order]:
        outcome = decide(replace(agent, owners=owners), who, Absent(gone))
        gone |= {who.person.id}
        if outcome is not None:
            owners = outcome.owners
            held = held or outcome.fate is Fate.HELD
    touched = {person.id for person in (agent.owners.owner, *agent.owners.co_owners) if person} & gone
    if touched and not held:
        assert owners.owner is not None
        assert owners.owner.active
        assert owners.owner.id not in gone


def owned(owner: str, *co_owners: str, sponsors: tuple[str, ...] = ()) -> Answerable:
    return Answerable(
        "agent-1",
        "triage",
        Owners(ref(owner), tuple(map(ref, co_owners)), tuple(map(ref, sponsors))),
    )


def decided(agent: Answerable, who: str, manager: str | None = None, **absent) -> Outcome:
    boss = None if manager is None else ref(manager)
    outcome = decide(agent, Leaver(ref(who, False), T0, boss), Absent(**absent))
    assert outcome is not None
    return outcome


def test_the_first_co_owner_in_rank_inherits_and_one_who_stays_comes_before_one_about_to_leave() -> None:
    agent = owned("ada", "ben", "cleo", sponsors=("dan",))
    assert decided(agent, "ada").successor == ref("ben")
    assert decided(agent, "ada", leaving=frozenset({"id-ben"})).successor == ref("cleo")
    both = frozenset({"id-ben", "id-cleo"})
    assert decided(agent, "ada", leaving=both).successor == ref("ben")
    held = decided(agent, "ada", gone=both)
    assert held.fate is Fate.HELD
    assert (held.proposed, held.proposed_role) == (ref("dan"), "sponsor")


def test_owner_and_last_co_owner_leaving_in_the_same_minute_hold_the_agent() -> None:
    agent = owned("ada", "ben")
    first = decided(agent, "ada")
    assert first.fate is Fate.HANDED_OVER
    second = decided(replace(agent, owners=first.owners), "ben")
    assert (second.fate, second.role) == (Fate.HELD, "owner")
    relieved = decided(agent, "ben")
    assert relieved.fate is Fate.RELIEVED
    assert decided(replace(agent, owners=relieved.owners), "ada").fate is Fate.HELD


def test_a_held_agent_says_which_owner_left_when_and_what_releases_it() -> None:
    outcome = decided(owned("ada"), "ada", manager="eve")
    assert (
        outcome.reason == "Owner Ada left (effective 2026-11-18T11:06Z); no active co-owner could take over."
    )
    text = release_text("case-1", outcome)
    assert "scim-bridge departures hand-over case-1 triage --to PERSON" in text
    assert "next in line: Eve, manager" in text


def signal(
    kind: str = LEFT, *, at: int = T0, effective: int = T0, source: str = "hr:acme", now=False
) -> Signal:
    return Signal(source, "key", kind, "id-ada", at, effective, "test", now)


def case(state: State, *gone_by: str, effective: int = T0, at: int = T0) -> Case:
    return Case("c", "id-ada", "ada", "Ada", state, "hr:acme", gone_by, False, at, T0, effective)


def test_what_one_more_signal_means_follows_from_the_case_and_the_clock() -> None:
    later = T0 + 1000
    planned = case(State.PLANNED, "hr:acme", effective=later)
    told = {
        (None, signal()): Move.OPEN,
        (None, signal(effective=later)): Move.PLAN,
        (None, signal(effective=later, now=True)): Move.OPEN,
        (None, signal(DELETED, effective=later)): Move.OPEN,
        (None, signal(RETURNED)): Move.NOTHING,
        (planned, signal(effective=later + 1)): Move.REPLAN,
        (planned, signal(effective=later)): Move.REPEAT,
        (planned, signal(effective=later + 1, at=T0 - 1)): Move.REPEAT,
        (planned, signal(source="scim:okta")): Move.EXECUTE,
        (planned, signal(RETURNED)): Move.CANCEL,
        (planned, signal(RETURNED, source="scim:okta")): Move.STILL_GONE,
        (planned, signal(RETURNED, source="cli")): Move.CANCEL,
        (case(State.CLOSED, "hr:acme"), signal(source="scim:okta")): Move.REPEAT,
        (case(State.OPEN, "hr:acme"), signal(RETURNED)): Move.RETURN,
        (case(State.CLOSED), signal()): Move.OPEN,
        (case(State.CANCELLED, "hr:acme"), signal(effective=later)): Move.PLAN,
    }
    for (known, heard), expected in told.items():
        assert move(known, heard, T0) is expected, (known, heard)
