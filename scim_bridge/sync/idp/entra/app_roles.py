"""App roles of agent identities: which applications, and as what, by a mapping in the settings.

`GROUP=APP/ROLE; *=APP/ROLE`: whoever is in the group here (`*`: every agent) has the role of the application
with that appId there. Assignments that came from anybody else are left alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.registry.model import fold
from scim_bridge.sync.groups import EVERY, app_roles_of
from scim_bridge.sync.idp.entra.batches import Write, write_all
from scim_bridge.sync.idp.entra.calls import Get, Reply, absent, literal
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.needs import APP_ROLES
from scim_bridge.sync.idp.entra.part import Of
from scim_bridge.sync.idp.entra.refusals import error_of
from scim_bridge.sync.idp.port import APPLICATIONS, Attributes, DesiredAgent, IdpError, ObjectChange

SELECT = "id,appId,displayName,appRoles"
BELIEVED = 300.0
# The role that is none: access, and nothing more (Graph, appRoleAssignment).
DEFAULT = "default"
NO_ROLE = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Resource:
    """An application of the tenant: role ids by value, and of those the ones an application may have."""

    id: str
    app_id: str
    name: str
    roles: Mapping[str, str] = field(default_factory=dict)
    assignable: frozenset[str] = frozenset()

    def role_named(self, role_id: str) -> str:
        """The value of a role id; the id itself for one without."""
        return next((value for value, key in self.roles.items() if key == role_id), role_id)


def resource_of(found: Mapping[str, Any]) -> Resource:
    """A service principal as a resource. Pure."""
    listed = [one for one in found.get("appRoles") or () if one.get("isEnabled", True) and one.get("value")]
    roles = {str(one["value"]): str(one["id"]) for one in listed}
    assignable = {
        str(one["value"])
        for one in listed
        if "Application" in (one.get("allowedMemberTypes") or ("Application",))
    }
    if not found.get("appRoles"):
        roles[DEFAULT] = NO_ROLE
        assignable.add(DEFAULT)
    return Resource(
        str(found["id"]),
        str(found.get("appId") or "").lower(),
        str(found.get("displayName") or ""),
        roles,
        frozenset(assignable),
    )


class AppRoles:
    """The app roles that agents have by the mapping of a connection."""

    feature = APP_ROLES
    each = True

    def __init__(self, graph: Graph, mapping: str) -> None:
        self._graph = graph
        self._mapping = app_roles_of(mapping)
        # By appId and by object id: when it was looked up, and what was found.
        self._known: dict[str, tuple[float, Resource | None]] = {}

    async def everywhere(self) -> Of:
        """A listing begins: applications are looked up anew; who has which role, `gets` says."""
        self._known.clear()
        return lambda _remote_id: {}

    async def wanted(self, agent: DesiredAgent) -> tuple[Mapping[str, Any], Sequence[str]]:
        """The roles of the agent's groups, and of every agent."""
        if agent.deleted:
            return {}, ()
        groups = {fold(name) for name in agent.groups}
        names, notes = set(), []
        for group, app_id, role in self._mapping:
            if group != EVERY and fold(group) not in groups:
                continue
            resource = await self._resource(app_id)
            if resource is None:
                notes.append(
                    f"No application {app_id} is in this tenant: its role {role} is given to no agent."
                )
            elif role not in resource.roles:
                notes.append(f"{resource.name} has no app role {role}: it is given to no agent.")
            elif role not in resource.assignable:
                notes.append(
                    f"The app role {role} of {resource.name} is for people only: no agent can have it."
                )
            else:
                names.add(f"{app_id}/{role}")
        return {APPLICATIONS: sorted(names)}, notes

    def gets(self, remote_id: str) -> list[Get]:
        """The roles one agent identity has."""
        return [Get(_place(remote_id))]

    async def one(self, remote_id: str, replies: Sequence[Reply]) -> Attributes:
        """The roles in the answer, by appId and value."""
        names = set()
        for one in await self._graph.collected("list the app roles", replies[0]):
            resource = await self._by_id(str(one.get("resourceId")))
            if resource is not None:
                names.add(_name(resource, one))
        return {APPLICATIONS: sorted(names)}

    async def stop(self, change: ObjectChange) -> None:
        """A stopped agent keeps its roles: it gets no token while it is stopped."""

    async def bring(self, change: ObjectChange) -> None:
        """Assign and take back; each may be done twice."""
        if APPLICATIONS not in change.after:
            return
        before, after = set(change.before.get(APPLICATIONS) or ()), set(change.after[APPLICATIONS] or ())
        remote_id = str(change.remote_id)
        writes = [await self._assignment(remote_id, name) for name in sorted(after - before)]
        if gone := before - after:
            writes += await self._taken_back(remote_id, gone)
        if writes:
            await write_all(self._graph, writes)

    async def _assignment(self, remote_id: str, name: str) -> Write:
        app_id, _, role = name.partition("/")
        resource = await self._resource(app_id)
        if resource is None or role not in resource.roles:
            raise IdpError(
                "entra-app-role",
                f"The app role {name} is not in this tenant any more.",
                "Mend app_roles, and make a new plan.",
                transient=False,
            )
        body = {"principalId": remote_id, "resourceId": resource.id, "appRoleId": resource.roles[role]}
        what = f"give the agent the app role {role} of {resource.name}"
        return Write(what, "POST", _place(remote_id), body, _given)

    async def _taken_back(self, remote_id: str, names: set[str]) -> list[Write]:
        writes = []
        for one in await self._graph.every("list the app roles", _place(remote_id)):
            resource = await self._by_id(str(one.get("resourceId")))
            if resource is not None and (name := _name(resource, one)) in names:
                what, path = f"take the app role {name} from the agent", f"{_place(remote_id)}/{one['id']}"
                writes.append(Write(what, "DELETE", path, expect=absent))
        return writes

    async def _resource(self, app_id: str) -> Resource | None:
        return await self._looked_up(app_id, f"/servicePrincipals(appId={literal(app_id)})")

    async def _by_id(self, object_id: str) -> Resource | None:
        return await self._looked_up(object_id, f"/servicePrincipals/{object_id}")

    async def _looked_up(self, key: str, path: str) -> Resource | None:
        now = time.monotonic()
        if key in self._known and now - self._known[key][0] < BELIEVED:
            return self._known[key][1]
        reply = await self._graph.call(
            "look for an application", "GET", path, query={"$select": SELECT}, expect=absent
        )
        found = resource_of(reply.body) if reply.ok else None
        self._known[key] = (now, found)
        if found is not None:
            self._known[found.id] = self._known[found.app_id] = (now, found)
        return found


def _place(remote_id: str) -> str:
    return f"/servicePrincipals/{remote_id}/appRoleAssignments"


def _name(resource: Resource, assignment: Mapping[str, Any]) -> str:
    return f"{resource.app_id}/{resource.role_named(str(assignment.get('appRoleId')))}"


def _given(reply: Reply) -> bool:
    message = error_of(reply.body)[1].lower()
    return reply.status == 400 and "already exists" in message
