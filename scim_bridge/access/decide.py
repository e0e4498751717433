"""The order of a decision: who is asked about, what stops them, then the policies, then the gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scim_bridge.access.model import SUBJECT_TYPE, Decision, Facts, Question, denied, stops
from scim_bridge.access.policies import Policies
from scim_bridge.access.subjects import PREMISES, Premises, subjects_named, with_rates
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import AGENT


class Gate(Protocol):
    """What a yes of the policies has to pass as well, such as a budget; it counts, so it is asked last."""

    async def __call__(self, question: Question, facts: Facts, decision: Decision, now: int) -> Decision:
        """The decision as it was, or a no in its place with its own reason and perhaps `retry_after`."""


async def decide(
    reader: Reader,
    policies: Policies,
    question: Question,
    now: int,
    gates: Sequence[Gate] = (),
    premises: Premises = PREMISES,
) -> Decision:
    """Whether the subject of a question may do it at this instant. Never an allow without facts.

    `gates` are asked in their order, and only while the answer is still a yes.
    """
    kind = premises.kind_of(question.subject_type)
    if kind is None:
        return unknown_type(question)
    named = await subjects_named(reader, kind, question.subject_id)
    found = await with_rates(reader, premises, policies.rated, named, now)
    question = premises.resources.completed(question)
    return await passed(question, judge(policies, question, found, now), now, gates)


async def passed(question: Question, decision: Decision, now: int, gates: Sequence[Gate]) -> Decision:
    """What is left of a decision behind every gate; a no passes none."""
    for gate in gates:
        if not decision.allowed or decision.facts is None:
            break
        decision = await gate(question, decision.facts, decision, now)
    return decision


def unknown_type(question: Question) -> Decision:
    """The no to a subject of a type that names nobody here."""
    text = f"Subjects of type {question.subject_type!r} are not known here. Ask about an {SUBJECT_TYPE!r}."
    return denied("subject-type", text)


def judge(policies: Policies, question: Question, found: Sequence[Facts], now: int) -> Decision:
    """The answer from facts alone: pure, so that tables of questions can be checked without a database."""
    if not found:
        text = (
            f"Nobody is known as {question.subject_type} {question.subject_id!r}"
            " (an agent by id, slug, userName or workload id; a person by id, userName or externalId)."
        )
        return denied("subject-unknown", text)
    if len(found) > 1:
        names = ", ".join(sorted(facts.slug for facts in found))
        what = "agent" if found[0].kind == AGENT else "person"
        text = f"{question.subject_id!r} names more than one {what} ({names}). Ask by id."
        return denied("subject-ambiguous", text)
    facts = found[0]
    stopped = stops(facts, now)
    if stopped:
        return Decision(False, stopped, facts=facts)
    return policies.decide(facts, question, now)
