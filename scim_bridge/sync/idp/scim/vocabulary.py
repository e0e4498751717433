"""Our words in SCIM's: an agent as a user of a SCIM server, and such a user as flat attributes. Pure.

The mark is externalId, which the RFC gives to the client that provisions (RFC 7643 section 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.sync.idp.port import ENABLED, DesiredAgent, Observed
from scim_bridge.sync.idp.scim.paths import SERVERS, Doc, flattened, parts, value_at, with_values
from scim_bridge.sync.idp.scim.service import Service

MARK = "externalId"
LOGIN = "userName"
TYPE = "userType"
AGENT_TYPE = "Agent"
MANAGER = f"{ENTERPRISE_URN}:manager.value"
# Wanted of a deleted agent where the connection has retired ones removed.
REMOVED = "removed"
LAST_NAME = "Agent"
ACTIVE = "active"

# Ids of agents are UUIDs of version 7: an externalId of any other form is another client's.
_OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def marked(doc: Mapping[str, Any]) -> str:
    """The agent id a user carries; empty when it carries none of ours."""
    found = value_at(doc, MARK)
    return found.casefold() if isinstance(found, str) and _OURS.fullmatch(found) else ""


def foreign(doc: Mapping[str, Any]) -> str:
    """The externalId another client gave a user; empty when there is none."""
    found = value_at(doc, MARK)
    return str(found) if found and not marked(doc) else ""


def is_agent(doc: Mapping[str, Any]) -> bool:
    """True for a user that says it is an agent, or carries our mark."""
    return str(value_at(doc, TYPE)).casefold() == AGENT_TYPE.casefold() or bool(marked(doc))


def wanted_attributes(agent: DesiredAgent, owner_id: str | None, service: Service) -> dict[str, Any]:
    """Everything the server should say of an agent, as far as its users have it."""
    name = agent.display_name or agent.slug
    facts: dict[str, Any] = {
        MARK: agent.agent_id,
        LOGIN: agent.user_name,
        "displayName": name,
        TYPE: AGENT_TYPE,
        "name.formatted": name,
        # Many servers ask every user for both names.
        "name.givenName": name,
        "name.familyName": LAST_NAME,
        "emails.value": agent.email or (agent.user_name if "@" in agent.user_name else None),
        MANAGER: owner_id,
        f"{AGENT_URN}:purpose": agent.purpose or None,
        f"{AGENT_URN}:platform": agent.platform or None,
        f"{AGENT_URN}:model": agent.model or None,
        f"{AGENT_URN}:environment": agent.environment or None,
        f"{AGENT_URN}:riskTier": agent.risk_tier or None,
        f"{AGENT_URN}:workloadId": agent.workload_id or None,
    }
    said = {key: value for key, value in facts.items() if key in (MARK, LOGIN) or service.takes(key)}
    return {**said, ENABLED: agent.enabled}


def observed(doc: Doc, service: Service, kept: Mapping[str, tuple[Any, Any]]) -> Observed:
    """A user as flat attributes.

    `kept` says of attributes what was sent and what the server made of it: where it still says that, it
    says what was sent. Whether it may act is never read that way.
    """
    attributes = {service.spelt(name): value for name, value in flattened(doc)}
    notes = []
    for name, (sent, made) in kept.items():
        if attributes.get(name) == made:
            attributes[name] = sent
            notes.append(learnt(name, made))
    active = attributes.pop(ACTIVE, None)
    attributes[ENABLED] = active if isinstance(active, bool) else str(active).casefold() != "false"
    other = foreign(doc)
    frozen = (
        f"the server's user has the externalId {other[:40]!r} of another client;"
        " take that away to have it adopted."
        if other and MARK not in kept
        else ""
    )
    login = str(value_at(doc, LOGIN) or "")
    return Observed(str(doc["id"]), marked(doc), login, attributes, frozen, notes=tuple(notes))


def learnt(name: str, made: Any) -> str:
    """What people are told of an attribute the server does not keep as it is written."""
    if made is None:
        return f"The server does not keep {name}: it is written again only when it changes here."
    return f"The server keeps {name} in a form of its own: it is written again only when it changes here."


def new_user(wanted: Mapping[str, Any], service: Service) -> Doc:
    """The document that makes a user."""
    return changed({"schemas": [USER_URN]}, wanted, service)


def changed(doc: Mapping[str, Any], values: Mapping[str, Any], service: Service) -> Doc:
    """A user's document with these attributes."""
    flat = {name: value for name, value in values.items() if name not in (ENABLED, REMOVED)}
    if values.get(ENABLED) is not None:
        flat[ACTIVE] = values[ENABLED]
    return with_values(doc, flat, service.plural)


def sendable(doc: Doc, service: Service) -> Doc:
    """What of a document a PUT may say: not what only the server says."""
    kept: Doc = {key: value for key, value in doc.items() if key not in SERVERS or key == "schemas"}
    if service.attributes is None:
        return kept
    for name, attribute in service.attributes.items():
        if attribute.writable:
            continue
        urn, first, sub = parts(name)
        if not urn and not sub:
            kept = {key: value for key, value in kept.items() if key.casefold() != first}
    return kept
