"""The schemas RFC 7643 does not have: our extensions of users and groups, and the drafts' Agent resource.

An attribute's docstring is its description under /Schemas.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URI,
    URN,
    CaseExact,
    ComplexAttribute,
    Extension,
    Group,
    Meta,
    Mutability,
    Reference,
    Required,
    Resource,
    Returned,
    Uniqueness,
    User,
)
from scim2_models.resources.user import Entitlement, GroupMembership, Role, X509Certificate

from scim_bridge.registry.model import (
    AGENT_CORE_URN,
    AGENT_URN,
    APPLICATION_URN,
    ENTITLEMENT,
    ENVIRONMENTS,
    GROUP_EXTENSION_URN,
    RISK_TIERS,
    ROLE,
)

OKTA_ROLE_URN = "urn:okta:scim:schemas:core:1.0:Role"
OKTA_ENTITLEMENT_URN = "urn:okta:scim:schemas:core:1.0:Entitlement"

ReadOnly = Mutability.read_only


class Common(Extension):
    """The attributes every resource has (RFC 7643 section 3.1), beside `schemas`."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Common")

    id: Annotated[str | None, ReadOnly, Returned.always, Uniqueness.global_, CaseExact.true] = None
    """The identifier this service gives a resource."""

    external_id: Annotated[str | None, CaseExact.true] = None
    """What the provisioning client calls the resource."""

    meta: Annotated[Meta | None, ReadOnly] = None
    """The resource's metadata."""


class Answerable(ComplexAttribute):
    """A person who answers for something."""

    value: Annotated[str | None, CaseExact.true] = None
    """The id of the person."""

    ref: Annotated[Reference[User[Any]] | None, ReadOnly] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URI of the person."""

    display_name: Annotated[str | None, ReadOnly] = None
    """The person's name."""


class Hold(ComplexAttribute):
    """One reason why an agent may not act."""

    source: Annotated[str | None, ReadOnly] = None
    """Who placed the hold and alone can release it."""

    reason: Annotated[str | None, ReadOnly] = None
    """Why the hold was placed."""

    since: Annotated[datetime | None, ReadOnly] = None
    """When the hold was placed."""

    released_by: Annotated[str | None, ReadOnly] = None
    """What releases the hold."""


class AttestationState(ComplexAttribute):
    """The owner's signed statement about an agent's facts."""

    state: Annotated[str | None, ReadOnly] = Field(None, examples=["none", "valid", "refused", "lapsed"])
    """Whether there is a valid statement."""

    until: Annotated[datetime | None, ReadOnly] = None
    """Until when the statement is valid."""

    statement: Annotated[str | None, ReadOnly, CaseExact.true] = None
    """The id of the statement."""


class AgentExtension(Extension):
    """What makes a user an AI agent: who answers for it, what it is for, and why it may be held."""

    __schema__ = URN(AGENT_URN)

    owner: Answerable | None = None
    """The person who answers for the agent."""

    co_owners: list[Answerable] | None = None
    """People who take over when the owner leaves, in order."""

    sponsors: list[Answerable] | None = None
    """People who may approve or stop the agent."""

    purpose: str | None = None
    """What the agent is for."""

    platform: str | None = None
    """The platform the agent runs on."""

    model: str | None = None
    """The language model the agent uses."""

    version: str | None = None
    """The agent's version."""

    environment: str | None = Field(None, examples=list(ENVIRONMENTS))
    """The environment the agent runs in."""

    risk_tier: str | None = Field(None, examples=list(RISK_TIERS))
    """How much harm the agent could do."""

    tools: Annotated[list[str] | None, CaseExact.true] = None
    """The tools the agent may use."""

    resources: Annotated[list[str] | None, CaseExact.true] = None
    """The resources the agent may touch."""

    workload_id: Annotated[str | None, CaseExact.true] = None
    """The agent's workload identity, a SPIFFE or WIMSE URI."""

    expires_at: datetime | None = None
    """When the agent expires unless it is extended."""

    attestation: Annotated[AttestationState | None, ReadOnly] = None
    """The state of the owner's statement about the agent."""

    credential_age_days: Annotated[int | None, ReadOnly] = None
    """The age in days of the agent's oldest active credential."""

    holds: Annotated[list[Hold] | None, ReadOnly] = None
    """Why the agent may not act; an agent is active exactly when it has none."""

    last_activity: Annotated[datetime | None, ReadOnly] = None
    """When the agent was last seen acting."""


class GroupExtension(Extension):
    """What a manifest says about a group beside its name and members."""

    __schema__ = URN(GROUP_EXTENSION_URN)

    description: str | None = None
    """What the group is for."""

    owner: Answerable | None = None
    """The person who answers for the group."""

    kind: str | None = Field(None, examples=[ENTITLEMENT, ROLE])
    """What the group is called where access is governed: an entitlement, unless it says role."""


class AgentOwner(ComplexAttribute):
    """Somebody who answers for an agent."""

    value: Annotated[str | None, CaseExact.true] = None
    """The id of the owner."""

    ref: Annotated[Reference[User[Any] | Group] | None, ReadOnly] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URI of the owner."""

    display: Annotated[str | None, ReadOnly] = None
    """The owner's name."""


