"""What of an agent's document is kept in columns as well, for rules to ask for."""

from __future__ import annotations

from scim_bridge.kernel.clock import parse_iso
from scim_bridge.registry.model import AGENT_URN, Doc


def columns_in(doc: Doc) -> tuple[str, str, str, str | None, int | None]:
    """Platform, environment, risk tier, workload id and end as a document says them, in the order of the columns."""
    extension = doc.get(AGENT_URN) or {}
    expires = extension.get("expiresAt")
    return (
        str(extension.get("platform") or "unknown"),
        str(extension.get("environment") or "unknown"),
        str(extension.get("riskTier") or "unknown"),
        extension.get("workloadId") or None,
        parse_iso(expires) if expires else None,
    )


def facts_in(doc: Doc) -> tuple[str, str, str]:
    """Environment, platform and risk tier as a document says them; "unknown" where it does not."""
    platform, environment, risk_tier, _, _ = columns_in(doc)
    return environment, platform, risk_tier


def workload_id_in(doc: Doc) -> str | None:
    """The workload id a document says, if any."""
    return columns_in(doc)[3]
