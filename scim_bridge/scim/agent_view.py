"""An agent as the SCIM drafts describe it, and back: one agent, seen as a User or as an Agent.

Two drafts share one schema URN and disagree on the identifier: `agentUserName` (draft-wzdk-scim-agent-resource,
shape "wzdk") and `name` (draft-abbey-scim-agent-extension, shape "abbey"). Both are read from everybody; each
connection is answered in the shape it chose.
"""

from __future__ import annotations

from typing import Any

from scim_bridge.registry.model import AGENT_CORE_URN, AGENT_URN, CUSTOM_AGENT_URN, CUSTOM_USER_URN

Doc = dict[str, Any]

WZDK = "wzdk"
ABBEY = "abbey"
IDENTIFIER = {WZDK: "agentUserName", ABBEY: "name"}

# Attributes that mean the same in both views, and those that have another name at another place.
SAME = (
    "id",
    "externalId",
    "active",
    "displayName",
    "groups",
    "entitlements",
    "roles",
    "x509Certificates",
    "meta",
)
RENAMED = (("title", "agentType"),)
# Extensions that are the same in both views.
CUSTOM = (CUSTOM_USER_URN, CUSTOM_AGENT_URN)
EXTENDED = (("purpose", "description"), ("workloadId", "subject"))


def shape_of(settings: dict[str, Any]) -> str:
    """The shape a connection wants agents in: its setting `agent_schema`, else the newer draft."""
    return ABBEY if settings.get("agent_schema") == ABBEY else WZDK


def as_agent(document: Doc, shape: str) -> Doc:
    """A user document of an agent, as written or as served, in the shape of an Agent. Absent stays absent."""
    extension = document.get(AGENT_URN) or {}
    custom = [urn for urn in CUSTOM if urn in document]
    found: Doc = {"schemas": [AGENT_CORE_URN, *([AGENT_URN] if extension else []), *custom]}
    found |= {name: document[name] for name in SAME if name in document}
    if "userName" in document:
        found[IDENTIFIER[shape]] = document["userName"]
    found |= {theirs: document[ours] for ours, theirs in RENAMED if ours in document}
    found |= {theirs: extension[ours] for ours, theirs in EXTENDED if ours in extension}
    owners = _owners(extension)
    if owners:
        found["owners"] = owners
    if extension:
        found[AGENT_URN] = extension
    for urn in custom:
        found[urn] = document[urn]
    return found


def _owners(extension: Doc) -> list[Doc]:
    people = [extension["owner"]] if extension.get("owner") else []
    people += extension.get("coOwners") or []
    return [_renamed(person, "displayName", "display") for person in people]


def _renamed(person: Doc, old: str, new: str) -> Doc:
    return {(new if key == old else key): value for key, value in person.items()}


def as_user(agent: Doc, before: Doc | None = None, *, keep_extension: bool = False) -> Doc:
    """The user document that an agent document asks for; `schemas`, `id`, `groups` and `meta` are not in it.

    `before` is the user document the agent document was made from. Where an attribute stands in both the
    draft's schema and our extension, what differs from before is what is meant. `keep_extension`: a body
    without our extension leaves the rest of it as it was.
    """
    was = {} if before is None else as_agent(before, WZDK)
    old_name = None if before is None else before.get("userName")
    made = {key: value for key, value in (before or {}).items() if key not in _seen()}
    made |= {name: agent[name] for name in SAME if name in agent and name not in ("id", "groups", "meta")}
    made |= {urn: agent[urn] for urn in CUSTOM if urn in agent}
    names = [agent[name] for name in IDENTIFIER.values() if agent.get(name)]
    chosen = next((name for name in names if name != old_name), old_name)
    if chosen is not None:
        made["userName"] = chosen
    made |= {ours: agent[theirs] for ours, theirs in RENAMED if theirs in agent}
    kept = (before or {}).get(AGENT_URN) if keep_extension and AGENT_URN not in agent else None
    extension = dict(agent.get(AGENT_URN) or kept or {})
    for ours, theirs in EXTENDED:
        if agent.get(theirs) != was.get(theirs):
            _put(extension, ours, agent.get(theirs))
    if _ids(agent.get("owners")) != _ids(was.get("owners")):
        people = [_renamed(person, "display", "displayName") for person in agent.get("owners") or ()]
        _put(extension, "owner", people[0] if people else None)
        _put(extension, "coOwners", people[1:])
    if extension:
        made[AGENT_URN] = extension
    return made


def _seen() -> set[str]:
    return {*SAME, *CUSTOM, "userName", AGENT_URN, *(ours for ours, _ in RENAMED)}


def _ids(people: Any) -> list[Any]:
    return [person.get("value") for person in people or ()]


def _put(into: Doc, name: str, value: Any) -> None:
    if value:
        into[name] = value
    else:
        into.pop(name, None)
