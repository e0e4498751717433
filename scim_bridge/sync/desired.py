"""What the registry says of an agent to a connection."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.model import display_name, primary_email
from scim_bridge.sync.idp.port import DesiredAgent
from scim_bridge.sync.sources import beside


def desired(facts: AgentFacts, hold_source: str, groups: Sequence[str] = ()) -> DesiredAgent:
    """What the registry says of a live agent to the connection that places holds as `hold_source`."""
    others = [hold for hold in facts.holds if hold.source != hold_source]
    extension, doc = facts.extension, facts.resource.doc
    return DesiredAgent(
        agent_id=facts.resource.id,
        slug=facts.slug,
        user_name=facts.resource.name,
        display_name=display_name(doc),
        email=primary_email(doc),
        purpose=str(extension.get("purpose") or ""),
        platform=facts.platform,
        model=str(extension.get("model") or ""),
        environment=facts.environment,
        risk_tier=facts.risk_tier,
        workload_id=facts.workload_id or "",
        enabled=not others,
        holds=tuple(hold.reason for hold in others),
        owner=facts.owners.owner,
        co_owners=facts.owners.co_owners,
        sponsors=facts.owners.sponsors,
        attestation=facts.attestation,
        held_there=len(others) < len(facts.holds),
        groups=tuple(groups),
        more=beside(doc),
    )


def buried(agent_id: str, slug: str, user_name: str) -> DesiredAgent:
    """What the registry says of a deleted agent: switched off, nothing else."""
    return DesiredAgent(
        agent_id=agent_id,
        slug=slug,
        user_name=user_name,
        display_name="",
        email="",
        purpose="",
        platform="",
        model="",
        environment="",
        risk_tier="",
        workload_id="",
        enabled=False,
        deleted=True,
    )
