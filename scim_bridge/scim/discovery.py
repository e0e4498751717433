"""What this server says about itself: configuration, resource types, schemas (RFC 7643 sections 5 to 7).

Everything is generated from what is enforced: the limits of the settings, the schemas requests are checked
against, and the shape in which this connection sees agents.
"""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.kernel.errors import Forbidden, NotFound
from scim_bridge.registry.model import AGENT_CORE_URN, CUSTOM_AGENT_URN
from scim_bridge.scim import render, schema
from scim_bridge.scim.agent_view import ABBEY, IDENTIFIER, shape_of
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import FOREIGN
from scim_bridge.scim.exchange import Answered
from scim_bridge.scim.limits import CURSOR_SECONDS, MAX_BULK_OPERATIONS
from scim_bridge.scim.roles import any_of, offered
from scim_bridge.scim.schema import ResourceType

SPC_URN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
TYPE_URN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA_URN = "urn:ietf:params:scim:schemas:core:2.0:Schema"

DESCRIPTIONS = {
    "User": "People and AI agents; an agent has userType Agent and our Agent extension.",
    "Group": "Bundles of access, with people, agents and groups as members.",
    "AgenticApplication": "What agents work for or act in, as draft-abbey-scim-agent-extension describes it.",
    "Role": "Groups that say they are roles; whoever has one is a member of the group.",
    "Entitlement": "Groups, as bundles of access; whoever has one is a member of the group.",
    "Agent": "The same AI agents as under /Users, as the IETF drafts describe them.",
}


def _meta(call: Call, kind: str, path: str) -> dict[str, str]:
    return {"resourceType": kind, "location": f"{call.caller.base_url}/{path}"}


async def service_provider_config(call: Call) -> Answered:
    """GET /ServiceProviderConfig: one object (RFC 7644 section 4)."""
    _unfiltered(call)
    settings = call.door.settings
    body: dict[str, Any] = {
        "schemas": [SPC_URN],
        "patch": {"supported": True},
        "bulk": {
            "supported": True,
            "maxOperations": MAX_BULK_OPERATIONS,
            "maxPayloadSize": call.door.max_body,
        },
        "filter": {"supported": True, "maxResults": settings.max_page_size},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": settings.page_size,
            "maxPageSize": settings.max_page_size,
            "cursorTimeout": CURSOR_SECONDS,
        },
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A token made with `scim-bridge tokens create`, as Authorization: Bearer <token>.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            },
            {
                "type": "oauth2",
                "name": "OAuth 2.0 client credentials",
                "description": "A short-lived token from /oauth/token, for a client's secret or a trusted assertion.",
                "specUri": "https://www.rfc-editor.org/info/rfc6749",
                "primary": False,
            },
        ],
        "meta": _meta(call, "ServiceProviderConfig", "ServiceProviderConfig"),
    }
    if call.door.events:
        # RFC 9967 section 4: what a stream of security events tells of what happens here.
        body["securityEvents"] = {"asyncRequest": "none", "eventUris": list(call.door.events)}
    if shape_of(_settings(call)) == ABBEY:
        # That draft asks for it; clients that know none of it may refuse a member nobody defined.
        body["agentExtension"] = {
            "supported": True,
            "agentsSupported": True,
            "agenticApplicationsSupported": True,
        }
    return Answered(200, orjson.dumps(body))


async def resource_types(call: Call) -> list[dict[str, Any]]:
    """The resource types of this server; `id` is the name (draft interoperability profile, section 5.1).

    Okta takes each endpoint of its own schemas for a list with something in it: an empty one is not named.
    """
    made, reads = [], call.door.ctx.store.reads
    foreign = [each for each in FOREIGN.values() if offered(call.caller) and await any_of(reads, each)]
    for name in (*schema.NAMES, *(endpoint.resource for endpoint in foreign)):
        found = call.door.catalogue.types[name]
        made.append(
            {
                "schemas": [TYPE_URN],
                "id": name,
                "name": name,
                "description": DESCRIPTIONS[name],
                "endpoint": f"/{name}s",
                "schema": found.urn,
                "schemaExtensions": [
                    {"schema": urn, "required": _demanded(found, urn)} for urn in found.extensions
                ],
                "meta": _meta(call, "ResourceType", f"ResourceTypes/{name}"),
            }
        )
    return made


def _demanded(resource: ResourceType, urn: str) -> bool:
    """True when every resource of a type has to carry an extension (RFC 7643 section 6)."""
    if resource.name == "User" and urn == CUSTOM_AGENT_URN:
        # Of users only agents have it.
        return False
    return urn in resource.required_in


def schemas(call: Call) -> list[dict[str, Any]]:
    """The schemas this server enforces, with agents in the shape this connection sees."""
    made = []
    foreign = schema.foreign().values() if offered(call.caller) else ()
    for document in (*call.door.catalogue.documents, *foreign):
        served = {"schemas": [SCHEMA_URN], **document}
        if document["id"] == AGENT_CORE_URN:
            served["attributes"] = _agent_attributes(document["attributes"], shape_of(_settings(call)))
        served["meta"] = _meta(call, "Schema", f"Schemas/{document['id']}")
        made.append(served)
    return made


def _settings(call: Call) -> dict[str, Any]:
    return call.caller.connection.settings


def _agent_attributes(attributes: list[dict[str, Any]], shape: str) -> list[dict[str, Any]]:
    """The drafts' attributes with the one identifier this connection is answered with, which is required."""
    others = {name for known, name in IDENTIFIER.items() if known != shape}
    return [
        {**attribute, "required": True} if attribute["name"] == IDENTIFIER[shape] else attribute
        for attribute in attributes
        if attribute["name"] not in others
    ]


async def list_resource_types(call: Call) -> Answered:
    """GET /ResourceTypes: a ListResponse."""
    return _listed(call, await resource_types(call))


async def list_schemas(call: Call) -> Answered:
    """GET /Schemas: a ListResponse."""
    return _listed(call, schemas(call))


async def one_resource_type(call: Call) -> Answered:
    """GET /ResourceTypes/{name}: one object."""
    return _one(call, await resource_types(call), "resource type")


async def one_schema(call: Call) -> Answered:
    """GET /Schemas/{urn}: one object."""
    return _one(call, schemas(call), "schema")


def _listed(call: Call, found: list[dict[str, Any]]) -> Answered:
    _unfiltered(call)
    return Answered(200, render.listed([orjson.dumps(item) for item in found], len(found), startIndex=1))


def _one(call: Call, found: list[dict[str, Any]], what: str) -> Answered:
    _unfiltered(call)
    wanted = call.resource_id.casefold()
    for item in found:
        if item["id"].casefold() == wanted:
            return Answered(200, orjson.dumps(item))
    raise NotFound("discovery-unknown", f"There is no {what} {call.resource_id[:200]!r}.", "See the list.")


def _unfiltered(call: Call) -> None:
    """Forbidden for a filter, which would be ignored and so misunderstood (RFC 7644 section 4)."""
    if "filter" in call.asked.query:
        raise Forbidden(
            "discovery-filter", "Discovery endpoints cannot be filtered.", "Leave the filter out."
        )