class AgentApplication(ComplexAttribute):
    """An application an agent is in."""

    value: Annotated[str | None, ReadOnly, CaseExact.true] = None
    """The id of the application."""

    ref: Annotated[Reference["AgenticApplication"] | None, ReadOnly] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URI of the application."""

    display: Annotated[str | None, ReadOnly] = None
    """The application's name."""

    type: Annotated[str | None, ReadOnly] = Field(None, examples=["owned", "authorized", "guest"])
    """What the agent is to the application."""


class Agent(Resource[Any]):
    """An AI agent as the drafts describe it: known by agentUserName in the newer one, by name in the older."""

    __schema__ = URN(AGENT_CORE_URN)

    agent_user_name: Annotated[str | None, Uniqueness.server] = None
    """The agent's identifier, chosen by the client (draft-wzdk-scim-agent-resource)."""

    name: Annotated[str | None, Uniqueness.server] = None
    """The agent's identifier, chosen by the client (draft-abbey-scim-agent-extension)."""

    display_name: str | None = None
    """The agent's name for people."""

    description: str | None = None
    """What the agent is for."""

    agent_type: str | None = Field(None, examples=["Assistant", "Researcher", "Chat bot", "Unknown"])
    """The kind of agent."""

    active: bool | None = None
    """Whether the agent may act."""

    owners: list[AgentOwner] | None = None
    """Who answers for the agent; the first is the owner, the others co-owners."""

    subject: Annotated[str | None, CaseExact.true] = None
    """The subject of the tokens the agent presents: its workload identity."""

    groups: Annotated[list[GroupMembership] | None, ReadOnly] = None
    """The groups the agent is in."""

    applications: Annotated[list[AgentApplication] | None, ReadOnly] = None
    """The applications the agent is in; each of them says so itself."""

    entitlements: list[Entitlement] | None = None
    """What the agent is entitled to."""

    roles: list[Role] | None = None
    """The agent's roles."""

    x509_certificates: list[X509Certificate] | None = None
    """Certificates issued to the agent."""


class ApplicationUrl(ComplexAttribute):
    """An address of an application."""

    value: Reference[URI] | None = None
    """The address."""

    type: str | None = Field(None, examples=["ssoEndpoint", "loginPage", "api", "homepage"])
    """What is at the address."""

    primary: bool | None = None
    """Whether this is the address to use first."""

    description: str | None = None
    """What the address is for."""


class OAuthConfiguration(ComplexAttribute):
    """How an application takes part in OAuth."""

    client_id: Annotated[str | None, CaseExact.true] = None
    """The application's client id."""

    description: str | None = None
    """What the client is for."""

    audience_uri: Reference[URI] | None = None
    """The audience of tokens for the application."""

    issuer_uri: Reference[URI] | None = None
    """The issuer the application trusts."""

    redirect_uri: list[Reference[URI]] | None = None
    """Where the application takes answers."""


class ExternalIdentifier(ComplexAttribute):
    """What another system calls an application."""

    value: Annotated[str | None, CaseExact.true] = None
    """The identifier."""

    type: str | None = None
    """The kind of identifier."""

    system: str | None = None
    """The system that uses it."""


class ApplicationAgent(ComplexAttribute):
    """An agent of an application."""

    value: Annotated[str | None, CaseExact.true] = None
    """The id of the agent."""

    ref: Annotated[Reference[Agent] | None, ReadOnly] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URI of the agent."""

    display: Annotated[str | None, ReadOnly] = None
    """The agent's name."""

    type: str | None = Field(None, examples=["owned", "authorized", "guest"])
    """What the agent is to the application."""


class AgenticApplication(Resource[Any]):
    """What agents work for or act in, as draft-abbey-scim-agent-extension describes it."""

    __schema__ = URN(APPLICATION_URN)

    name: Annotated[str | None, Required.true, Uniqueness.server] = None
    """The application's identifier, chosen by the client."""

    display_name: str | None = None
    """The application's name for people."""

    description: str | None = None
    """What the application is for."""

    active: bool | None = None
    """The application's administrative status; whether its agents may act is theirs."""

    application_urls: list[ApplicationUrl] | None = None
    """Where the application is."""

    o_auth_configuration: list[OAuthConfiguration] | None = Field(
        None, serialization_alias="oAuthConfiguration", validation_alias="oAuthConfiguration"
    )
    """How the application takes part in OAuth."""

    agents: list[ApplicationAgent] | None = None
    """The application's agents."""

    external_identifiers: list[ExternalIdentifier] | None = None
    """What other systems call the application."""


class OktaRole(Resource[Any]):
    """A role as Okta's entitlement discovery reads it: a group that says it is one."""

    __schema__ = URN(OKTA_ROLE_URN)

    display_name: Annotated[str | None, ReadOnly, Required.true, Uniqueness.server] = None
    """The name of the group."""

    description: Annotated[str | None, ReadOnly] = None
    """What the group is for."""


class OktaEntitlement(Resource[Any]):
    """An entitlement as Okta's entitlement discovery reads it: a group, which is a bundle of access."""

    __schema__ = URN(OKTA_ENTITLEMENT_URN)

    display_name: Annotated[str | None, ReadOnly, Required.true, Uniqueness.server] = None
    """The name of the group."""

    type: Annotated[str | None, ReadOnly, Required.true] = None
    """The name of the resource type."""

    description: Annotated[str | None, ReadOnly] = None
    """What the group is for."""
