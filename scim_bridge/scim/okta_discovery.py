"""Roles and entitlements as Okta's discovery reads them. An attribute's docstring is its description under /Schemas."""

from typing import Annotated, Any

from scim2_models import URN, Required, Resource, Uniqueness

from scim_bridge.scim.extension import ReadOnly

OKTA_ROLE_URN = "urn:okta:scim:schemas:core:1.0:Role"
OKTA_ENTITLEMENT_URN = "urn:okta:scim:schemas:core:1.0:Entitlement"


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
