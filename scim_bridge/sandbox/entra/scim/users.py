"""One user provisioned: matched, created or updated, disabled, deleted; then the manager reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scim_bridge.sandbox.entra.scim import dialect as dialects
from scim_bridge.sandbox.entra.scim import mapping
from scim_bridge.sandbox.entra.scim.links import Link, Links
from scim_bridge.sandbox.entra.scim.replies import Failed, resource, resources, single
from scim_bridge.sandbox.entra.scim.target import Run, filter_query
from scim_bridge.sandbox.entra.tenant import Object, Tenant, hidden

USER = "user"


class Users:
    """The users of one run."""

    def __init__(self, tenant: Tenant, links: Links, run: Run) -> None:
        self._tenant = tenant
        self._links = links
        self._run = run

    async def provision(self, user: Object, *, assigned: bool) -> Link | None:
        """Bring one user up to date at the target; None when there is nothing to manage there.

        A user that is not active in the tenant is never created, only disabled where it exists.
        """
        deleted = "deletedDateTime" in user
        active = assigned and not deleted and bool(user.get("accountEnabled"))
        link = self._links.find(USER, str(user["id"]))
        if link is not None and not link.managed and not active:
            return None
        found = await self._found(user, link)
        values = mapping.desired(user, active=active, external_id=self._run.target.external_id)
        if found is None:
            if link is not None:
                self._links.drop(link)
            if not active:
                return None
            found = await self._create(values)
        else:
            await self._update(str(found["id"]), mapping.changes(values, found))
        kept = link or Link(USER, str(user["id"]), "")
        change = int(hidden(user, "change", 0))
        return self._links.put(
            replace(kept, remote_id=str(found["id"]), change=change, managed=assigned or deleted)
        )

    async def remove(self, link: Link) -> None:
        """Delete a purged user at the target. An unassigned one is left as it is: no DELETE is sent."""
        if link.managed:
            await self._run.call(
                "delete user", "DELETE", f"/Users/{link.remote_id}", wanted=(200, 202, 204, 404)
            )
        self._links.drop(link)

    async def reference_manager(self, user: Object, link: Link) -> None:
        """Write the manager reference when it differs and the manager is provisioned too."""
        boss_id = str(hidden(user, "manager", "") or "")
        boss = self._links.find(USER, boss_id) if boss_id else None
        target = self._run.target
        if boss is not None and await self._has_manager(link, boss):
            self._links.put(replace(link, manager=boss_id))
        elif boss is not None:
            body = dialects.manager(target.dialect, target.manager_shape, boss.remote_id, target.base_url)
            await self._patch("set manager", link.remote_id, body)
            self._links.put(replace(link, manager=boss_id))
        elif not boss_id and link.manager:
            body = dialects.manager(target.dialect, target.manager_shape, None, target.base_url)
            await self._patch("remove manager", link.remote_id, body)
            self._links.put(replace(link, manager=""))

    async def _has_manager(self, link: Link, boss: Link) -> bool:
        query = filter_query(f'id eq "{link.remote_id}" and manager eq "{boss.remote_id}"')
        operation = "check manager"
        reply = await self._run.call(operation, "GET", f"/Users?{query}&attributes=id")
        return single(operation, resources(operation, reply)) is not None

    async def _found(self, user: Object, link: Link | None) -> Object | None:
        if link is not None and link.managed:
            try:
                reply = await self._run.call("read user", "GET", f"/Users/{link.remote_id}")
                return resource("read user", reply)
            except Failed as error:
                if error.kind != "gone":
                    raise
        query = filter_query(f'userName eq "{_escaped(user["userPrincipalName"])}"')
        reply = await self._run.call("match user", "GET", f"/Users?{query}")
        return single("match user", resources("match user", reply))

    async def _create(self, values: mapping.Values) -> Object:
        body = mapping.create_user(values)
        reply = await self._run.call("create user", "POST", "/Users", body, wanted=(200, 201))
        return resource("create user", reply)

    async def _update(self, remote_id: str, changes: list[dialects.Change]) -> None:
        if not changes:
            return
        operation = "update user"
        if changes[0].path == "active":
            operation = "enable user" if changes[0].value else "disable user"
        await self._patch(operation, remote_id, dialects.update(self._run.target.dialect, changes))

    async def _patch(self, operation: str, remote_id: str, body: Any) -> None:
        reply = await self._run.call(operation, "PATCH", f"/Users/{remote_id}", body, wanted=(200, 204))
        if reply.status == 200:
            resource(operation, reply)


def _escaped(text: Any) -> str:
    return str(text).replace("\\", "\\\\").replace('"', '\\"')
