"""Changes of many agents at once, as values: what one would do to each agent, and how far it reaches. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.model import Owners, PersonRef

ADMIN = "admin"
STOP, RESUME, OWNER, ATTEST, JOIN, LEAVE = "stop", "resume", "owner", "attest", "join", "leave"
# What each is called, and whom or what it is about besides the agents.
ACTIONS: Mapping[str, tuple[str, str]] = {
    STOP: ("Stop", ""),
    RESUME: ("Release the admin's hold", ""),
    OWNER: ("Change the owner", "person"),
    ATTEST: ("Ask for attestation", ""),
    JOIN: ("Add to a group", "group"),
    LEAVE: ("Take out of a group", "group"),
}
# What letting each go asks for (registry/roles.py), in the console and by the API.
ASKS_FOR: Mapping[str, str] = {
    STOP: "agents.hold-many",
    RESUME: "agents.hold-many",
    OWNER: "agents.change-many",
    ATTEST: "attestations.ask",
    JOIN: "agents.change-many",
    LEAVE: "agents.change-many",
}
# So many at once: a person can still read the preview, and it is carried out while they wait.
MOST = 500
PLANNED, NOTHING, DONE, FAILED, MOVED = "planned", "nothing", "done", "failed", "moved"


@dataclass(frozen=True, slots=True)
class Target:
    """The group or person a change is about; empty where it is about none. `person` for a new owner."""

    id: str = ""
    name: str = ""
    person: PersonRef | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a change would do to one agent, in words. `will`: False when it would do nothing to it.

    `stops`: the agent acts now and would not any more. `loses`: it would lose a group.
    """

    agent_id: str
    slug: str
    will: bool
    says: str
    stops: bool = False
    loses: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a change reaches, in counts."""

    chosen: int
    changes: int
    stops: int
    loses: int
    environments: Mapping[str, int]
    risks: Mapping[str, int]
    owners: int


def step_of(
    action: str, agent: AgentFacts, groups: Collection[str], target: Target, asked: PersonRef | None
) -> Step:
    """What would happen to one agent. `groups` are the ids of those it is in, `asked` who would be asked."""
    will, says, stops = _says(action, agent, groups, target, asked)
    return Step(agent.resource.id, agent.slug, will, says, stops, will and action == LEAVE)


def _says(
    action: str, agent: AgentFacts, groups: Collection[str], target: Target, asked: PersonRef | None
) -> tuple[bool, str, bool]:
    mine = any(hold.source == ADMIN for hold in agent.holds)
    others = [hold.reason for hold in agent.holds if hold.source != ADMIN]
    match action:
        case "stop" if mine:
            return False, "an admin holds it already", False
        case "stop" if others:
            return True, f"stays held, by an admin too ({others[0]})", False
        case "stop":
            return True, "active → held", True
        case "resume" if not mine:
            return False, f"no admin holds it{'; ' + others[0] if others else ''}", False
        case "resume" if others:
            return True, f"stays held: {'; '.join(others)}", False
        case "resume":
            return True, "held → active", False
        case "owner":
            now = agent.owners.owner
            if now is not None and now.id == target.id:
                return False, f"{now.display_name} owns it already", False
            return True, f"{now.display_name if now else 'nobody'} → {target.name}", False
        case "attest" if asked is None:
            return False, "nobody active answers for it", False
        case "attest":
            assert asked is not None
            return True, f"{asked.display_name} is asked", False
        case "join" if target.id in groups:
            return False, f"is in {target.name} already", False
        case "join":
            return True, f"comes into {target.name}", False
        case _ if target.id not in groups:
            return False, f"is not in {target.name}", False
        case _:
            return True, f"leaves {target.name}", False


def owned_by(owners: Owners, person: PersonRef) -> Owners:
    """The owners with another first one; who was co-owner or sponsor is that no more."""
    return Owners(
        person,
        tuple(one for one in owners.co_owners if one.id != person.id),
        tuple(one for one in owners.sponsors if one.id != person.id),
    )


def reach_of(agents: Mapping[str, AgentFacts], steps: Sequence[Step]) -> Reach:
    """How far these steps reach."""
    changed = [agents[step.agent_id] for step in steps if step.will]
    owners = {agent.owners.owner.id for agent in changed if agent.owners.owner is not None}
    return Reach(
        len(steps),
        len(changed),
        sum(step.stops for step in steps),
        sum(step.loses for step in steps),
        _counted(agent.environment for agent in changed),
        _counted(agent.risk_tier for agent in changed),
        len(owners),
    )


def _counted(words: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(words).most_common(6))


def persons_needed(reach: Reach, four_eyes: int) -> int:
    """How many different people have to say so: two when more agents stop, or lose a group, than `four_eyes`."""
    return 2 if max(reach.stops, reach.loses) > four_eyes else 1
