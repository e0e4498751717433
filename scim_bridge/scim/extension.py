"""What RFC 7643 does not have of users and groups: our extensions, and the attributes every resource has.

An attribute's docstring is its description under /Schemas.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URN,
    CaseExact,
    ComplexAttribute,
    Extension,
    Meta,
    Mutability,
    Reference,
    Returned,
    Uniqueness,
    User,
)

from scim_bridge.registry.model import (
    AGENT_URN,
    ENTITLEMENT,
    ENVIRONMENTS,
    GROUP_EXTENSION_URN,
    RISK_TIERS,
    ROLE,
)

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
