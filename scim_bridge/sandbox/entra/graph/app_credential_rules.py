"""What every credential of an application is under: whose it is, who may, how many there may be, from when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import Call
from scim_bridge.sandbox.entra.graph.errors import bad, invalid_value
from scim_bridge.sandbox.entra.graph.route import Ids
from scim_bridge.sandbox.entra.tenant import Object, Tenant, hidden
from scim_bridge.sandbox.kit.clock import parse_iso

BLUEPRINT = "#microsoft.graph.agentIdentityBlueprint"
# An application object holds so many values in all its lists (Entra service limits); its credentials count.
MOST_CREDENTIALS = 1200


def permit(call: Call, value: Object) -> None:
    """Denied unless the caller may write credentials of such an application."""
    blueprint = value["@odata.type"] == BLUEPRINT
    call.needs(*(may.BLUEPRINT_CREDENTIALS if blueprint else may.APPLICATION_WRITE))


def application_of(tenant: Tenant, call: Call, path: Ids) -> Object:
    """The application of the path, or the error that says why there is none."""
    # Imported here: applications imports the keys that a PATCH names, and those import this.
    from scim_bridge.sandbox.entra.graph.applications import found_application

    return found_application(tenant, call, path)


def room(value: Object) -> None:
    """An error when the application has as many credentials as it can hold."""
    count = sum(len(hidden(value, name, [])) for name in ("secrets", "certificates"))
    if count >= MOST_CREDENTIALS:
        raise bad(
            "The size of the object has exceeded its limit. Please reduce the number of values and retry.",
            "Directory_ObjectSizeLimitExceeded",
        )


def instant(wish: Mapping[str, Any], name: str, otherwise: int) -> int:
    """An instant of a request, or another one where it names none."""
    if wish.get(name) is None:
        return otherwise
    try:
        return parse_iso(str(wish[name]))
    except ValueError:
        raise invalid_value(name) from None
