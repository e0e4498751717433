"""The order of a decision: who is asked about, what stops them, then the policies, then the gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scim_bridge.access.facts import facts_about
from scim_bridge.access.model import SUBJECT_TYPE, Decision, Facts, Question, denied, stops
from scim_bridge.access.policies import Policies
from scim_bridge.kernel.database import Reader


class Gate(Protocol):
    """What a yes of the policies has to pass as well, such as a budget; it counts, so it is asked last."""

    async def __call__(self, question: Question, facts: Facts, decision: Decision, now: int) -> Decision:
        """The decision as it was, or a no in its place with its own reason and perhaps `retry_after`."""


async def decide(
    reader: Reader, policies: Policies, question: Question, now: int, gates: Sequence[Gate] = ()
) -> Decision:
    """Whether the subject of a question may do it at this instant. Never an allow without facts.

    `gates` are asked in their order, and only while the answer is still a yes.
    """
    if question.subject_type.casefold() != SUBJECT_TYPE:
        text = (
            f"Subjects of type {question.subject_type!r} are not known here. Ask about an {SUBJECT_TYPE!r}."
        )
        return denied("subject-type", text)
    decision = judge(policies, question, await facts_about(reader, question.subject_id), now)
    for gate in gates:
        if not decision.allowed or decision.facts is None:
            break
        decision = await gate(question, decision.facts, decision, now)
    return decision


def judge(policies: Policies, question: Question, found: Sequence[Facts], now: int) -> Decision:
    """The answer from facts alone: pure, so that tables of questions can be checked without a database."""
    if not found:
        text = f"No agent is known as {question.subject_id!r} (id, slug, userName or workload id)."
        return denied("subject-unknown", text)
    if len(found) > 1:
        slugs = ", ".join(sorted(facts.slug for facts in found))
        text = f"{question.subject_id!r} names more than one agent ({slugs}). Ask by id."
        return denied("subject-ambiguous", text)
    facts = found[0]
    stopped = stops(facts, now)
    if stopped:
        return Decision(False, stopped, facts=facts)
    return policies.decide(facts, question, now)
