"""Who answers for a resource (Identity Governance): up to five people or one group, by ORN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scim_bridge.sandbox.okta.directory import Directory
from scim_bridge.sandbox.okta.errors import invalid
from scim_bridge.sandbox.okta.groups import Groups
from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.org import Org

MOST_PEOPLE = 5
MOST_RESOURCES = 10
AGENTS = ("workload-principals", "ai-agents")


class Owners:
    """Resource owners of one org. Writing methods belong into a transaction."""

    def __init__(self, org: Org, directory: Directory, groups: Groups) -> None:
        self._org = org
        self._directory = directory
        self._groups = groups

    def agent_orn(self, agent_id: str) -> str:
        """The name of an AI agent."""
        return self._org.orn(*AGENTS, agent_id)

    def of(self, orn: str) -> list[str]:
        """The ORNs of those who answer for a resource."""
        found = self._org.store.get("owner", orn)
        return [] if found is None else list(found["principals"])

    def of_agent(self, agent_id: str) -> list[str]:
        """The same for an AI agent; people who are deactivated no longer count."""
        return [orn for orn in self.of(self.agent_orn(agent_id)) if self._answers(orn)]

    def replace(self, principals: Sequence[str], resources: Sequence[str]) -> list[str]:
        """Make these, and only these, answer for every resource; the resources."""
        if not 1 <= len(resources) <= MOST_RESOURCES or not all(isinstance(orn, str) for orn in resources):
            raise invalid(
                "resourceOrns", f"resourceOrns: Between 1 and {MOST_RESOURCES} resources are required"
            )
        for orn in resources:
            self._need_agent(orn)
        kinds = [self._need_principal(orn) for orn in principals]
        if "groups" in kinds and len(kinds) > 1:
            raise invalid(
                "principalOrns", "principalOrns: Only one group can be the owner, and nobody beside it"
            )
        if len(kinds) > MOST_PEOPLE:
            raise invalid("principalOrns", f"principalOrns: At most {MOST_PEOPLE} owners are allowed")
        for orn in resources:
            if principals:
                self._org.store.put("owner", orn, {"orn": orn, "principals": list(dict.fromkeys(principals))})
            else:
                self._org.store.delete("owner", orn)
        return list(resources)

    def remove(self, orn: str, principal: str) -> None:
        """Take one of them away."""
        self._need_agent(orn)
        self.replace([known for known in self.of(orn) if known != principal], [orn])

    def all(self) -> list[dict[str, Any]]:
        """Every resource that has owners, oldest first."""
        return [value for _, value in self._org.store.all("owner")]

    def forget(self, agent_id: str) -> None:
        """An AI agent is gone."""
        self._org.store.delete("owner", self.agent_orn(agent_id))

    def _parts(self, orn: object, *kind: str) -> str | None:
        start = f"{self._org.orn(*kind)}:"
        return str(orn).removeprefix(start) if isinstance(orn, str) and orn.startswith(start) else None

    def _need_agent(self, orn: str) -> None:
        agent_id = self._parts(orn, *AGENTS)
        if agent_id is None or self._org.store.get("aiagent", agent_id) is None:
            raise invalid("resourceOrns", f"resourceOrns: {str(orn)[:120]} is no resource of this org")

    def _need_principal(self, orn: str) -> str:
        for kind in ("users", "groups"):
            if (key := self._parts(orn, kind)) is not None:
                if kind == "users":
                    self._directory.need(key)
                else:
                    self._groups.need(key)
                return kind
        raise invalid("principalOrns", f"principalOrns: {str(orn)[:120]} is neither a user nor a group")

    def _answers(self, orn: str) -> bool:
        key = self._parts(orn, "users")
        if key is None:
            return True
        user = self._directory.find(key)
        return user is not None and user["status"] != statuses.DEPROVISIONED
