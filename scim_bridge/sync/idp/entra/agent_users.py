"""The user account of an agent identity (Graph `agentUser`), for agents that need a mailbox or a licence.

Entra may delete it with its identity or leave it behind (its own pages disagree), so what is left is looked
for and removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.registry.model import fold
from scim_bridge.sync.idp.entra.calls import Get, Reply, absent, held, listed_in, literal
from scim_bridge.sync.idp.entra.graph import Graph, settled
from scim_bridge.sync.idp.entra.model import NAME, marked, name_of
from scim_bridge.sync.idp.entra.part import Of
from scim_bridge.sync.idp.entra.refusals import error_of
from scim_bridge.sync.idp.port import ENABLED, Attributes, DesiredAgent, IdpError, ObjectChange

ACCOUNT = "agentUser"
ACCOUNT_ENABLED = "agentUserEnabled"
USERS = "/users/microsoft.graph.agentUser"
SELECT = "id,userPrincipalName,accountEnabled,identityParentId"
LONGEST_ALIAS = 64
# Which users are agents is told over SCIM by this (see docs/how-to/entra.md).
EMPLOYEE_TYPE = "Agent"


def account_name(slug: str, agent_id: str, domain: str) -> str:
    """The userPrincipalName of an agent's account; a long slug is cut and keeps a part of the agent's id."""
    alias = slug if len(slug) <= LONGEST_ALIAS else f"{slug[: LONGEST_ALIAS - 13]}-{agent_id[-12:]}"
    return fold(f"{alias}@{domain}")


def account_of(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """An agent user as attributes of its agent; None for none."""
    if found is None:
        return {ACCOUNT: None, ACCOUNT_ENABLED: None}
    return {
        ACCOUNT: fold(str(found.get("userPrincipalName") or "")),
        ACCOUNT_ENABLED: found.get("accountEnabled") is not False,
    }


class AgentUsers:
    """The accounts of a tenant's agent identities, at one domain."""

    feature = "agent users"
    each = False

    def __init__(self, graph: Graph, domain: str) -> None:
        self._graph = graph
        self._domain = domain

    async def wanted(self, agent: DesiredAgent) -> tuple[Mapping[str, Any], Sequence[str]]:
        """The account by name. A stop is always written; it is switched on only together with the identity."""
        if agent.deleted:
            return {ACCOUNT: None}, ()
        account: dict[str, Any] = {ACCOUNT: account_name(agent.slug, agent.agent_id, self._domain)}
        return (account if agent.enabled else {**account, ACCOUNT_ENABLED: False}), ()

    async def everywhere(self) -> Of:
        """Every account of the tenant by its identity: one listing, however many agents there are."""
        listed: dict[str, Mapping[str, Any]] = {}
        query = {"$select": SELECT, "$top": "999"}
        async for users, _ in self._graph.pages("list the agents' accounts", USERS, query):
            listed |= {str(one.get("identityParentId")).lower(): one for one in users}
        return lambda remote_id: account_of(listed.get(remote_id.lower()))

    def gets(self, remote_id: str) -> list[Get]:
        """The one account of an identity."""
        return [Get(USERS, {"$filter": f"identityParentId eq {literal(remote_id)}", "$select": SELECT})]

    async def one(self, remote_id: str, replies: Sequence[Reply]) -> Attributes:
        """The account in the answer."""
        return account_of(next(iter(await self._graph.collected("read the account", replies[0])), None))

    async def stop(self, change: ObjectChange) -> None:
        """The account is stopped with its identity."""
        if change.after.get(ACCOUNT_ENABLED) is False:
            found = await self._found(str(change.remote_id))
            if found is not None:
                await self._patch(found, {"accountEnabled": False})

    async def bring(self, change: ObjectChange) -> None:
        """Make, rename, switch on or delete the account."""
        if ACCOUNT not in change.wanted:
            return
        if change.wanted[ACCOUNT] is None:
            if ACCOUNT in change.after:
                await self._remove(await self._found(str(change.remote_id)))
            return
        starts = change.after.get(ENABLED) is True
        if not starts and not {ACCOUNT, NAME} & set(change.after):
            return
        found = await self._found(str(change.remote_id))
        if found is None:
            await self._make(change)
            return
        body = {"userPrincipalName": change.after.get(ACCOUNT), "displayName": change.after.get(NAME)}
        body = {name: value for name, value in body.items() if value is not None}
        await self._patch(found, {**body, "accountEnabled": True} if starts else body)

    async def left_behind(self, agent: DesiredAgent, remote_id: str) -> dict[str, Any] | None:
        """The account of an identity that is gone; None when nothing was left."""
        found = await self._found(remote_id)
        return None if found is None else {ENABLED: False, NAME: name_of(agent), **account_of(found)}

    async def _found(self, remote_id: str) -> Mapping[str, Any] | None:
        (get,) = self.gets(remote_id)
        users = await self._graph.every("read the account", get.path, get.query)
        return next(
            (one for one in users if str(one.get("identityParentId")).lower() == remote_id.lower()), None
        )

    async def _make(self, change: ObjectChange) -> None:
        name = str(change.wanted[ACCOUNT])
        body = {
            "accountEnabled": bool(change.wanted.get(ENABLED)),
            "displayName": change.wanted.get(NAME) or change.slug,
            "mailNickname": name.partition("@")[0],
            "userPrincipalName": name,
            "employeeType": EMPLOYEE_TYPE,
            "identityParentId": str(change.remote_id),
        }
        what = f"make the account {name}"
        reply = await settled(
            lambda: self._graph.call(what, "POST", USERS, body, expect=_name_taken),
            lambda error: error.code == "entra-settling",
        )
        if not reply.ok:
            await self._make_room(name, change.agent_id)
            await self._graph.call(what, "POST", USERS, body)

    async def _make_room(self, name: str, agent_id: str) -> None:
        """Remove what an earlier identity of this agent left under the name; IdpError when it is anybody else's."""
        query = {"$filter": f"userPrincipalName eq {literal(name)}", "$select": SELECT}
        account = next(iter(await self._graph.every("look who has the name", USERS, query)), None)
        if account is None or not await self._left_by(account, agent_id):
            raise IdpError(
                "entra-account",
                f"The account name {name} is taken in this tenant, and not by this agent.",
                "Rename the agent here, set another domain in agent_users, or remove that account in Entra.",
                transient=False,
            )
        await self._remove(account)

    async def _left_by(self, account: Mapping[str, Any], agent_id: str) -> bool:
        """True when the account's identity was deleted and carries this agent's mark."""
        parent = str(account.get("identityParentId") or "")
        what = "look for the account's identity"
        live = await self._graph.call(what, "GET", f"/servicePrincipals/{parent}", expect=absent)
        if live.ok:
            return False
        gone = await self._graph.call(what, "GET", f"/directory/deletedItems/{parent}", expect=absent)
        return gone.ok and marked(listed_in(held(what, gone, "id"), "tags")) == agent_id

    async def _remove(self, account: Mapping[str, Any] | None) -> None:
        if account is not None:
            path = f"/users/{account['id']}/microsoft.graph.agentUser"
            await self._graph.call("remove the agent's account", "DELETE", path, expect=absent)

    async def _patch(self, account: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        if body:
            path = f"/users/{account['id']}/microsoft.graph.agentUser"
            await self._graph.call("change the agent's account", "PATCH", path, body)


def _name_taken(reply: Reply) -> bool:
    message = error_of(reply.body)[1].lower()
    return reply.status == 400 and "userprincipalname already exists" in message
