"""A small SCIM service for tests of the provisioning service: keeps what it is sent, byte for byte.

It understands both PATCH dialects just enough that what was written can be read again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.kit.server import Sandbox

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_EQ = re.compile(r'(\w+) eq "([^"]*)"')


@dataclass
class Peer:
    """What arrived: (method, raw target, raw body, headers); and the resources as they are now."""

    received: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    resources: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {"Users": {}, "Groups": {}}
    )

    def empty(self) -> None:
        """Forget everything."""
        self.received.clear()
        for items in self.resources.values():
            items.clear()

    def bodies(self, method: str) -> list[str]:
        """The bodies of one method, as text."""
        return [body.decode() for made, _, body, _ in self.received if made == method]

    def targets(self) -> list[str]:
        """Method and target of every request, ids replaced by what they stand for."""
        found = []
        for method, target, _, _ in self.received:
            for kind, items in self.resources.items():
                for object_id, value in items.items():
                    name = value.get("userName") or value.get("displayName")
                    target = target.replace(object_id, f"<{kind[0].lower()}:{name}>")
            found.append(f"{method} {target}")
        return found

    def user(self, name: str) -> dict[str, Any]:
        """A user by userName."""
        return next(one for one in self.resources["Users"].values() if one["userName"] == name)

    def group(self, name: str) -> dict[str, Any]:
        """A group by displayName."""
        return next(one for one in self.resources["Groups"].values() if one["displayName"] == name)

    def build(self, sandbox: Sandbox) -> Sequence[BaseRoute]:
        """Routes under /scim/v2."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            target = request.url.path.removeprefix("/scim/v2")
            if request.url.query:
                target += f"?{request.scope['query_string'].decode()}"
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.received.append((request.method, target, body, headers))
            status, content = self._act(request, orjson.loads(body) if body else None)
            raw = b"" if content is None else orjson.dumps(content)
            return Response(raw, status, media_type="application/scim+json")

        methods = ["GET", "POST", "PATCH", "DELETE"]
        return [
            Route("/scim/v2/{kind}", answer, methods=methods),
            Route("/scim/v2/{kind}/{id}", answer, methods=methods),
        ]

    def _act(self, request: Request, body: Any) -> tuple[int, Any]:
        items = self.resources[request.path_params["kind"]]
        object_id = request.path_params.get("id")
        if request.method == "POST":
            made = {**body, "id": str(uuid4())}
            items[made["id"]] = made
            return 201, made
        if object_id is None:
            found = [one for one in items.values() if _matches(one, request.query_params.get("filter", ""))]
            return 200, {"schemas": [LIST], "totalResults": len(found), "Resources": found}
        if object_id not in items:
            return 404, {"detail": "not found", "status": "404"}
        if request.method == "DELETE":
            del items[object_id]
            return 204, None
        if request.method == "PATCH":
            for operation in body["Operations"]:
                apply(items[object_id], operation)
            return 204, None
        return 200, items[object_id]


def _matches(resource: dict[str, Any], text: str) -> bool:
    for name, value in _EQ.findall(text):
        if name == "manager":
            given = resource.get(ENTERPRISE, {}).get("manager", {}).get("value")
        elif name == "members":
            given = value if value in [one["value"] for one in resource.get("members", [])] else None
        else:
            given = resource.get(name)
        if given != value:
            return False
    return True


def apply(resource: dict[str, Any], operation: dict[str, Any]) -> None:
    """One operation of either dialect."""
    kind, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
    if path is None:
        for name, item in value.items():
            _write(resource, name, item)
    elif path.startswith("members"):
        _members(resource, kind, path, value)
    elif path.rsplit(":", 1)[-1] == "manager":
        reference = value[0]["value"] if isinstance(value, list) else value
        reference = reference["value"] if isinstance(reference, dict) else reference
        resource.setdefault(ENTERPRISE, {})["manager"] = {} if kind == "remove" else {"value": reference}
    else:
        _write(resource, path, value)


def _members(resource: dict[str, Any], kind: str, path: str, value: Any) -> None:
    members = resource.setdefault("members", [])
    gone = re.findall(r'value eq "([^"]+)"', path) or [one["value"] for one in value]
    members[:] = [one for one in members if one["value"] not in gone]
    if kind == "add":
        members += [{"value": one["value"]} for one in value]


def _write(resource: dict[str, Any], path: str, value: Any) -> None:
    filtered = re.fullmatch(r'(\w+)\[type eq "(\w+)"\]\.(\w+)', path)
    if filtered is not None:
        elements = resource.setdefault(filtered.group(1), [])
        element = next((one for one in elements if one["type"] == filtered.group(2)), None)
        if element is None:
            element = {"type": filtered.group(2)}
            elements.append(element)
        element[filtered.group(3)] = value
    elif path.startswith(ENTERPRISE):
        resource.setdefault(ENTERPRISE, {})[path.rsplit(":", 1)[1]] = value
    else:
        here = resource
        *parents, last = path.split(".")
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = {"True": True, "False": False}.get(value, value) if path == "active" else value
