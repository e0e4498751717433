"""One group provisioned: matched or created without members, renamed, members added and removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scim_bridge.sandbox.entra.scim import dialect as dialects
from scim_bridge.sandbox.entra.scim import mapping
from scim_bridge.sandbox.entra.scim.links import Link, Links
from scim_bridge.sandbox.entra.scim.replies import Failed, resource, resources, single
from scim_bridge.sandbox.entra.scim.target import Run, filter_query
from scim_bridge.sandbox.entra.tenant import Object, hidden

GROUP = "group"
# How many references one PATCH carries is not published; ours stays well below any body limit.
MEMBERS_PER_PATCH = 100


class Groups:
    """The groups of one run."""

    def __init__(self, links: Links, run: Run) -> None:
        self._links = links
        self._run = run

    async def provision(self, group: Object, only: set[str] | None = None) -> None:
        """Bring one group and its membership up to date. Only members that are provisioned users are written.

        `only` leaves every other membership as it is (provisioning on demand).
        """
        link = self._links.find(GROUP, str(group["id"]))
        found = await self._found(group, link)
        fresh = found is None
        if found is None:
            found = await self._create(group)
        elif found.get("displayName") != group["displayName"]:
            body = dialects.rename_group(self._run.target.dialect, str(group["displayName"]))
            await self._patch("rename group", str(found["id"]), body)
        known = Link(GROUP, str(group["id"]), str(found["id"])) if link is None or fresh else link
        known = self._links.put(replace(known, remote_id=str(found["id"])))
        if link is None and not fresh:
            known = await self._adopt(group, known)
        await self._write_members(group, known, only)

    async def remove(self, link: Link) -> None:
        """Delete a group that left the tenant or the scope."""
        await self._run.call(
            "delete group", "DELETE", f"/Groups/{link.remote_id}", wanted=(200, 202, 204, 404)
        )
        self._links.drop(link)

    async def _adopt(self, group: Object, link: Link) -> Link:
        """Ask a group that was there before which of its wanted members it has already."""
        has = []
        for source_id, remote_id in self._provisioned(group).items():
            query = filter_query(f'id eq "{link.remote_id}" and members eq "{remote_id}"')
            path = f"/Groups?{query}&attributes=id&excludedAttributes=members"
            reply = await self._run.call("check member", "GET", path)
            if single("check member", resources("check member", reply)) is not None:
                has.append(source_id)
        return self._links.put(replace(link, members=tuple(has)))

    async def _write_members(self, group: Object, link: Link, only: set[str] | None) -> None:
        wanted, written = self._provisioned(group), set(link.members)
        meant = wanted.keys() | written if only is None else only
        added = {one: remote for one, remote in wanted.items() if one in meant and one not in written}
        left = {one for one in written if one in meant and one not in wanted}
        removed = {one: other.remote_id for one in left if (other := self._user(one))}
        for part in _parts(list(added.values())):
            body = dialects.add_members(self._run.target.dialect, part)
            await self._patch("add members", link.remote_id, body)
        for part in _parts(sorted(removed.values())):
            body = dialects.remove_members(self._run.target.dialect, part)
            await self._patch("remove members", link.remote_id, body)
        change = int(hidden(group, "change", 0)) if only is None else link.change
        members = tuple(sorted((written | set(added)) - left))
        self._links.put(replace(link, members=members, change=change))

    def _provisioned(self, group: Object) -> dict[str, str]:
        found = {one: self._user(one) for one in hidden(group, "members", [])}
        return {source: link.remote_id for source, link in found.items() if link is not None and link.managed}

    def _user(self, source_id: str) -> Link | None:
        return self._links.find("user", source_id)

    async def _found(self, group: Object, link: Link | None) -> Object | None:
        if link is not None:
            try:
                path = f"/Groups/{link.remote_id}?excludedAttributes=members"
                return resource("read group", await self._run.call("read group", "GET", path))
            except Failed as error:
                if error.kind != "gone":
                    raise
        query = filter_query(f'displayName eq "{_escaped(group["displayName"])}"')
        reply = await self._run.call("match group", "GET", f"/Groups?excludedAttributes=members&{query}")
        return single("match group", resources("match group", reply))

    async def _create(self, group: Object) -> Object:
        body = mapping.create_group(group)
        reply = await self._run.call("create group", "POST", "/Groups", body, wanted=(200, 201))
        return resource("create group", reply)

    async def _patch(self, operation: str, remote_id: str, body: Any) -> None:
        await self._run.call(operation, "PATCH", f"/Groups/{remote_id}", body, wanted=(200, 204))


def _parts(ids: list[str]) -> list[list[str]]:
    return [ids[place : place + MEMBERS_PER_PATCH] for place in range(0, len(ids), MEMBERS_PER_PATCH)]


def _escaped(text: Any) -> str:
    return str(text).replace("\\", "\\\\").replace('"', '\\"')
