"""The keys of a manifest, one table for each kind of entry, and the values they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.inventory import forms
from scim_bridge.inventory.manifest import (
    CREDENTIAL_KINDS,
    GROUP_KINDS,
    AgentEntry,
    CredentialEntry,
    GroupEntry,
    Manifest,
    MemberEntry,
    PersonEntry,
    default_user_name,
)
from scim_bridge.inventory.shape import (
    Field,
    Reading,
    checked,
    choice,
    line,
    lines,
    moment,
    prose,
    references,
    truth,
)
from scim_bridge.inventory.source import Mapping as Object
from scim_bridge.inventory.source import Node, kind_of
from scim_bridge.registry.fact_forms import workload_fault
from scim_bridge.registry.model import ENVIRONMENTS, RISK_TIERS

_SLUG = checked(forms.slug_fault, "Write for example 'support-triage'.")
_USER_NAME = checked(forms.user_name_fault, "Write for example 'ann.lee@corp.example'.")
_EMAIL = checked(forms.email_fault, "Write for example 'ann.lee@corp.example'.")
_TIMEZONE = checked(forms.timezone_fault, "Write for example 'Europe/Lisbon'.")
_WORKLOAD = checked(workload_fault, "Write for example 'spiffe://corp.example/agents/support-triage'.")
# A URL may carry a key in its query, so it is not repeated in a message.
_URL = checked(forms.url_fault, "Write an https URL.", shows_value=False)


def _reference(reading: Reading, node: Node, where: str) -> str | None:
    text = line(reading, node, where)
    if text is not None and forms.looks_secret(text):
        fix = "Revoke it, and write the path or id under which its successor is kept."
        reading.say(node, where, "This looks like the secret itself.", fix)
        return None
    return text


def _kind(reading: Reading, node: Node, where: str) -> str | None:
    text = line(reading, node, where)
    if text is None or text in CREDENTIAL_KINDS:
        return text
    # Not repeated in the message: in a row that slipped, this may be the secret.
    reading.say(node, where, "This is not a kind of credential.", f"One of: {', '.join(CREDENTIAL_KINDS)}.")
    return None


CREDENTIAL = (
    Field("label", "label", line, required=True),
    Field("system", "system", line, required=True),
    Field("kind", "kind", _kind, required=True),
    Field("reference", "reference", _reference, required=True),
    Field("expires", "expires", moment),
)


def _credentials(reading: Reading, node: Node, where: str) -> tuple[CredentialEntry, ...]:
    made: list[CredentialEntry] = []
    for item, path in reading.items(node, where):
        values: dict[str, Any] = reading.attributes(item, path, CREDENTIAL)
        values.pop("given")
        entry = CredentialEntry(**{"label": "", "system": "", "kind": "", "reference": "", **values})
        if entry.label and any(entry.label == other.label for other in made):
            message = "Two credentials of this agent have the same label."
            reading.say(item, f"{path}.label", message, "Give each its own label.")
        made.append(entry)
    return tuple(made)


_RUNTIME = (Field("url", "url", _URL, required=True),)


def _runtime(reading: Reading, node: Node, where: str) -> str | None:
    # An empty object, as CSV gives for an empty cell, takes the hook away.
    if isinstance(node, Object) and not node.items:
        return ""
    url = reading.attributes(node, where, _RUNTIME).get("url")
    return url if isinstance(url, str) else None


PERSON = (
    Field("userName", "user_name", _USER_NAME, required=True, marked=True),
    Field("givenName", "given_name", line, required=True),
    Field("familyName", "family_name", line, required=True),
    Field("displayName", "display_name", line),
    Field("email", "email", _EMAIL, required=True, marked=True),
    Field("department", "department", line, required=True),
    Field("title", "title", line),
    Field("manager", "manager", line, marked=True),
    Field("active", "active", truth),
    Field("timezone", "timezone", _TIMEZONE),
)
GROUP = (
    Field("name", "name", line, required=True, marked=True),
    Field("description", "description", prose),
    Field("members", "members", references),
    Field("owner", "owner", line, marked=True),
    Field("kind", "kind", choice(*GROUP_KINDS)),
)
AGENT = (
    Field("slug", "slug", _SLUG, required=True, marked=True),
    Field("name", "name", line, required=True),
    Field("purpose", "purpose", prose, required=True),
    Field("platform", "platform", line, required=True),
    Field("model", "model", line),
    Field("version", "version", line),
    Field("environment", "environment", choice(*ENVIRONMENTS), required=True),
    Field("riskTier", "risk_tier", choice(*RISK_TIERS), required=True),
    Field("owner", "owner", line, required=True, marked=True),
    Field("coOwners", "co_owners", references),
    Field("sponsors", "sponsors", references),
    Field("groups", "groups", references),
    Field("tools", "tools", lines),
    Field("resources", "resources", lines),
    Field("credentials", "credentials", _credentials),
    Field("workloadId", "workload_id", _WORKLOAD, marked=True),
    Field("expires", "expires", moment),
    Field("runtime", "runtime_url", _runtime),
    Field("userName", "user_name", _USER_NAME, marked=True),
)
MEMBER = (
    Field("group", "group", line, required=True, marked=True),
    Field("agent", "agent", line, required=True, marked=True),
)
# The manifest's word for each attribute, so that a diff speaks as the file does.
KEYS = {field.attribute: field.key for field in (*PERSON, *GROUP, *AGENT)}


def _blank(table: tuple[Field, ...]) -> dict[str, Any]:
    return {field.attribute: "" for field in table if field.required}


_NO_PERSON, _NO_GROUP, _NO_AGENT, _NO_MEMBER = (_blank(table) for table in (PERSON, GROUP, AGENT, MEMBER))


def person_of(values: Mapping[str, Any]) -> PersonEntry:
    """A person of the attributes that could be read, by their names here."""
    return PersonEntry(**{**_NO_PERSON, **values})


def group_of(values: Mapping[str, Any]) -> GroupEntry:
    """A group of the attributes that could be read."""
    return GroupEntry(**{**_NO_GROUP, **values})


def agent_of(values: Mapping[str, Any]) -> AgentEntry:
    """An agent of the attributes that could be read; a slug makes the userName that is not given."""
    made = {**_NO_AGENT, **values}
    if made["slug"] and not made.get("user_name"):
        made["user_name"] = default_user_name(made["slug"])
    return AgentEntry(**made)


def member_of(values: Mapping[str, Any]) -> MemberEntry:
    """A membership of the attributes that could be read."""
    return MemberEntry(**{**_NO_MEMBER, **values})


def _people(reading: Reading, node: Node, where: str) -> tuple[PersonEntry, ...]:
    found = (reading.attributes(item, path, PERSON) for item, path in reading.items(node, where))
    return tuple(map(person_of, found))


def _groups(reading: Reading, node: Node, where: str) -> tuple[GroupEntry, ...]:
    found = (reading.attributes(item, path, GROUP) for item, path in reading.items(node, where))
    return tuple(map(group_of, found))


def _agents(reading: Reading, node: Node, where: str) -> tuple[AgentEntry, ...]:
    found = (reading.attributes(item, path, AGENT) for item, path in reading.items(node, where))
    return tuple(map(agent_of, found))


MANIFEST = (
    Field("people", "people", _people),
    Field("groups", "groups", _groups),
    Field("agents", "agents", _agents),
)


def manifest_of(reading: Reading, root: Node) -> Manifest:
    """The manifest a tree holds; entries with problems are there too, with what could be read."""
    if kind_of(root) == "a list":
        fix = "Put the list under a key: 'agents:' (and 'people:', 'groups:')."
        reading.say(root, "", "The file is a list.", fix)
        return Manifest(sections=frozenset())
    values: dict[str, Any] = reading.attributes(root, "", MANIFEST)
    sections = values.pop("given")
    return Manifest(**values, sections=sections, positions=reading.positions)
