"""What each method does at a resource: the same for users, groups and agents, and applications' own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from scim_bridge.scim import applications
from scim_bridge.scim.create import create
from scim_bridge.scim.delete import delete
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import APPLICATIONS, Endpoint
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.patch_resource import patch
from scim_bridge.scim.replace import put

Handler: TypeAlias = "Callable[[Call], Awaitable[Answered]]"

VERBS: Mapping[str, Handler] = {"POST": create, "PUT": put, "PATCH": patch, "DELETE": delete}
OWN: Mapping[str, Mapping[str, Handler]] = {
    APPLICATIONS.name: {
        "POST": applications.create,
        "PUT": applications.put,
        "PATCH": applications.patch,
        "DELETE": applications.delete,
    }
}


def verbs(endpoint: Endpoint) -> Mapping[str, Handler]:
    """What the methods that write do at an endpoint."""
    return OWN.get(endpoint.name, VERBS)
