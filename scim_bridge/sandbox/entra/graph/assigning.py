"""Custom security attributes put on one object, by the tenant's definitions."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.entra.graph.attribute_rules import assigned
from scim_bridge.sandbox.entra.tenant import Object, Tenant, hidden, with_hidden

SETS = "attributeSet"
DEFINITIONS = "customSecurityAttributeDefinition"


def definitions(tenant: Tenant) -> dict[str, Object]:
    """Every attribute definition by lower-case id."""
    return dict(tenant.store.all(DEFINITIONS))


def assign(tenant: Tenant, value: Object, patch: Any) -> Object:
    """The object after a patch of its custom security attributes; GraphError when it breaks a rule."""
    after = assigned(hidden(value, "attributes", {}), patch, definitions(tenant))
    return with_hidden(value, attributes=after)
