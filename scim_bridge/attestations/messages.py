"""What a campaign writes: one message to one person about several agents, with a link for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from scim_bridge.attestations.campaign_model import Campaign, Step
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.model import PersonRef

TEMPLATES = {
    Step.ASK: "campaign-request",
    Step.REMIND: "campaign-reminder",
    Step.SPONSOR: "campaign-escalated",
    Step.MANAGER: "campaign-manager",
    Step.OVERDUE: "campaign-overdue",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One agent in a message: of which campaign, until when it may be answered, and the link where there is one."""

    name: str
    campaign: Campaign
    ends: int
    link: str = ""


@dataclass(slots=True)
class Mail:
    """One message to one person about several agents, of one campaign or of several about one agent each."""

    to: PersonRef
    step: Step
    lines: list[Line] = field(default_factory=list)

    def add(self, agent: AgentFacts, campaign: Campaign, ends: int, link: str = "") -> None:
        """One agent more."""
        self.lines.append(Line(name_of(agent), campaign, ends, link))

    @property
    def campaigns(self) -> list[Campaign]:
        """The campaigns it is about."""
        return list({line.campaign.id: line.campaign for line in self.lines}.values())


def called(campaigns: Sequence[Campaign]) -> str:
    """What a message about these campaigns is headed with: a name, or what happened where it is several."""
    if len(campaigns) == 1:
        return campaigns[0].name
    return " and ".join(sorted({one.name.partition(":")[0] for one in campaigns}))


async def send(work: Work, ctx: Context, mail: Mail) -> None:
    """Write it as an effect of this transaction; the links are sealed for its receiver.

    Of several campaigns the earliest dates count, and each agent is told with why it is asked about.
    """
    campaigns = mail.campaigns
    reasons = {one.reason for one in campaigns}
    apart = len(reasons) > 1
    ends = [line.ends for line in mail.lines]
    data = {
        "campaign": called(campaigns),
        "reason": "" if apart else reasons.pop(),
        "count": len(mail.lines),
        "agents": [line.name for line in mail.lines],
        "due": iso(min(one.due for one in campaigns)),
        "ends": iso(max(ends) if len(campaigns) == 1 else min(ends)),
        "hold": any(one.policy.hold for one in campaigns),
        "by": campaigns[0].opened_by,
    }
    links = "\n".join(_link_line(line, apart) for line in mail.lines if line.link)
    private = outward.sealed_for(ctx.master, mail.to, {"links": links}) if links else None
    await outward.notify(work, TEMPLATES[mail.step], mail.to, data, subject_id=mail.to.id, private=private)


def _link_line(line: Line, apart: bool) -> str:
    """One agent's line; with why it is asked about, where that is not the same for all."""
    why = f" ({line.campaign.reason})" if apart and line.campaign.reason else ""
    return f"{line.name}{why}: {line.link}"


def name_of(agent: AgentFacts) -> str:
    """An agent's name on one line: whoever named it cannot write lines into somebody's message."""
    return " ".join(str(agent.resource.doc.get("displayName") or agent.slug).split())
