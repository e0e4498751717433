"""Owners of AI agents by Identity Governance's resource-owners API: at most five people each, by ORN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from scim_bridge.sync.idp.okta.errors import OktaRefusal
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.workloads import data_pages
from scim_bridge.sync.idp.port import IdpError

PATH = "/governance/api/v1/resource-owners"
ORGANIZATION = "/.well-known/okta-organization"
MOST = 5
PAGE = 200
AGENTS = "workload-principals:ai-agents"
USERS = "users"


class Owners:
    """Reads and sets who answers for AI agents, by Okta's user ids."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._org = ""

    async def listed(self) -> dict[str, list[str]]:
        """The owners of every AI agent by its id, in one listing; empty where Okta does not list by kind."""
        parent = await self._orn(AGENTS)
        try:
            return await self._read(f'parentResourceOrn eq "{parent}"')
        except OktaRefusal as error:
            if error.http != 400:
                raise
            # Only the form by resource is certain; who needs one agent's owners then asks for that one.
            return {}

    async def of(self, agent_id: str) -> list[str]:
        """The owners of one AI agent, sorted."""
        orn = await self._orn(AGENTS, agent_id)
        return (await self._read(f'resource.orn eq "{orn}"')).get(agent_id, [])

    async def replace(self, agent_id: str, owners: Sequence[str]) -> None:
        """Make exactly these people answer for an AI agent; nobody when there are none."""
        principals = [await self._orn(USERS, owner) for owner in owners[:MOST]]
        body = {"principalOrns": principals, "resourceOrns": [await self._orn(AGENTS, agent_id)]}
        await self._session.send("set the agent's owners", "POST", PATH, body)

    async def _read(self, expression: str) -> dict[str, list[str]]:
        query = urlencode({"filter": expression, "limit": PAGE})
        found: dict[str, list[str]] = {}
        async for items, _ in data_pages(self._session, "read the agents' owners", f"{PATH}?{query}"):
            for item in items:
                found[_last(item["resource"]["orn"])] = sorted(_owner(one) for one in item["principals"])
        return found

    async def _orn(self, kind: str, *rest: str) -> str:
        if not self._org:
            reply = await self._session.send("read the org's id", "GET", ORGANIZATION)
            self._org = str((reply.content or {}).get("id") or "")
            if not self._org:
                raise IdpError("okta-org-id", "Okta does not tell the org's id.", transient=False)
        host = urlsplit(self._session.org_url).hostname or ""
        partition = "oktapreview" if host.endswith(".oktapreview.com") else "okta"
        return ":".join(("orn", partition, "directory", self._org, kind, *rest))


def _last(orn: Any) -> str:
    return str(orn).rsplit(":", 1)[-1]


def _owner(principal: dict[str, Any]) -> str:
    """A principal's own id: its `id` names the assignment. A group is told apart from people."""
    key = _last(principal["orn"])
    return key if principal.get("type", USERS) == USERS else f"group:{key}"
