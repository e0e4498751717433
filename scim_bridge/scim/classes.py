"""The schema documents that the scim2-models classes declare: `python -m scim_bridge.scim.classes` writes them.

The classes stay the one source of the schemas; a test holds the file to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from scim2_models import EnterpriseUser, Extension, Group, Resource, User

from scim_bridge.registry.model import APPLICATION_URN, ENTERPRISE_URN, GROUP_URN
from scim_bridge.scim.draft_resources import Agent, AgenticApplication
from scim_bridge.scim.extension import AgentExtension, Common, GroupExtension
from scim_bridge.scim.okta_discovery import OktaEntitlement, OktaRole
from scim_bridge.scim.schema import FILE, walk

CLASSES = (
    *(User, Group, EnterpriseUser, AgentExtension, GroupExtension, Agent, AgenticApplication),
    *(Common, OktaRole, OktaEntitlement),
)

# Where we promise something else than the classes: Entra demands unique group names, a member is its id,
# and a reference that follows from the id need not be sent.
_OURS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    (GROUP_URN, "displayName"): {"uniqueness": "server"},
    (GROUP_URN, "members.value"): {"required": True},
    (APPLICATION_URN, "agents.value"): {"required": True},
    (ENTERPRISE_URN, "manager.$ref"): {"required": False},
}

# The descriptions of RFC 7643 section 8.7.1, which clients look for.
_DESCRIBED = {"User": "User Account", "EnterpriseUser": "Enterprise User"}


def declared() -> dict[str, dict[str, Any]]:
    """Each class's document in the form of /Schemas (RFC 7643 section 7), by the name of the class."""
    return {model.__name__: _document(model) for model in CLASSES}


def written() -> bytes:
    """The file as it has to be."""
    return orjson.dumps(declared(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _document(model: type[Resource[Any]] | type[Extension]) -> dict[str, Any]:
    document: dict[str, Any] = model.to_schema().model_dump(mode="json", by_alias=True, exclude_none=True)
    for path, attribute in walk(document["attributes"]):
        if "description" in attribute:
            attribute["description"] = " ".join(attribute["description"].split())
        attribute.update(_OURS.get((document["id"], path), {}))
    document["description"] = _DESCRIBED.get(model.__name__, " ".join(document["description"].split()))
    return document


if __name__ == "__main__":
    FILE.write_bytes(written())
