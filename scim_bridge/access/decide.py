"""The order of a decision: who is asked about, what stops them, then the policies."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.access.facts import facts_about
from scim_bridge.access.model import SUBJECT_TYPE, Decision, Facts, Question, denied, stops
from scim_bridge.access.policies import Policies
from scim_bridge.kernel.database import Reader


async def decide(reader: Reader, policies: Policies, question: Question, now: int) -> Decision:
    """Whether the subject of a question may do it at this instant. Never an allow without facts."""
    if question.subject_type.casefold() != SUBJECT_TYPE:
        text = (
            f"Subjects of type {question.subject_type!r} are not known here. Ask about an {SUBJECT_TYPE!r}."
        )
        return denied("subject-type", text)
    return judge(policies, question, await facts_about(reader, question.subject_id), now)


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
