"""Many questions in one request, each answered by itself (AuthZEN 1.0, "Access Evaluations API")."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from scim_bridge.access.decide import Gate, judge, passed, unknown_type
from scim_bridge.access.model import Decision, Facts, Question, denied
from scim_bridge.access.policies import Policies
from scim_bridge.access.request import DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT, Batch
from scim_bridge.access.subjects import Premises, subjects_named, with_rates
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BridgeError

# Evaluations after which others have their turn on the event loop.
TURN = 10


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of a batch. Without a question it could not be read, and the decision says why."""

    question: Question | None
    decision: Decision
    error: BridgeError | None = None


async def evaluate(
    reader: Reader,
    policies: Policies,
    batch: Batch,
    now: int,
    gates: Sequence[Gate],
    premises: Premises,
) -> list[Answered]:
    """The answers in the order of the questions, as far as the batch's semantic goes.

    Each subject is read once, so that all answers about it speak of one moment. What cannot be read is a no.
    """
    known: dict[tuple[str, str], Sequence[Facts]] = {}
    answers: list[Answered] = []
    for number, item in enumerate(batch.questions, start=1):
        if number % TURN == 0:
            await asyncio.sleep(0)
        if isinstance(item, BridgeError):
            answers.append(Answered(None, denied(item.code, item.message), item))
        else:
            question = premises.resources.completed(item)
            decision = await _decided(reader, policies, question, now, premises, known)
            answers.append(Answered(question, await passed(question, decision, now, gates)))
        if _settles(batch.semantic, answers[-1].decision.allowed):
            break
    return answers


def _settles(semantic: str, allowed: bool) -> bool:
    return (semantic == DENY_ON_FIRST_DENY and not allowed) or (
        semantic == PERMIT_ON_FIRST_PERMIT and allowed
    )


async def _decided(
    reader: Reader,
    policies: Policies,
    question: Question,
    now: int,
    premises: Premises,
    known: dict[tuple[str, str], Sequence[Facts]],
) -> Decision:
    kind = premises.kind_of(question.subject_type)
    if kind is None:
        return unknown_type(question)
    key = (kind, question.subject_id)
    if key not in known:
        named = await subjects_named(reader, *key)
        known[key] = await with_rates(reader, premises, policies.rated, named, now)
    return judge(policies, question, known[key], now)
