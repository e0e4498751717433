"""What an answer changes: groups an agent leaves, a new owner, an agent that is no longer needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scim_bridge.attestations.model import CONFIRM, REDUCE, SUCCESSOR, Facts, Statement
from scim_bridge.attestations.opening import Invitation, Look
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.credentials import revoke_all
from scim_bridge.registry.groups import remove_members
from scim_bridge.registry.holds import place_hold, restate_hold
from scim_bridge.registry.model import Owners

SOURCE = "attestation"


async def applied(
    work: Work, request: Invitation, shown: Look, verdict: str, drop: Sequence[str]
) -> dict[str, Any]:
    """Make what the answer says true before it is signed; what was changed, for the statement.

    Invalid when groups are named that are not among the facts, or a reduction names none.
    """
    changes: dict[str, Any] = {}
    if drop and verdict != REDUCE:
        raise Invalid(
            "answer-groups", "Groups were chosen, but the answer is not to take any away.", "Choose one."
        )
    if verdict == REDUCE:
        changes["left_groups"] = await leave(work, request.agent_id, shown.facts, drop)
    if shown.role == SUCCESSOR and verdict in (CONFIRM, REDUCE):
        changes["new_owner"] = await _taken_over(work, request, shown)
    return changes


async def leave(work: Work, agent_id: str, facts: Facts, drop: Sequence[str]) -> list[dict[str, str]]:
    """Have an agent leave groups (ids) that are among these facts; what it left. Invalid for any other."""
    held = {str(group["id"]): group for group in facts["groups"]}
    unknown = [group for group in drop if group not in held]
    if unknown:
        raise Invalid(
            "answer-groups", f"{unknown[0][:60]!r} is none of its groups.", "Look again, then choose."
        )
    if not drop:
        raise Invalid("answer-groups", "No group was chosen to be taken away.", "Choose one, or confirm.")
    left = []
    for group_id in sorted(set(drop)):
        await remove_members(work, group_id, [agent_id])
        left.append({"id": group_id, "name": str(held[group_id]["name"])})
    return left


async def _taken_over(work: Work, request: Invitation, shown: Look) -> dict[str, str]:
    before, person = shown.agent.owners, shown.person
    after = Owners(
        person,
        tuple(one for one in before.co_owners if one.id != person.id),
        tuple(one for one in before.sponsors if one.id != person.id),
    )
    await set_owners(work, request.agent_id, after)
    reason = f"{person.display_name} took it over"
    await outward.tell_runtime(work, request.agent_id, shown.agent.slug, "agent.owner_changed", reason)
    return {"id": person.id, "userName": person.user_name, "from": request.passed_by or ""}


async def retire(work: Work, statement: Statement) -> None:
    """Stop an agent its owner no longer needs: held, its credentials revoked. Deleting it is an admin's."""
    who, agent_id = statement.person.display_name, statement.agent_id
    reason = f"{who} ({statement.role}) says it is no longer needed" + (
        f": {statement.comment}" if statement.comment else "."
    )
    release = f"its owner confirms its facts after all (scim-bridge attest request {statement.slug})"
    if not await place_hold(work, agent_id, SOURCE, "attestation-retired", reason, release):
        await restate_hold(work, agent_id, SOURCE, "attestation-retired", reason, release)
    await revoke_all(work, agent_id, statement.slug, reason)
    data = {"agent": statement.slug, "by": who, "role": statement.role, "comment": statement.comment}
    await outward.notify(work, "attestation-retired", None, data, subject_id=agent_id)
