"""The collections of the front door: which rows are in them, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.registry.model import AGENT, APPLICATION_SPACE, GROUP_SPACE, USER_SPACE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One collection: its rows, how they are served, and the resource type filters speak about."""

    name: str
    space: str
    resource: str
    kind: str | None = None

    @property
    def scope_sql(self) -> str:
        """The condition for rows of this collection."""
        return f"r.space = '{self.space}'" + (f" AND r.kind = '{self.kind}'" if self.kind else "")

    @property
    def counter(self) -> str:
        """The counter that holds the collection's size."""
        return f"live:{self.kind or self.space}"

    @property
    def scope(self) -> str:
        """The token scope that may write here."""
        return "groups" if self.space == GROUP_SPACE else "users"


USERS = Endpoint("Users", USER_SPACE, "User")
GROUPS = Endpoint("Groups", GROUP_SPACE, "Group")
AGENTS = Endpoint("Agents", USER_SPACE, "Agent", AGENT)
APPLICATIONS = Endpoint("AgenticApplications", APPLICATION_SPACE, "AgenticApplication")
ENDPOINTS = {endpoint.name: endpoint for endpoint in (USERS, GROUPS, AGENTS, APPLICATIONS)}
