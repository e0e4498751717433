"""What a campaign writes: one message to one person about several agents, with a link for each."""

from __future__ import annotations

from dataclasses import dataclass, field

from scim_bridge.attestations.campaign_model import Campaign, Step
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agents import AgentFacts
from scim_bridge.registry.model import PersonRef

TEMPLATES = {
    Step.ASK: "campaign-request",
    Step.REMIND: "campaign-reminder",
    Step.SPONSOR: "campaign-escalated",
    Step.MANAGER: "campaign-manager",
    Step.OVERDUE: "campaign-overdue",
}


@dataclass(slots=True)
class Mail:
    """One message to one person about several agents; `ends` is until when they may be answered."""

    to: PersonRef
    step: Step
    agents: list[AgentFacts] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ends: int = 0


async def send(work: Work, ctx: Context, campaign: Campaign, mail: Mail) -> None:
    """Write it as an effect of this transaction; the links are sealed for its receiver."""
    data = {
        "campaign": campaign.name,
        "reason": campaign.reason,
        "count": len(mail.agents),
        "agents": [name_of(agent) for agent in mail.agents],
        "due": iso(campaign.due),
        "ends": iso(mail.ends),
        "hold": campaign.policy.hold,
        "by": campaign.opened_by,
    }
    private = outward.sealed_for(ctx.master, mail.to, {"links": "\n".join(mail.links)})
    await outward.notify(
        work,
        TEMPLATES[mail.step],
        mail.to,
        data,
        subject_id=mail.to.id,
        private=private if mail.links else None,
    )


def name_of(agent: AgentFacts) -> str:
    """An agent's name on one line: whoever named it cannot write lines into somebody's message."""
    return " ".join(str(agent.resource.doc.get("displayName") or agent.slug).split())
