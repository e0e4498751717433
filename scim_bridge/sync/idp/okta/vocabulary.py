"""Our words in Okta's: the agent user type, its properties, and users as flat attributes. Pure.

An agent is a user of type `aiAgent`. Facts are custom properties of that type, the owner is a linked
object, "may not act" is the status SUSPENDED, deleted is DEPROVISIONED (docs: how-to/okta).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.registry.model import PersonRef
from scim_bridge.sync.idp.port import ENABLED, GONE, SHARED, DesiredAgent, Observed

TYPE_NAME = "aiAgent"
TYPE_TITLE = "AI agent"
TYPE_DESCRIPTION = "AI agents kept in step by scim-bridge."
DEFAULT_TYPE = "user"

LINK = "agentOwner"
LINK_BACK = "ownedAgent"

# Attributes that are not properties of the profile.
TYPE = "type"
RETIRED = "retired"
OWNER_LINK = f"linkedObjects.{LINK}"

MARK = "agentId"
USER_TYPE = "Agent"
# Okta asks every user for a last name.
LAST_NAME = "Agent"

_LONG = 1000
_ITEM = 200

# name: (title, type, longest)
PROPERTIES: dict[str, tuple[str, str, int]] = {
    MARK: ("Agent id", "string", 128),
    "agentSlug": ("Agent slug", "string", 64),
    "agentPurpose": ("Purpose", "string", _LONG),
    "agentPlatform": ("Platform", "string", _ITEM),
    "agentModel": ("Model", "string", _ITEM),
    "agentEnvironment": ("Environment", "string", _ITEM),
    "agentRiskTier": ("Risk tier", "string", _ITEM),
    "agentWorkloadId": ("Workload id", "string", _LONG),
    "agentOwnerName": ("Owner", "string", _ITEM),
    "agentOwnerLogin": ("Owner's login", "string", _ITEM),
    "agentCoOwners": ("Co-owners", "array", _ITEM),
    "agentSponsors": ("Sponsors", "array", _ITEM),
    "agentHoldReasons": ("Why it may not act", "array", _ITEM),
    "agentAttestation": ("Attestation", "string", _ITEM),
    "agentAttestedBy": ("Attested by", "string", _ITEM),
    "agentAttestedAt": ("Attested at", "string", _ITEM),
    "agentAttestedUntil": ("Attested until", "string", _ITEM),
    "agentStatementId": ("Signed statement", "string", _ITEM),
}

# Okta's own properties that we keep in step. userType marks an agent when Okta provisions it to us;
# manager and managerId are what Okta would send back as the agent's manager.
BASE = {
    "login": 100,
    "email": 100,
    "displayName": 255,
    "userType": 255,
    "manager": 255,
    "managerId": 255,
}

# What every user has, whatever the org's schema says.
EVERY_USER = ("login", "email", "displayName")

PROFILE = (*BASE, *PROPERTIES)
# Everything else an attribute can be is a property of the profile: of ours, of Okta's, or of the org's.
BESIDE = frozenset({TYPE, RETIRED, OWNER_LINK, ENABLED, *SHARED})

ON = frozenset({"ACTIVE", "PROVISIONED", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED"})
STAGED = "STAGED"
SUSPENDED = "SUSPENDED"
DEPROVISIONED = "DEPROVISIONED"
STATUSES = (*sorted(ON), STAGED, SUSPENDED, DEPROVISIONED)


def definition(name: str) -> dict[str, Any]:
    """The schema property of this name, in Okta's form. The agent itself can only read it."""
    title, kind, longest = PROPERTIES[name]
    made: dict[str, Any] = {
        "title": title,
        "type": kind,
        "required": False,
        "scope": "NONE",
        "mutability": "READ_WRITE",
        "permissions": [{"principal": "SELF", "action": "READ_ONLY"}],
        "master": {"type": "OKTA"},
    }
    if kind == "array":
        made["items"] = {"type": "string"}
    else:
        made["maxLength"] = longest
    return made


