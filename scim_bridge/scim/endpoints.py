"""The collections of the front door: which rows are in them, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.registry.model import AGENT, APPLICATION_SPACE, GROUP_SPACE, ROLE_ENTRY, USER_SPACE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One collection: its rows, how they are served, and the resource type filters speak about."""

    name: str
    space: str
    resource: str
    kind: str | None = None
    # A further condition on its rows, which no index has and no counter counts.
    also: str = ""

    @property
    def scope_sql(self) -> str:
        """The condition for rows of this collection."""
        kind = f" AND r.kind = '{self.kind}'" if self.kind else ""
        return f"r.space = '{self.space}'{kind}{f' AND {self.also}' if self.also else ''}"

    @property
    def counter(self) -> str | None:
        """The counter that holds the collection's size; None when it has none."""
        return None if self.also else f"live:{self.kind or self.space}"

    @property
    def scope(self) -> str:
        """The token scope that may write here."""
        return "groups" if self.space == GROUP_SPACE else "users"


USERS = Endpoint("Users", USER_SPACE, "User")
GROUPS = Endpoint("Groups", GROUP_SPACE, "Group")
AGENTS = Endpoint("Agents", USER_SPACE, "Agent", AGENT)
APPLICATIONS = Endpoint("AgenticApplications", APPLICATION_SPACE, "AgenticApplication")
ENDPOINTS = {endpoint.name: endpoint for endpoint in (USERS, GROUPS, AGENTS, APPLICATIONS)}

# Groups as Okta's entitlement discovery asks for them; only some connections see these.
_IS_ROLE = (
    "EXISTS (SELECT 1 FROM sb_attr k WHERE k.resource_id = r.id AND k.name = '{}' AND k.key = '{}')".format(
        *ROLE_ENTRY
    )
)
ROLES = Endpoint("Roles", GROUP_SPACE, "Role", also=_IS_ROLE)
ENTITLEMENTS = Endpoint("Entitlements", GROUP_SPACE, "Entitlement", also=f"NOT {_IS_ROLE}")
FOREIGN = {endpoint.name: endpoint for endpoint in (ROLES, ENTITLEMENTS)}
