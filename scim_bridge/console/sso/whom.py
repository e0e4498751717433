"""Whom proven claims mean here: one person, unambiguously, or nobody; and which roles that person has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.console.sso.provider import SignInRefused
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import PERSON, PersonRef, fold
from scim_bridge.registry.people_refs import people, people_named
from scim_bridge.registry.roles import OWNER
from scim_bridge.settings.sign_in import SignInSettings

LONGEST = 320
MOST_GROUPS = 2000
# Okta's subject is its user id, which it provisions as externalId; Entra's is oid.
BY_ID = ("oid", "sub")
BY_NAME = ("preferred_username", "upn")


async def person_meant(reader: Reader, claims: Mapping[str, Any]) -> PersonRef:
    """The one active person all names in the claims agree on; SignInRefused when they name none or several."""
    found: dict[str, PersonRef] = {}
    for claim in BY_ID:
        if value := _text(claims, claim):
            found |= await _external(reader, value)
    for claim in BY_NAME:
        if value := _text(claims, claim):
            found |= await _named(reader, value)
    # An address that nobody verified is whatever somebody typed into a profile.
    if claims.get("email_verified") is True and (value := _text(claims, "email")):
        found |= await people_named(reader, value)
    called = _text(claims, "preferred_username") or _text(claims, "email") or _text(claims, "sub")
    if not found:
        raise SignInRefused(
            "unknown",
            f"Nobody is known here as {called}.",
            "Provision this person first, or correct their userName.",
        )
    if len(found) > 1:
        raise SignInRefused(
            "ambiguous",
            f"What the IdP says of {called} fits several people here.",
            "Correct the userName, externalId or e-mail address of the wrong one.",
        )
    person = next(iter(found.values()))
    if not person.active:
        raise SignInRefused("left", f"{person.display_name} has left.", "Ask an admin if that is wrong.")
    return person


async def _external(reader: Reader, value: str) -> dict[str, PersonRef]:
    rows = await reader.all(
        "SELECT resource_id FROM sb_external WHERE space = 'user' AND external_id = ?"
        " AND connection_id IN (SELECT id FROM sb_connection)",
        value,
    )
    return await people(reader, [row["resource_id"] for row in rows])


async def _named(reader: Reader, value: str) -> dict[str, PersonRef]:
    row = await reader.one(
        "SELECT id FROM sb_resource WHERE space = 'user' AND key = ? AND kind = ? AND deleted IS NULL",
        fold(value),
        PERSON,
    )
    return {} if row is None else await people(reader, [row["id"]])


async def roles_of(
    reader: Reader, settings: SignInSettings, claims: Mapping[str, Any], person: PersonRef
) -> tuple[str, ...]:
    """A person's roles by their groups, and owner when they answer for an agent; SignInRefused for none."""
    groups = _groups(settings, claims)
    roles = {settings.roles[group] for group in groups if group in settings.roles}
    if settings.owners and await answers_for_any(reader, person.id):
        roles.add(OWNER)
    if not roles:
        raise SignInRefused(
            "no-role",
            f"{person.user_name} has no role here.",
            "Put them into a group that [sign_in.roles] names. The IdP sent"
            f" {len(groups)} groups in the claim {settings.groups_claim}.",
        )
    return tuple(sorted(roles))


async def answers_for_any(reader: Reader, person_id: str) -> bool:
    """True when somebody is owner, co-owner or sponsor of an agent that is there."""
    row = await reader.one(
        "SELECT 1 AS x FROM sb_owner o JOIN sb_resource r ON r.id = o.agent_id"
        " WHERE o.person_id = ? AND r.deleted IS NULL LIMIT 1",
        person_id,
    )
    return row is not None


def _groups(settings: SignInSettings, claims: Mapping[str, Any]) -> frozenset[str]:
    name = settings.groups_claim
    elsewhere = claims.get("_claim_names")
    if claims.get("hasgroups") or (isinstance(elsewhere, Mapping) and name in elsewhere):
        # Entra puts at most 200 groups into a token; beyond, it only says where to ask for them.
        raise SignInRefused(
            "overage",
            "Entra left your groups out of the token, because there are too many.",
            "In the token configuration choose 'Groups assigned to the application', or map app roles.",
        )
    said = claims.get(name, [])
    listed = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(group for group in listed[:MOST_GROUPS] if isinstance(group, str))


def _text(claims: Mapping[str, Any], name: str) -> str:
    said = claims.get(name)
    return said if isinstance(said, str) and 0 < len(said) <= LONGEST and said.isprintable() else ""
