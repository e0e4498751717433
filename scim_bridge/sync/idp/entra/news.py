"""News of people out of a tenant: one user as they are now, who changed since, and standing orders for notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.registry.news import ChangePage, CursorLost, RemotePerson, Subscription, There, instant
from scim_bridge.sync.idp.entra.calls import V1, Reply, literal
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.options import GUID
from scim_bridge.sync.idp.entra.refusals import error_of, refusal
from scim_bridge.sync.idp.port import IdpError

FACTS = ("id", "accountEnabled", "userPrincipalName", "mailNickname", "employeeId", "department")
# Needs a permission of its own (User-LifeCycleInfo.Read.All); without it the rest is read.
LEAVE = "employeeLeaveDateTime"
MANAGER = "manager($select=id,userPrincipalName)"
# Codes under which Graph says that it does not know any more where we were.
LOST = ("syncStateNotFound", "syncStateInvalid", "resyncRequired")
AGENT_USER = "#microsoft.graph.agentUser"


class EntraNews:
    """See `registry.news.ChangeNews`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        # Whether leave dates may be read, as far as it was seen.
        self._leaves = True

    async def person(self, remote_id: str) -> RemotePerson:
        """The user with this object id; one in the recycle bin is absent."""

        async def read(facts: str) -> Reply:
            query = {"$select": facts, "$expand": MANAGER}
            return await self._graph.call(
                "read the user", "GET", f"/users/{remote_id}", query=query, expect=_absent_or_denied
            )

        reply = await self._with_leave(read)
        if reply.status == 404:
            return RemotePerson(remote_id, There.ABSENT)
        if not reply.ok:
            raise refusal("read the user", reply.status, reply.headers, reply.body)
        if not isinstance(reply.body, Mapping) or str(reply.body.get("id")).lower() != remote_id.lower():
            raise IdpError("entra-broken", "Entra's answer is no user.", transient=True)
        return person_of(reply.body)

    async def named(self, login: str) -> RemotePerson | None:
        """The user with this userPrincipalName."""
        query = {"$select": "id", "$filter": f"userPrincipalName eq {literal(login)}"}
        found = await self._graph.every("look a person up", "/users", query)
        return await self.person(str(found[0]["id"])) if len(found) == 1 else None

    def is_id(self, name: str) -> bool:
        """Object ids are GUIDs."""
        return bool(GUID.fullmatch(name))

    async def changes(self, cursor: str) -> ChangePage:
        """One page of users/delta; the first one of everybody when there is no cursor."""

        async def read(facts: str) -> Reply:
            query = {} if cursor else {"$select": facts}
            return await self._graph.call(
                "tell who changed", "GET", cursor or "/users/delta", query=query, expect=_lost_or_denied
            )

        reply = await self._with_leave(read)
        if cursor and _lost(reply):
            raise CursorLost(f"Entra takes the delta token no more ({error_of(reply.body)[0]})")
        if not reply.ok:
            raise refusal("tell who changed", reply.status, reply.headers, reply.body)
        body = reply.body if isinstance(reply.body, Mapping) else {}
        rows, onward, done = body.get("value"), body.get("@odata.nextLink"), body.get("@odata.deltaLink")
        if not isinstance(rows, list) or not (onward or done):
            raise IdpError("entra-broken", "Entra's delta has no list or no link.", transient=True)
        people = tuple(person_of(row) for row in rows if isinstance(row, Mapping) and _is_person(row))
        return ChangePage(people, self._below(str(onward or done)), bool(onward))

    async def subscribed(self, url: str) -> tuple[str, ...]:
        """The ids of every subscription of ours that calls this address."""
        found = await self._graph.every("list subscriptions", "/subscriptions")
        return tuple(str(one["id"]) for one in found if one.get("notificationUrl") == url and one.get("id"))

    async def subscribe(self, url: str, proof: str, expires: int) -> Subscription:
        """Graph asks `url` for an echo before it answers; lifecycle notices go to the same address."""
        wish = {
            "changeType": "updated,deleted",
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": "/users",
            "expirationDateTime": iso(expires),
            "clientState": proof,
        }
        reply = await self._graph.call("subscribe to changes of users", "POST", "/subscriptions", wish)
        return _subscription(reply.body, expires)

    async def renew(self, remote_id: str, expires: int) -> Subscription | None:
        """Renewing answers a wish for re-authorization as well (Graph, lifecycle notifications)."""
        reply = await self._graph.call(
            "renew the subscription",
            "PATCH",
            f"/subscriptions/{remote_id}",
            {"expirationDateTime": iso(expires)},
            expect=_absent,
        )
        return None if reply.status == 404 else _subscription(reply.body, expires)

    async def unsubscribe(self, remote_id: str) -> None:
        """End a subscription."""
        await self._graph.call(
            "end the subscription", "DELETE", f"/subscriptions/{remote_id}", expect=_absent
        )

    async def _with_leave(self, read: Any) -> Reply:
        facts = ",".join(FACTS)
        if self._leaves:
            reply: Reply = await read(f"{facts},{LEAVE}")
            if reply.status != 403:
                return reply
        found: Reply = await read(facts)
        # Only now is it certain that it was the leave date that may not be read.
        self._leaves = self._leaves and not found.ok
        return found

    def _below(self, link: str) -> str:
        """A link as a path below the version; never one to another host."""
        root = f"{self._graph.base_url}/{V1}"
        if not link.startswith(f"{root}/users/delta?"):
            raise IdpError("entra-link", "Entra's delta goes on at another address.", transient=False)
        return link.removeprefix(root)


def person_of(user: Mapping[str, Any]) -> RemotePerson:
    """A user object, or a row of a delta, as a person; what a row leaves out is not believed to be well."""
    if "@removed" in user:
        return RemotePerson(str(user["id"]), There.ABSENT)
    manager = user.get("manager")
    named = manager if isinstance(manager, Mapping) else {}
    called = (user.get("id"), user.get("mailNickname"), user.get("employeeId"), user.get("userPrincipalName"))
    return RemotePerson(
        remote_id=str(user["id"]),
        there=There.PRESENT if user.get("accountEnabled") is True else There.GONE,
        login=str(user.get("userPrincipalName") or ""),
        called=tuple(str(name) for name in called if name),
        leave_at=instant(user.get(LEAVE)),
        manager=str(named.get("userPrincipalName") or named.get("id") or ""),
        department=str(user.get("department") or ""),
    )


def _is_person(row: Mapping[str, Any]) -> bool:
    return bool(row.get("id")) and row.get("@odata.type") != AGENT_USER


def _subscription(body: Any, wished: int) -> Subscription:
    if not isinstance(body, Mapping) or not body.get("id"):
        raise IdpError("entra-broken", "Entra's answer is no subscription.", transient=True)
    expires = instant(body.get("expirationDateTime")) or wished
    return Subscription(str(body["id"]), expires, str(body.get("notificationUrl") or ""))


def _absent(reply: Reply) -> bool:
    return reply.status == 404


def _absent_or_denied(reply: Reply) -> bool:
    return reply.status in (403, 404)


def _lost(reply: Reply) -> bool:
    return reply.status in (400, 404, 410) or error_of(reply.body)[0] in LOST


def _lost_or_denied(reply: Reply) -> bool:
    return reply.status == 403 or _lost(reply)
