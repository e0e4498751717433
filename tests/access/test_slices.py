"""A slice of the policies answers as all of them do: the same decision, reasons and errors, always."""

from __future__ import annotations

from dataclasses import replace

import cedarpy
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.access.cedar import entities_of, request_of
from scim_bridge.access.model import Facts, Question
from scim_bridge.access.policy_file import packaged
from scim_bridge.access.slices import KEPT, Slices
from scim_bridge.registry.model import PERSON, Owners, PersonRef

NOW = 1_795_000_000_000_000
SCHEMA = packaged().schema.replace("principal: [Agent]", "principal: [Agent, Person]")
PARSED = cedarpy.Schema.from_str(SCHEMA)
OWNER = PersonRef("p1", "aiko@corp.test", "Aiko", "aiko@corp.test")

PRINCIPALS = [
    "principal",
    "principal is Agent",
    "principal is Person",
    'principal == Agent::"a1"',
    'principal == Agent::"a2"',
    'principal in Agent::"a1"',
    'principal == Group::"red"',
    'principal in Group::"red"',
    'principal in Group::"blue"',
    'principal is Agent in Group::"red"',
    'principal is Person in Group::"red"',
]
ACTIONS = [
    "action",
    'action == Action::"read"',
    'action in Action::"reads"',
    'action in [Action::"write", Action::"reads"]',
    'action in Action::"writes"',
]
RESOURCES = [
    "resource",
    "resource is Ticket",
    "resource is Dataset",
    'resource == Ticket::"x"',
    'resource == Dataset::"x"',
    'resource in Ticket::"x"',
    'resource is Ticket in Ticket::"x"',
]
# The last ones fail when they are looked at: a tag or attribute that is not there.
CONDITIONS = [
    "",
    "when { true }",
    'when { principal in Group::"red" }',
    'when { principal in Group::"blue" && resource.id == "x" }',
    'when { resource.id == "y" && principal in Agent::"a1" }',
    'when { principal in [Group::"red", Group::"blue"] }',
    'when { principal is Agent && principal in Group::"green" }',
    'unless { principal in Group::"red" }',
    'when { principal in Group::"red" } unless { resource.id == "x" }',
    'when { resource.getTag("missing") == "1" }',
    'when { principal in Group::"blue" && resource.getTag("missing") == "1" }',
    'when { resource.getTag("missing") == "1" && principal in Group::"blue" }',
    'when { resource.id == "y" && context.asked.getTag("missing") == "1" }',
    'unless { resource.getTag("missing") == "1" }',
    'when { principal.slug == "one" && principal in Group::"blue" }',
]
policies = st.tuples(
    st.sampled_from(["permit", "forbid"]),
    st.sampled_from(PRINCIPALS),
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    st.sampled_from(CONDITIONS),
)
subjects = st.builds(
    lambda identity, groups, person: Facts(
        identity,
        "one",
        "k8s",
        "production",
        "low",
        owners=Owners() if person else Owners(OWNER),
        groups=tuple(sorted(groups)),
        kind=PERSON if person else "agent",
    ),
    st.sampled_from(["a1", "a2", "red"]),
    st.sets(st.sampled_from(["red", "blue", "green", "unheard of"])),
    st.booleans(),
)
questions = st.builds(
    lambda action, kind, identity: Question("agent", "a1", action, kind, identity),
    st.sampled_from(["read", "search", "write", "deploy", "reads", "nonsense"]),
    st.sampled_from(["ticket", "dataset", "order"]),
    st.sampled_from(["x", "y", "z"]),
)
Told = tuple[str, set[str], set[str]]


def told(of: object, facts: Facts, question: Question) -> Told:
    entities = orjson.dumps(entities_of(facts, question, NOW)).decode()
    answer = cedarpy.is_authorized(request_of(facts, question, NOW), of, entities, PARSED)  # type: ignore[arg-type]
    return answer.decision.name, set(answer.diagnostics.reasons), set(answer.diagnostics.errors)


@settings(max_examples=60)
@given(
    st.lists(policies, min_size=1, max_size=40),
    st.lists(st.tuples(subjects, questions), min_size=3, max_size=12),
)
def test_a_slice_answers_as_the_whole_does(
    written: list[tuple[str, str, str, str, str]], asked: list[tuple[Facts, Question]]
) -> None:
    text = "\n".join(f"{effect} ({p}, {a}, {r}) {when};" for effect, p, a, r, when in written)
    slices = Slices(text, SCHEMA)
    for facts, question in asked:
        request = request_of(facts, question, NOW)
        some = slices.of(request, facts.groups)
        assert told(some, facts, question) == told(slices.whole, facts, question), (facts, question)
        assert len(some) <= len(slices.whole)


def test_of_a_thousand_policies_a_question_meets_a_handful() -> None:
    """Also of those that name their group first in `when`; one that any subject may match is always met."""
    scoped = (
        f'permit (principal in Group::"team-{n}", action in Action::"reads", resource is Ticket);'
        for n in range(500)
    )
    tested = (
        f'permit (principal, action, resource) when {{ principal in Group::"team-{n}" && true }};'
        for n in range(499)
    )
    text = "\n".join([*scoped, *tested, "forbid (principal, action, resource) unless { true };"])
    slices = Slices(text, SCHEMA)
    facts = Facts("a1", "one", "k8s", "production", "low", groups=("team-7",))
    question = Question("agent", "one", "read", "ticket", "x")
    some = slices.of(request_of(facts, question, NOW), facts.groups)
    assert len(some) == 3
    assert told(some, facts, question) == told(slices.whole, facts, question)
    assert slices.of(request_of(facts, question, NOW), facts.groups) is some
    other = replace(question, resource_type="order")
    assert len(slices.of(request_of(facts, other, NOW), facts.groups)) == 2


def test_slices_are_kept_up_to_a_number_whatever_gateways_send() -> None:
    text = "\n".join(f'permit (principal, action, resource == Ticket::"{n}");' for n in range(KEPT + 50))
    slices = Slices(text, SCHEMA)
    facts = Facts("a1", "one", "k8s", "production", "low")
    for n in range(KEPT + 50):
        question = Question("agent", "one", "read", "ticket", str(n))
        assert len(slices.of(request_of(facts, question, NOW), ())) == 1
    for n in range(50):
        unheard = Question("agent", "one", f"act-{n}", "ticket", f"no such {n}")
        assert slices.of(request_of(facts, unheard, NOW), ()) is slices.whole
    assert len(slices._kept) == KEPT
    assert len(slices._matching) == 1
