"""One task's conversation with the app: the single requests, each judged as Okta judges it."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.kit.scim_client import ScimCaller, ScimReply
from scim_bridge.sandbox.okta.scim_side import answers, bodies

Json = dict[str, Any]


class Session:
    """Requests by their meaning. `calls` grows with every request: operation, method, path, status."""

    def __init__(self, caller: ScimCaller) -> None:
        self._caller = caller
        self.calls: list[Json] = []

    async def _call(self, operation: str, method: str, path: str, body: Json | None = None) -> ScimReply:
        reply = await self._caller.call(operation, method, path, body)
        self.calls.append({"operation": operation, "method": method, "path": path, "status": reply.status})
        return reply

    async def find(self, resource: str, attribute: str, value: str) -> Json | None:
        """The resource with this unique value, inactive ones too; None for an empty list or 404."""
        operation = f"look up {value!r} in {resource}"
        reply = await self._call(operation, "GET", bodies.lookup(resource, attribute, value))
        if reply.status == 404 and isinstance(reply.body, dict):
            return None
        found = answers.listed(answers.expect(reply, 200, what=operation), operation)
        if len(found) > 1:
            raise answers.Failed(f"{operation}: {len(found)} resources match")
        if found and not found[0].get("id"):
            raise answers.Failed(f"{operation}: the resource has no id")
        return found[0] if found else None

    async def page(self, resource: str, start: int, count: int = bodies.PAGE) -> tuple[list[Json], int]:
        """One page of a listing and the total."""
        operation = f"list {resource} from {start}"
        reply = await self._call(operation, "GET", bodies.listing(resource, start, count))
        body = answers.expect(reply, 200, what=operation)
        return answers.listed(body, operation), body["totalResults"]

    async def read_user(self, scim_id: str) -> Json:
        """GET /Users/{id}."""
        operation = f"read user {scim_id}"
        reply = await self._call(operation, "GET", bodies.one("Users", scim_id))
        return answers.user(answers.expect(reply, 200, what=operation), operation)

    async def create_user(self, body: Json) -> Json:
        """POST /Users; a conflict ends the task."""
        reply = await self._call(f"create user {body['userName']!r}", "POST", "/Users", body)
        return answers.user(answers.expect(reply, 201, what="create"), "create")

    async def replace_user(self, scim_id: str, body: Json) -> None:
        """PUT /Users/{id}."""
        operation = f"replace user {scim_id}"
        reply = await self._call(operation, "PUT", bodies.one("Users", scim_id), body)
        told = answers.expect(reply, 200, 204, what=operation)
        if reply.status == 200:
            answers.user(told, operation)

    async def patch_user(self, scim_id: str, body: Json) -> None:
        """PATCH /Users/{id}: 200 with the user, or 204."""
        operation = f"patch user {scim_id}"
        reply = await self._call(operation, "PATCH", bodies.one("Users", scim_id), body)
        told = answers.expect(reply, 200, 204, what=operation)
        if reply.status == 200:
            answers.user(told, operation)

    async def read_group(self, scim_id: str) -> Json:
        """GET /Groups/{id}."""
        operation = f"read group {scim_id}"
        reply = await self._call(operation, "GET", bodies.one("Groups", scim_id))
        return answers.group(answers.expect(reply, 200, what=operation), operation)

    async def create_group(self, body: Json) -> Json:
        """POST /Groups."""
        operation = f"create group {body['displayName']!r}"
        reply = await self._call(operation, "POST", "/Groups", body)
        return answers.group(answers.expect(reply, 201, what=operation), operation)

    async def replace_group(self, scim_id: str, body: Json) -> None:
        """PUT /Groups/{id}: 200 with the group, or 204."""
        operation = f"replace group {scim_id}"
        reply = await self._call(operation, "PUT", bodies.one("Groups", scim_id), body)
        answers.expect(reply, 200, 204, what=operation)

    async def patch_group(self, scim_id: str, body: Json) -> None:
        """PATCH /Groups/{id}: 200 with the group, or 204."""
        operation = f"patch group {scim_id}"
        reply = await self._call(operation, "PATCH", bodies.one("Groups", scim_id), body)
        answers.expect(reply, 200, 204, what=operation)

    async def delete_group(self, scim_id: str) -> None:
        """DELETE /Groups/{id}; one that is gone already is fine."""
        operation = f"delete group {scim_id}"
        reply = await self._call(operation, "DELETE", bodies.one("Groups", scim_id))
        answers.expect(reply, 204, 200, 404, what=operation)
