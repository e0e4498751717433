"""/governance/api/v1/resource-owners: who answers for which resource."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.api.paging import cursor_of, key_of, limit_of
from scim_bridge.sandbox.okta.errors import invalid
from scim_bridge.sandbox.okta.parts import Parts

PATH = "/governance/api/v1/resource-owners"
_FILTER = re.compile(r'\s*(parentResourceOrn|resource\.orn)\s+eq\s+"([^"]+)"\s*')


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource."""
    org, owners = parts.org, parts.owners

    def shown(item: dict[str, Any]) -> dict[str, Any]:
        orn = str(item["orn"])
        parent, _, key = orn.rpartition(":")
        agent = org.store.get("aiagent", key) or {"profile": {}}
        return {
            "parentResourceOrn": parent,
            "resource": {"id": key, "type": "ai-agents", "orn": orn, "profile": agent["profile"]},
            "principals": [_principal(parts, principal) for principal in item["principals"]],
        }

    async def list_owners(request: Request, caller: Caller) -> Response:
        match = _FILTER.fullmatch(request.query_params.get("filter", ""))
        if match is None:
            raise invalid("filter", "filter: parentResourceOrn or resource.orn is required")
        name, value = match.groups()
        found = [
            item
            for item in owners.all()
            if (item["orn"] if name == "resource.orn" else item["orn"].rpartition(":")[0]) == value
        ]
        limit = limit_of(request, 20)
        after = request.query_params.get("after")
        if after:
            found = [item for item in found if item["orn"] > key_of(after)]
        found.sort(key=lambda item: item["orn"])
        body: dict[str, Any] = {"data": [shown(item) for item in found[:limit]], "_links": {}, "metadata": {}}
        if len(found) > limit:
            cursor = cursor_of(found[limit - 1]["orn"])
            query = urlencode({"filter": request.query_params["filter"], "limit": limit, "after": cursor})
            body["_links"]["next"] = {"href": f"{org.url}{PATH}?{query}"}
        return answer(body)

    async def set_owners(request: Request, caller: Caller) -> Response:
        body = await body_of(request)
        resources = body.get("resourceOrns") if isinstance(body, dict) else None
        if not isinstance(resources, list):
            raise invalid("resourceOrns", "resourceOrns: The field cannot be left blank")
        with org.store.transaction():
            changed = owners.replace(body.get("principalOrns") or [], resources)
            target = [events.other_target("Resource", orn, orn) for orn in changed]
            events.write(org, "resource.owner.update", caller, target)
        items = [{"orn": orn, "principals": owners.of(orn)} for orn in changed]
        return answer({"data": [shown(item) for item in items]})

    async def change_owners(request: Request, caller: Caller) -> Response:
        body = await body_of(request)
        if not isinstance(body, dict) or not isinstance(body.get("data"), list):
            raise invalid("data", "data: The field cannot be left blank")
        with org.store.transaction():
            for step in body["data"]:
                if step.get("op") != "REMOVE" or step.get("path") != "/principalOrn":
                    raise invalid("data", "data: Only REMOVE of /principalOrn is supported")
                owners.remove(str(body.get("resourceOrn")), str(step.get("value")))
        return nothing()

    return [
        parts.gate.route(
            PATH,
            "governance.resourceOwner",
            licence="governance",
            GET=list_owners,
            POST=set_owners,
            PATCH=change_owners,
        )
    ]


def _principal(parts: Parts, orn: str) -> dict[str, Any]:
    kind, _, key = orn.rpartition(":")
    user = parts.directory.find(key) if kind.endswith("users") else None
    profile = {} if user is None else user["profile"]
    return {
        "id": f"pri{key[3:]}",
        "type": kind.rpartition(":")[2],
        "orn": orn,
        "profile": {"id": key, "name": profile.get("firstName"), "email": profile.get("email")},
    }
