"""An agent in Entra's words, and an agent identity in ours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.registry.model import PersonRef, fold
from scim_bridge.sync.idp.entra.attributes import observed_attributes, wanted_attributes
from scim_bridge.sync.idp.port import ENABLED, GONE, DesiredAgent, Observed, Wanted

NAME = "displayName"
TAG = "tag"
SPONSORS = "sponsors"
OWNERS = "owners"
# There as long as the object is: wanted gone where deleted agents are deleted there, too.
OBJECT = "object"
PREFIX = "scim-bridge:"
LONGEST_NAME = 256

IDENTITY = "#microsoft.graph.agentIdentity"
USER = "#microsoft.graph.user"
SELECT = "id,displayName,accountEnabled,tags,agentIdentityBlueprintId"
WITH_ATTRIBUTES = f"{SELECT},customSecurityAttributes"
# Graph, "Add sponsors" of agentIdentity.
MOST_SPONSORS = 100


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account in the tenant. `name` is the userPrincipalName, casefolded."""

    id: str
    name: str


Accounts = Mapping[str, Account]
"""Accounts by the id of the person in the registry; who has none is not there."""


def tag_of(agent_id: str) -> str:
    """Our mark on an agent identity."""
    return f"{PREFIX}{agent_id}"


def marked(tags: Iterable[Any]) -> str:
    """The agent id in an object's tags; empty when it carries no mark of ours."""
    found = sorted(tag for tag in tags if isinstance(tag, str) and tag.startswith(PREFIX))
    return found[0].removeprefix(PREFIX) if found else ""


def name_of(agent: DesiredAgent) -> str:
    """What an agent is called in Entra."""
    return (agent.display_name.strip() or agent.slug)[:LONGEST_NAME]


def wanted_of(
    agent: DesiredAgent, accounts: Accounts | None, attribute_set: str, *, deletes: bool = False
) -> Wanted:
    """What an agent should look like in Entra, given who of its people has an account there.

    A deleted one is disabled, and where `deletes` is said, deleted. None: people cannot be looked up, so
    nobody is added or taken away. No attribute set: facts cannot be written.
    """
    if agent.deleted:
        return Wanted({ENABLED: False, OBJECT: GONE} if deletes else {ENABLED: False})
    wanted: dict[str, Any] = {
        ENABLED: agent.enabled,
        NAME: name_of(agent),
        TAG: tag_of(agent.agent_id),
        **(wanted_attributes(agent, attribute_set) if attribute_set else {}),
    }
    notes: list[str] = []
    if accounts is not None:
        notes += _people(agent, accounts, wanted)
    # A display name is nobody's own: no object is taken for an agent by it.
    return Wanted(wanted, (), tuple(notes))


def _people(agent: DesiredAgent, accounts: Accounts, wanted: dict[str, Any]) -> list[str]:
    """Put owners and sponsors into what is wanted; notes on who cannot be."""
    owners = [person for person in (agent.owner, *agent.co_owners) if person is not None]
    notes = _unknown(agent, [*owners, *agent.sponsors], accounts)
    wanted[OWNERS] = _names(owners, accounts)
    sponsors = _sponsors(agent, accounts)
    if len(sponsors) > MOST_SPONSORS:
        notes.append(
            f"{agent.slug} has {len(sponsors)} sponsors, Entra takes {MOST_SPONSORS}: the first ones."
        )
    if sponsors:
        wanted[SPONSORS] = sponsors[:MOST_SPONSORS]
    else:
        notes.append(
            f"{agent.slug} has nobody to sponsor it in Entra: its sponsors there are left as they are."
        )
    return notes


def _sponsors(agent: DesiredAgent, accounts: Accounts) -> list[str]:
    """The sponsors, else the owner, else the co-owners: the first of these that has active accounts."""
    owner = [agent.owner] if agent.owner is not None else []
    for people in (agent.sponsors, owner, agent.co_owners):
        if found := _names(people, accounts):
            return found
    return []


def _names(people: Sequence[PersonRef], accounts: Accounts) -> list[str]:
    """The accounts of people who are still here, sorted, for Entra keeps no order."""
    here = (accounts.get(person.id) for person in people if person.active)
    return sorted({account.name for account in here if account is not None})


def _unknown(agent: DesiredAgent, people: Sequence[PersonRef], accounts: Accounts) -> list[str]:
    missing = dict.fromkeys(p.user_name for p in people if p.active and p.id not in accounts)
    return [f"{agent.slug}: {name} has no account in this tenant." for name in missing]


def observed_of(
    found: Mapping[str, Any],
    sponsors: Sequence[Mapping[str, Any]],
    owners: Sequence[Mapping[str, Any]],
    attribute_set: str,
    more: Mapping[str, Any] | None = None,
) -> Observed:
    """An agent identity as Graph shows it, with the people on it and `more` that its parts show.

    Groups and service principals among its sponsors and owners are others' business: not shown, not touched.
    """
    mark = marked(found.get("tags") or ())
    attributes = {
        ENABLED: found.get("accountEnabled") is not False,
        OBJECT: "agent identity",
        NAME: found.get("displayName"),
        TAG: tag_of(mark) if mark else None,
        SPONSORS: _users(sponsors),
        OWNERS: _users(owners),
        **observed_attributes(found, attribute_set),
        **(more or {}),
    }
    return Observed(str(found["id"]), mark, str(found.get("displayName") or ""), attributes)


def _users(references: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(
        fold(str(one["userPrincipalName"]))
        for one in references
        if one.get("@odata.type", USER) == USER and one.get("userPrincipalName")
    )


def tags_after(found: Iterable[Any], inherited: Iterable[Any], agent_id: str) -> list[str]:
    """The tags to write: what others put there stays, what comes from the blueprint is not copied down."""
    from_blueprint = set(inherited)
    kept = [tag for tag in found if isinstance(tag, str) and tag not in from_blueprint]
    own = [tag for tag in kept if not tag.startswith(PREFIX)]
    return [*own, tag_of(agent_id)]
