"""What the bridge can do in a tenant, which app roles each of it takes, and what is missing without. Pure.

From the permission tables of the Graph reference, least privileged first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import orjson

from scim_bridge.sync.idp.entra.calls import BETA, V1, Get, Reply, held
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.refusals import error_of
from scim_bridge.sync.idp.port import Feature

IDENTITIES = "agent identities"
CREATES = "new agent identities"
SWITCH = "switching on and off"
PEOPLE = "owners and sponsors"
ATTRIBUTES = "custom security attributes"
ATTEST = "attestation"
ISSUES = "compliance issues"
BLUEPRINT = "blueprint"
AGENT_USERS = "agent users"
REGISTRY = "agent registry"
GROUPS = "groups"
APP_ROLES = "app roles"

_IDENTITY = ("AgentIdentity.Read.All", "AgentIdentity.ReadWrite.All")
_IDENTITY_WRITE = ("AgentIdentity.ReadWrite.All",)
_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All")
_USERS = ("User.Read.All", "User.ReadWrite.All", *_DIRECTORY)
_LIFECYCLE = ("LifecyclePolicies-AgentId.Read.All", "LifecyclePolicies-AgentId.ReadWrite.All")
_MEMBERS = ("GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All")
DEFINE = "CustomSecAttributeDefinition.ReadWrite.All"


def _always(_options: Options) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing the bridge does: of each tuple of roles one is needed; `probe` is a read that proves it.

    `without` says what is missing when it is not usable. `off` says why it is not asked for, or "".
    """

    name: str
    roles: tuple[tuple[str, ...], ...]
    without: str
    probe: Get | None = None
    version: str = V1
    off: Callable[[Options], str] = _always


def _first(path: str) -> Get:
    return Get(path, {"$select": "id", "$top": "1"})


NEEDS = (
    Need(
        IDENTITIES,
        (_IDENTITY,),
        "nothing can be compared or written",
        _first("/servicePrincipals/microsoft.graph.agentIdentity"),
    ),
    Need(
        CREATES,
        (("AgentIdentity.Create.All", "AgentIdentity.CreateAsManager"),),
        "agents that are not there yet are parked",
    ),
    Need(SWITCH, (("AgentIdentity.EnableDisable.All", *_IDENTITY_WRITE),), "no hold reaches Entra"),
    Need(
        PEOPLE,
        (_USERS, _IDENTITY_WRITE),
        "owners and sponsors stay as they are, and no new agent can be made",
        _first("/users"),
    ),
    Need(
        ATTRIBUTES,
        (
            ("CustomSecAttributeAssignment.ReadWrite.All",),
            ("CustomSecAttributeDefinition.Read.All", DEFINE),
        ),
        "facts about agents are not written, and statements are not attested",
        Get("/directory/attributeSets", {"$top": "1"}),
    ),
    Need(
        ATTEST,
        ((*_IDENTITY_WRITE, "LifecyclePolicies-AgentId.ReadWrite.All"),),
        "owners' statements are written as attributes only",
    ),
    Need(
        ISSUES,
        ((*_IDENTITY, *_LIFECYCLE),),
        "what Entra finds wrong with an agent is not shown",
        off=lambda options: "" if options.compliance else "not asked for: compliance_issues is off",
    ),
    Need(
        BLUEPRINT,
        (
            ("AgentIdentityBlueprint.Create", "AgentIdentityBlueprint.ReadWrite.All"),
            ("AgentIdentityBlueprintPrincipal.Create", "AgentIdentityBlueprintPrincipal.ReadWrite.All"),
        ),
        "somebody else has to make the blueprint",
    ),
    Need(
        AGENT_USERS,
        (
            (
                "AgentIdUser.ReadWrite.All",
                "AgentIdUser.ReadWrite.IdentityParentedBy",
                "User.ReadWrite.All",
            ),
            _USERS,
        ),
        "agents get no user account",
        _first("/users/microsoft.graph.agentUser"),
        off=lambda options: "" if options.agent_users else "not asked for: set agent_users",
    ),
    Need(
        GROUPS,
        (_MEMBERS,),
        "no agent is put into a group or taken out of one",
        _first("/groups"),
        off=lambda options: "" if options.push_groups else "not asked for: set push_groups",
    ),
    Need(
        APP_ROLES,
        (
            ("AppRoleAssignment.ReadWrite.All",),
            ("Application.Read.All", "Application.ReadWrite.All", *_DIRECTORY),
        ),
        "no app role is given or taken back",
        off=lambda options: "" if options.app_roles else "not asked for: set app_roles",
    ),
    Need(
        REGISTRY,
        (("AgentRegistration.ReadWrite.All",),),
        "agents are not entered there",
        Get("/copilot/agentRegistrations", {"$top": "1"}),
        BETA,
        off=lambda options: "" if options.agent_registry else "not asked for: set agent_registry=on",
    ),
)


def granted(token: str) -> frozenset[str] | None:
    """The app roles an access token says; None when it says nothing that can be read.

    Only to tell people what is missing: Graph alone decides.
    """
    try:
        part = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return None
    roles = claims.get("roles") if isinstance(claims, dict) else None
    return frozenset(map(str, roles)) if isinstance(roles, list) else None


def lacking(need: Need, options: Options, roles: frozenset[str] | None) -> list[str]:
    """The least of the roles that are needed and not there; none where nothing is asked for or known."""
    if roles is None or need.off(options):
        return []
    return [group[0] for group in need.roles if not roles & set(group)]


def judged(need: Need, options: Options, roles: frozenset[str] | None, reply: Reply | None) -> Feature:
    """Whether one thing can be done, and if not, why and what is missing without it."""
    if why := need.off(options):
        return Feature(need.name, False, f"{why}.")
    if missing := lacking(need, options, roles):
        return Feature(
            need.name,
            False,
            f"The app lacks the permission {' and '.join(missing)}: {need.without}."
            " Grant it under API permissions and consent to it.",
        )
    if reply is not None and (reply.status in (400, 401, 403, 404)):
        code, message = error_of(reply.body)
        told = f"{code}: {message}" if code else f"status {reply.status}"
        return Feature(
            need.name, False, f"Entra refuses it ({told[:200]}): {need.without}. {_hint(reply.status)}"
        )
    return Feature(need.name, True)


def domain_asked(options: Options) -> list[Get]:
    """The read that says whether agents may have accounts at their domain; none where they get none."""
    return (
        [Get(f"/domains/{options.agent_users}", {"$select": "id,isVerified"})] if options.agent_users else []
    )


def at_domain(feature: Feature, options: Options, reply: Reply) -> Feature:
    """Agents' accounts, where the tenant may not have their domain: found out before there are identities.

    Without the permission to read domains it is not known, and said so.
    """
    if not feature.usable:
        return feature
    domain = options.agent_users
    if reply.status == 404 or (
        reply.ok and held("look for the domain", reply, "id").get("isVerified") is not True
    ):
        return Feature(
            feature.name,
            False,
            f"{domain} is no verified domain of this tenant: agents get no user account."
            " Verify it in Entra, or set agent_users to one that is.",
        )
    if reply.ok:
        return feature
    why = f"Whether {domain} is a verified domain was not found out: the app lacks Domain.Read.All."
    return Feature(feature.name, True, why)


def _hint(status: int) -> str:
    if status == 404:
        return "This tenant does not have it."
    return "It may need a licence, or consent that was not given."


def asked_of(needs: Iterable[Need], options: Options, version: str) -> list[Need]:
    """The needs that a read in this version can prove."""
    return [one for one in needs if one.probe is not None and one.version == version and not one.off(options)]
