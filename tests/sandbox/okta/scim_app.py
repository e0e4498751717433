"""A small SCIM service for the tests: keeps users and groups, and every request byte for byte.

It understands exactly the requests Okta is documented to send, and answers anything else with 400.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.kit.server import Sandbox
from tests.sandbox.servers import Running, running

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
TOKEN = "app-token"


@dataclass
class Seen:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        """Method and target."""
        return f"{self.method} {self.target}"

    @property
    def json(self) -> Any:
        """The parsed body, None when there is none."""
        return json.loads(self.body) if self.body else None


@dataclass
class ScimApp:
    """The service's state; `answers` are scripted answers (status, headers, body) given first."""

    ca_file: str = ""
    base_url: str = ""
    seen: list[Seen] = field(default_factory=list)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    forced_active: bool | None = None
    count: int = 0

    def reset(self) -> None:
        """Forget everything."""
        for kept in (self.seen, self.users, self.groups, self.answers):
            kept.clear()  # type: ignore[attr-defined]
        self.count, self.forced_active = 0, None

    def lines(self) -> list[str]:
        """Method and target of every request, oldest first."""
        return [request.line for request in self.seen]

    def add_user(self, user_name: str, *, active: bool = True, **more: Any) -> str:
        """A user that is there already."""
        self.count += 1
        key = f"u{self.count}"
        self.users[key] = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": key,
            "userName": user_name,
            "name": {"givenName": "Ada", "familyName": "Byron"},
            "emails": [{"value": user_name, "primary": True}],
            "active": active,
            "meta": {"resourceType": "User", "location": f"{self.base_url}/Users/{key}", "version": 'W/"1"'},
            **more,
        }
        return key


def _answer(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type="application/scim+json")


def _refuse(status: int, detail: str) -> Response:
    return _answer({"schemas": [ERROR], "status": str(status), "detail": detail}, status)


def _routes(app: ScimApp) -> Sequence[BaseRoute]:
    async def serve_scim(request: Request) -> Response:
        query = request.scope["query_string"].decode()
        target = request.url.path.removeprefix("/scim/v2") + (f"?{query}" if query else "")
        body = await request.body()
        app.seen.append(Seen(request.method, target, dict(request.headers), body))
        if app.answers:
            status, headers, text = app.answers.pop(0)
            return Response(text, status, headers=headers)
        if request.headers["authorization"] not in (f"Bearer {TOKEN}", TOKEN):
            return _refuse(401, "The token is not known.")
        return _serve(app, request.method, target, json.loads(body) if body else None)

    everything = Route("/scim/v2/{path:path}", serve_scim)
    everything.methods = None
    return [everything]


def _serve(app: ScimApp, method: str, target: str, body: Any) -> Response:
    path, _, query = target.partition("?")
    kept = app.users if path.startswith("/Users") else app.groups
    if method == "GET" and path in ("/Users", "/Groups"):
        return _list(list(kept.values()), query)
    if method == "POST" and path in ("/Users", "/Groups"):
        return _create(app, kept, path, body)
    key = path.split("/")[2]
    if key not in kept:
        return _refuse(404, f"{key} is not there.")
    if method == "PUT":
        kept[key] = {**body, "id": key, "meta": kept[key].get("meta")}
    elif method == "PATCH":
        for operation in body["Operations"]:
            if not _apply(kept[key], operation):
                return _refuse(400, f"Not understood: {operation}")
    elif method == "DELETE":
        del kept[key]
        return Response(status_code=204)
    if app.forced_active is not None and kept is app.users:
        kept[key]["active"] = app.forced_active
    return _answer({k: v for k, v in kept[key].items() if k != "password"})


def _list(items: list[dict[str, Any]], query: str) -> Response:
    fields = dict(part.split("=", 1) for part in query.split("&"))
    if "filter" in fields:
        match = re.fullmatch(r'(userName|displayName) eq "(.*)"', unquote(fields["filter"]))
        if match is None:
            return _refuse(400, "The filter is not understood.")
        items = [item for item in items if item.get(match[1], "").casefold() == match[2].casefold()]
    start, count = int(fields["startIndex"]), int(fields["count"])
    shown = items[start - 1 : start - 1 + count]
    return _answer(
        {
            "schemas": [LIST],
            "totalResults": len(items),
            "startIndex": start,
            "itemsPerPage": len(shown),
            "Resources": shown,
        }
    )


def _create(app: ScimApp, kept: dict[str, Any], path: str, body: Any) -> Response:
    name = "userName" if path == "/Users" else "displayName"
    if any(item[name].casefold() == body[name].casefold() for item in kept.values()):
        return _refuse(409, f"{body[name]} exists already.")
    app.count += 1
    key = f"{path[1].lower()}{app.count}"
    kept[key] = {**body, "id": key, "meta": {"resourceType": path[1:-1]}}
    return _answer({k: v for k, v in kept[key].items() if k != "password"}, 201)


def _apply(item: dict[str, Any], operation: dict[str, Any]) -> bool:
    verb, path, value = operation["op"], operation.get("path"), operation.get("value")
    members = item.setdefault("members", []) if path and path.startswith("members") else []
    if verb == "replace" and path is None:
        item.update(value)
    elif verb == "replace" and path == "members":
        item["members"] = value
    elif verb == "add" and path == "members":
        members.extend(value)
    elif verb == "remove" and (match := re.fullmatch(r'members\[value eq "(.*)"\]', path or "")):
        item["members"] = [member for member in members if member["value"] != match[1]]
    else:
        return False
    return True


@contextlib.contextmanager
def serve(data: Path) -> Iterator[ScimApp]:
    """Serve the service over HTTPS until the block ends."""
    app = ScimApp()

    def build(sandbox: Sandbox) -> Sequence[BaseRoute]:
        return _routes(app)

    with running("scimapp", build, data) as served:
        app.ca_file, app.base_url = served.ca_file, f"{served.url}/scim/v2"
        yield app


def configure(org: Running, app: ScimApp, dialect: str, **more: str) -> None:
    """Point the org's provisioning at the service."""
    body = {"base_url": app.base_url, "token": TOKEN, "dialect": dialect, "ca_file": app.ca_file, **more}
    answer = org.control.post("/scim/configure", json=body)
    assert answer.status_code == 200, answer.text


def people(org: Running, *logins: str, groups: dict[str, list[str]] | None = None) -> None:
    """Put people (and groups with members) into the org's directory."""
    users = [
        {"login": login, "email": login, "firstName": login.split("@")[0].title(), "lastName": "One"}
        for login in logins
    ]
    listed = [{"name": name, "members": members} for name, members in (groups or {}).items()]
    answer = org.control.post("/directory", json={"users": users, "groups": listed})
    assert answer.status_code == 200, answer.text


def steer(org: Running, verb: str, **body: Any) -> dict[str, Any]:
    """A verb of the SCIM control; its answer, whatever it is."""
    return dict(org.control.post(f"/scim/{verb}", json=body).json())


def done(org: Running, verb: str, **body: Any) -> dict[str, Any]:
    """A verb of the SCIM control that must succeed."""
    answer = steer(org, verb, **body)
    assert answer["ok"], answer
    return answer
