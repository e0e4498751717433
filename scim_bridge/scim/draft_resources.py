"""The drafts' resources: Agent and AgenticApplication. An attribute's docstring is its description under /Schemas."""

from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URI,
    URN,
    CaseExact,
    ComplexAttribute,
    Group,
    Reference,
    Required,
    Resource,
    Uniqueness,
    User,
)
from scim2_models.resources.user import Entitlement, GroupMembership, Role, X509Certificate

from scim_bridge.registry.model import AGENT_CORE_URN, APPLICATION_URN
from scim_bridge.scim.extension import ReadOnly


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
