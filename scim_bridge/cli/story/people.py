"""The cast: what the sandboxes' directories hold, taken from the same manifest the bridge imports."""

from __future__ import annotations

from typing import Any

from scim_bridge.inventory.manifest import Manifest

LEAVER = "priya.nair@harborpine.example"
HANDED_OVER = "support-triage"
ORPHANED = "refund-assistant"
SWITCHED = "code-review"
ATTESTED = "code-review"

OKTA_GROUPS = {
    "support-tools": ["support-triage", "refund-assistant", "order-status-voice"],
    "source-code": ["code-review", "dependency-updater"],
}
ENTRA_GROUPS = {
    "production-deploy": ["deploy-conductor"],
    "data-warehouse-read": ["metrics-analyst", "pipeline-medic", "demand-forecaster"],
}


def members(groups: dict[str, list[str]]) -> list[str]:
    """Every agent slug in the groups, once."""
    return sorted({slug for slugs in groups.values() for slug in slugs})


def user_names(manifest: Manifest, slugs: list[str]) -> list[str]:
    """The userNames of agents by slug."""
    known = {agent.slug: agent.user_name for agent in manifest.agents}
    return [known[slug] for slug in slugs]


def okta_directory(manifest: Manifest) -> dict[str, Any]:
    """People and groups of the Okta org."""
    people = [
        {
            "login": person.user_name,
            "email": person.email,
            "firstName": person.given_name,
            "lastName": person.family_name,
            **({"department": person.department} if person.department else {}),
            **({"title": person.title} if person.title else {}),
            **({"manager": person.manager} if person.manager else {}),
        }
        for person in manifest.people
    ]
    groups = [{"name": name, "members": user_names(manifest, slugs)} for name, slugs in OKTA_GROUPS.items()]
    return {"users": people, "groups": groups}


def entra_directory(manifest: Manifest) -> dict[str, Any]:
    """People, agent accounts (employeeType Agent) and groups of the Entra tenant."""
    people: list[dict[str, Any]] = [
        {
            "userPrincipalName": person.user_name,
            "mail": person.email,
            "givenName": person.given_name,
            "surname": person.family_name,
            "displayName": person.display_name or f"{person.given_name} {person.family_name}",
            **({"department": person.department} if person.department else {}),
            **({"jobTitle": person.title} if person.title else {}),
            **({"manager": person.manager} if person.manager else {}),
        }
        for person in manifest.people
    ]
    wanted = members(ENTRA_GROUPS)
    agents: list[dict[str, Any]] = [
        {
            "userPrincipalName": agent.user_name,
            "mail": agent.user_name,
            "givenName": agent.name.split(" ")[0],
            "surname": "Agent",
            "displayName": agent.name,
            "employeeType": "Agent",
        }
        for agent in manifest.agents
        if agent.slug in wanted
    ]
    groups = [
        {"displayName": name, "members": user_names(manifest, slugs)} for name, slugs in ENTRA_GROUPS.items()
    ]
    return {"users": people + agents, "groups": groups}