def wanted_attributes(agent: DesiredAgent, owner_id: str | None, *, delete: bool = False) -> dict[str, Any]:
    """Everything Okta should say of an agent. `owner_id` is the owner's id in Okta, when there is one.

    A deleted agent is deactivated; with `delete` the user goes for good.
    """
    if agent.deleted:
        return {ENABLED: False, RETIRED: GONE if delete else True}
    owner, statement = agent.owner, agent.attestation
    profile: dict[str, Any] = {
        "login": agent.user_name,
        "email": agent.email or agent.user_name,
        "displayName": agent.display_name,
        "userType": USER_TYPE,
        "manager": None if owner is None else owner.display_name,
        "managerId": None if owner is None else owner.id,
        MARK: agent.agent_id,
        "agentSlug": agent.slug,
        "agentPurpose": agent.purpose,
        "agentPlatform": agent.platform,
        "agentModel": agent.model,
        "agentEnvironment": agent.environment,
        "agentRiskTier": agent.risk_tier,
        "agentWorkloadId": agent.workload_id,
        "agentOwnerName": None if owner is None else owner.display_name,
        "agentOwnerLogin": None if owner is None else owner.user_name,
        "agentCoOwners": _people(agent.co_owners),
        "agentSponsors": _people(agent.sponsors),
        "agentHoldReasons": list(agent.holds),
        "agentAttestation": statement.state,
        "agentAttestedBy": statement.by,
        "agentAttestedAt": None if statement.at is None else iso(statement.at),
        "agentAttestedUntil": None if statement.until is None else iso(statement.until),
        "agentStatementId": statement.id,
    }
    made = {name: normal(name, value) for name, value in profile.items()}
    return {**made, TYPE: TYPE_NAME, OWNER_LINK: owner_id, ENABLED: agent.enabled}


def _people(people: Sequence[PersonRef]) -> list[str]:
    return [person.user_name for person in people]


def normal(name: str, value: Any) -> Any:
    """A value as Okta would give it back: cut to its length, no blanks around, nothing instead of empty."""
    longest = BASE[name] if name in BASE else PROPERTIES[name][2]
    if isinstance(value, list):
        return [item for item in (_text(part, longest) for part in value) if item] or None
    return _text(value, longest)


def _text(value: Any, longest: int) -> str | None:
    # NUL ends a string in places nobody sees; Okta refuses the profile for it.
    return str(value).replace("\0", "").strip()[:longest].strip() or None if value is not None else None


def observed(
    user: Mapping[str, Any],
    type_name: str,
    owner_id: str | None,
    members: Mapping[str, Any] | None = None,
    *,
    thaws: bool = False,
) -> Observed:
    """A user as Okta gives it, as flat attributes in the same words, with what it is a member of.

    `thaws`: where we stop agents by deactivation, activation is how we start them again.
    """
    profile = user.get("profile") or {}
    status = str(user.get("transitioningToStatus") or user.get("status") or "")
    attributes: dict[str, Any] = {
        name: value for name, value in profile.items() if value not in (None, "", [])
    }
    attributes |= members or {}
    attributes[TYPE] = type_name
    attributes[OWNER_LINK] = owner_id
    attributes[ENABLED] = None if status == STAGED else status in ON
    attributes[RETIRED] = True if status == DEPROVISIONED else None
    frozen = "is deactivated in Okta; activate it there to have it kept in step again."
    return Observed(
        str(user["id"]),
        str(profile.get(MARK) or "") if type_name == TYPE_NAME else "",
        str(profile.get("login") or ""),
        attributes,
        frozen if status == DEPROVISIONED else "",
        thaws and status == DEPROVISIONED,
    )


def new_profile(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The whole profile of a new agent user; Okta asks for a first and a last name."""
    label = str(wanted.get("displayName") or wanted["login"])
    names = {"firstName": label[:50], "lastName": LAST_NAME}
    return {**names, **profile_part(wanted, empty=False)}


def profile_part(attributes: Mapping[str, Any], *, empty: bool) -> dict[str, Any]:
    """The profile properties among attributes; with `empty`, cleared ones are kept as null."""
    return {
        name: value
        for name, value in attributes.items()
        if name not in BESIDE and (empty or value not in (None, "", []))
    }


def text_literal(value: str) -> str:
    """A value in a search expression, quoted."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
