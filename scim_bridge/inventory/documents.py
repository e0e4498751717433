"""Manifest entries as SCIM documents, over what the registry holds already.

Only what an entry speaks of is written; attributes an IdP sent stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, PersonEntry
from scim_bridge.kernel.clock import iso
from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, GROUP_EXTENSION_URN, Doc

# Both vendors demand a family name of every user; an agent has none of its own.
FAMILY_NAME = "Agent"


def person_document(entry: PersonEntry, manager_id: str | None, base: Mapping[str, Any] | None = None) -> Doc:
    """A person's SCIM User document; `base` is the document to change, if there is one."""
    doc: Doc = dict(base or {})
    doc["userName"] = entry.user_name
    before = doc.get("name") or {}
    doc["name"] = {**before, "givenName": entry.given_name, "familyName": entry.family_name}
    joined = f"{before.get('givenName')} {before.get('familyName')}"
    if base is None:
        shown = entry.shown_name
    elif entry.display_name == doc.get("displayName") == joined:
        # A display name that was made of the two names follows them.
        shown = f"{entry.given_name} {entry.family_name}"
    else:
        shown = entry.display_name
    _put(doc, "displayName", shown)
    _put(doc, "title", entry.title)
    _put(doc, "timezone", entry.timezone)
    doc["emails"] = _emails(doc.get("emails"), entry.email)
    enterprise = dict(doc.get(ENTERPRISE_URN) or {})
    _put(enterprise, "department", entry.department)
    _put(enterprise, "manager", {"value": manager_id} if manager_id else None)
    _put(doc, ENTERPRISE_URN, enterprise)
    return doc


def group_document(entry: GroupEntry, owner_id: str | None, base: Mapping[str, Any] | None = None) -> Doc:
    """A group's document without members: RFC 7643 knows no description or owner, our extension does."""
    doc: Doc = dict(base or {})
    doc["displayName"] = entry.name
    extension = dict(doc.get(GROUP_EXTENSION_URN) or {})
    _put(extension, "description", entry.description)
    _put(extension, "owner", {"value": owner_id} if owner_id else None)
    _put(extension, "kind", entry.kind)
    _put(doc, GROUP_EXTENSION_URN, extension)
    return doc


def agent_document(
    entry: AgentEntry,
    owner_id: str,
    co_owner_ids: Sequence[str],
    sponsor_ids: Sequence[str],
    base: Mapping[str, Any] | None = None,
) -> Doc:
    """An agent's SCIM User document with our agent extension; owners are ids of people."""
    doc: Doc = dict(base or {})
    if doc.get("displayName") != entry.name or "name" not in doc:
        doc["displayName"] = entry.name
        doc["name"] = {**(doc.get("name") or {}), "givenName": entry.name, "familyName": FAMILY_NAME}
    emails = doc.get("emails") or []
    if not emails or (len(emails) == 1 and emails[0].get("value") == doc.get("userName")):
        doc["emails"] = [{"value": entry.user_name, "type": "work", "primary": True}]
    doc["userName"] = entry.user_name
    extension = dict(doc.get(AGENT_URN) or {})
    for key, value in (
        ("purpose", entry.purpose),
        ("platform", entry.platform),
        ("model", entry.model),
        ("version", entry.version),
        ("environment", entry.environment),
        ("riskTier", entry.risk_tier),
        ("tools", list(entry.tools)),
        ("resources", list(entry.resources)),
        ("workloadId", entry.workload_id),
        ("expiresAt", None if entry.expires is None else iso(entry.expires)),
        ("owner", {"value": owner_id}),
        ("coOwners", [{"value": person} for person in co_owner_ids]),
        ("sponsors", [{"value": person} for person in sponsor_ids]),
    ):
        _put(extension, key, value)
    doc[AGENT_URN] = extension
    return doc


def _put(into: Doc, key: str, value: Any) -> None:
    """Set a value, or take the key away when the value is empty (RFC 7643 section 2.5)."""
    if value:
        into[key] = value
    else:
        into.pop(key, None)


def _emails(current: Any, address: str) -> list[dict[str, Any]]:
    """The e-mail list with `address` as the primary one; other addresses stay."""
    others = [dict(mail) for mail in current or () if isinstance(mail, dict) and mail.get("value")]
    primary = next((mail for mail in others if mail.get("primary")), others[0] if others else None)
    if primary is None:
        return [{"value": address, "type": "work", "primary": True}]
    primary["value"] = address
    return others
