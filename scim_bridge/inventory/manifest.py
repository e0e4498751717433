"""What a manifest says, as frozen values. Field names are the manifest's, in snake case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

GROUP_KINDS = ("entitlement", "role")
CREDENTIAL_KINDS = ("client_secret", "jwk", "api_key", "certificate")
# RFC 2606 keeps .example free, so a generated userName can never be somebody's mailbox.
AGENTS_DOMAIN = "agents.example"

Position = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class CredentialEntry:
    """A secret or key an agent uses, known by label and by where it is kept, never by value.

    `reference` is a path or id in `system`; `expires` is an instant in microseconds, or None.
    """

    label: str
    system: str
    kind: str
    reference: str
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class PersonEntry:
    """A person an agent may belong to. `manager` is that person's userName, or empty."""

    user_name: str
    given_name: str
    family_name: str
    email: str
    department: str
    display_name: str = ""
    title: str = ""
    manager: str = ""
    active: bool = True
    timezone: str = ""
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @property
    def shown_name(self) -> str:
        """The display name, or given and family name."""
        return self.display_name or f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A bundle of access. `members` are agent slugs; `owner` is a person's userName or e-mail.

    `kind` is what Okta's governance knows it as; an entitlement when nothing is said.
    """

    name: str
    description: str = ""
    members: tuple[str, ...] = ()
    owner: str = ""
    kind: str = ""
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as its people describe it.

    Owners, co-owners (in the order of succession) and sponsors are userNames or e-mails of people;
    `expires` is an instant in microseconds, or None; `given` names the keys the file really had, so
    that an update leaves alone what the file does not speak of.
    """

    slug: str
    name: str
    purpose: str
    platform: str
    environment: str
    risk_tier: str
    owner: str
    model: str = ""
    version: str = ""
    co_owners: tuple[str, ...] = ()
    sponsors: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    credentials: tuple[CredentialEntry, ...] = ()
    workload_id: str = ""
    expires: int | None = None
    runtime_url: str = ""
    user_name: str = ""
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """One membership, said on a line of its own: a group's name and an agent's slug."""

    group: str
    agent: str
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything one file says. `sections` names the top-level keys the file has; `positions` maps
    paths such as `agents[3].owner` to line and column, for messages about the meaning of a value.
    """

    people: tuple[PersonEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    agents: tuple[AgentEntry, ...] = ()
    sections: frozenset[str] = frozenset({"people", "groups", "agents"})
    positions: Mapping[str, Position] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )

    def position(self, where: str) -> Position:
        """Line and column of a path, or of the nearest parent the file has."""
        while where:
            if where in self.positions:
                return self.positions[where]
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return (1, None)

    def memberships(self) -> frozenset[tuple[str, str]]:
        """(group name, agent slug) pairs, whether said by the group or by the agent."""
        said_by_groups = {(group.name, slug) for group in self.groups for slug in group.members}
        said_by_agents = {(name, agent.slug) for agent in self.agents for name in agent.groups}
        return frozenset(said_by_groups | said_by_agents)


def default_user_name(slug: str, domain: str = AGENTS_DOMAIN) -> str:
    """The userName of an agent whose manifest gives none."""
    return f"{slug}@{domain}"
