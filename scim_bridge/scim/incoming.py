"""A document as a client sent it: read, rewritten by the dialect, checked by schema, taken apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from unicodedata import category

from scim_bridge.kernel.clock import parse_iso
from scim_bridge.registry.agent_creation import slug_of
from scim_bridge.registry.model import (
    AGENT_URN,
    CUSTOM_AGENT_URN,
    CUSTOM_URNS,
    ENTERPRISE_URN,
    GROUP_EXTENSION_URN,
)
from scim_bridge.scim.agent_view import IDENTIFIER, as_user
from scim_bridge.scim.dialects import rewrite
from scim_bridge.scim.door import Call
from scim_bridge.scim.elements import replaced
from scim_bridge.scim.endpoints import AGENTS, GROUPS
from scim_bridge.scim.errors import invalid_value
from scim_bridge.scim.members import Member
from scim_bridge.scim.naming import refuse_two_names
from scim_bridge.scim.schema import ResourceType
from scim_bridge.scim.validate import clean

Doc = dict[str, Any]

# Keys of indexes: PostgreSQL takes no more than 2,700 bytes in an entry, and a character may need four.
MAX_KEY = 512
FAMILY_NAME = "Agent"
# Extensions of ours that an IdP which does not speak of them cannot have meant to clear.
KEPT = (*CUSTOM_URNS, GROUP_EXTENSION_URN)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a POST or PUT asks for.

    `doc` is the document in the form of its endpoint, without what is kept elsewhere. `active`, `external_id`
    and `members` are None when they were not said. `said` holds the casefolded names that stood in the body,
    null ones too; those inside an extension as `urn:name`.
    """

    doc: Doc
    active: bool | None
    external_id: str | None
    members: tuple[Member, ...] | None
    said: frozenset[str]
    agent: bool


def read(call: Call, raw: Doc) -> Incoming:
    """What a body asks for; ScimError when it is not what the schema says."""
    resource = call.resource
    refuse_two_names(raw, resource)
    doc = rewrite.document(call.dialect, raw, resource, call.applied)
    said = _said(raw)
    made = clean(doc, resource, call.tolerant)
    members = _members(made.pop("members", None), doc) if call.endpoint is GROUPS else None
    if call.endpoint is GROUPS and members is None and "members" in said:
        members = ()
    active, external_id = made.pop("active", None), made.pop("externalId", None)
    if call.endpoint is AGENTS and not any(made.get(name) for name in IDENTIFIER.values()):
        raise invalid_value("An agent needs agentUserName (or name).", "Send the name the agent is known by.")
    checked(made, external_id)
    named(made)
    agent = call.endpoint is AGENTS or call.caller.sends_agents(doc) or call.caller.sends_agents(made)
    fitting(call, made, agent)
    if resource.required_in:
        _complete(call, resource, made, said, agent)
    return Incoming(made, active, external_id, members, said, agent)


def fitting(call: Call, doc: Doc, agent: bool) -> None:
    """Take out of a document what only agents have; refused to strict clients."""
    if agent or CUSTOM_AGENT_URN not in doc:
        return
    if not call.tolerant:
        raise invalid_value(f"Only agents have {CUSTOM_AGENT_URN}.", "Leave it out.")
    del doc[CUSTOM_AGENT_URN]
    call.ignored.append(f"{CUSTOM_AGENT_URN}: only agents have it")


def _complete(call: Call, resource: ResourceType, doc: Doc, said: frozenset[str], agent: bool) -> None:
    """Refuse a document without the declared attributes that are required.

    A PUT that a tolerant reading takes to leave them as they are need not repeat them.
    """
    for urn, needed in resource.required_in.items():
        if urn == CUSTOM_AGENT_URN and not agent:
            continue
        if call.asked.method == "PUT" and call.tolerant and urn.casefold() not in said:
            continue
        missing = next((each for each in needed if each.name not in doc.get(urn, {})), None)
        if missing is not None:
            raise invalid_value(f"{urn}:{missing.name} is missing.", f"Every {resource.name} needs one.")


def as_stored(call: Call, incoming: Incoming, before: Doc | None = None) -> Incoming:
    """The same with its document in the registry's form; `before` is the document it replaces."""
    if call.endpoint is not AGENTS:
        return incoming
    return replace(incoming, doc=as_user(incoming.doc, before, keep_extension=call.tolerant))


def _said(raw: Doc) -> frozenset[str]:
    within = (
        f"{key}:{name}"
        for key, value in raw.items()
        if isinstance(value, dict)
        for name in value
        if ":" in key
    )
    return frozenset(name.casefold() for name in (*raw, *within))


def _members(items: Any, doc: Doc) -> tuple[Member, ...] | None:
    """The members in a cleaned document, each id once, with what the client called them; None without any."""
    if items is None:
        return None
    sent = next((value for key, value in doc.items() if key.casefold() == "members"), None)
    names = {
        item.get("value"): item.get("display")
        for item in (sent if isinstance(sent, list) else ())
        if isinstance(item, dict) and isinstance(item.get("display"), str)
    }
    found = {i["value"]: Member(i["value"], names.get(i["value"]), i.get("type")) for i in items}
    for value in found:
        short("members.value", value)
    return tuple(found.values())


def named(doc: Doc, before: Doc | None = None) -> None:
    """Refuse a new name that nobody could find or read again: blank, with blanks around it or control characters."""
    for attribute in ("userName", *IDENTIFIER.values()):
        name = doc.get(attribute)
        if not isinstance(name, str) or (before is not None and name == before.get(attribute)):
            continue
        if name != name.strip():
            raise invalid_value(f"{attribute} is blank or has blanks around it.", "Send it without them.")
        if any(category(character) == "Cc" for character in name):
            raise invalid_value(f"{attribute} holds a control character.", "Send it without.")


def short(name: str, value: str) -> str:
    """The value when it is short enough to be looked up by; invalidValue otherwise."""
    if len(value) > MAX_KEY:
        raise invalid_value(f"{name} is longer than {MAX_KEY} characters.", "Send a shorter one.")
    return value


def checked(doc: Doc, external_id: str | None) -> None:
    """Refuse what the schema allows and we cannot keep: overlong keys, instants without a meaning."""
    for name in ("userName", "displayName", *IDENTIFIER.values()):
        if isinstance(doc.get(name), str):
            short(name, doc[name])
    if external_id is not None:
        short("externalId", external_id)
    for email in doc.get("emails") or ():
        if isinstance(email.get("value"), str):
            short("emails.value", email["value"])
    expires = (doc.get(AGENT_URN) or {}).get("expiresAt")
    if expires is not None:
        try:
            parse_iso(expires)
        except (ValueError, OverflowError) as error:
            raise invalid_value(
                f"expiresAt {str(expires)[:40]!r} is not an instant with a zone.",
                "Write for example 2027-01-31T00:00:00Z.",
            ) from error


def completed(doc: Doc, mail_domain: str) -> Doc:
    """An agent's document with what IdPs ask of every user: given and family name, and an address."""
    made = dict(doc)
    name = dict(made.get("name") or {})
    label = str(made.get("displayName") or made["userName"])
    name.setdefault("givenName", label)
    name.setdefault("familyName", FAMILY_NAME)
    made["name"] = name
    made.setdefault("displayName", label)
    if not any(email.get("value") for email in made.get("emails") or ()):
        user_name = str(made["userName"])
        address = user_name if "@" in user_name else f"{slug_of(user_name)}@{mail_domain}"
        made["emails"] = [{"value": address, "type": "work", "primary": True}]
    return made


def kept_custom(call: Call, incoming: Incoming, before: Doc) -> Doc:
    """A document replacing another, with extensions of ours that a tolerant client did not speak of at all."""
    left = {
        urn: before[urn]
        for urn in KEPT
        if urn in before and urn not in incoming.doc and urn.casefold() not in incoming.said
    }
    return {**incoming.doc, **left} if left and call.tolerant else incoming.doc


def carried_over(incoming: Incoming, doc: Doc, before: Doc) -> Doc:
    """A document replacing an agent's, with what an IdP that does not know it cannot have meant to clear.

    A body without our extension leaves it as it is, and one that names no manager leaves the owner alone.
    Sending them as null clears them.
    """
    made = dict(doc)
    if AGENT_URN.casefold() not in incoming.said and AGENT_URN not in made and AGENT_URN in before:
        made[AGENT_URN] = before[AGENT_URN]
    manager = (before.get(ENTERPRISE_URN) or {}).get("manager")
    if manager is not None and not {"manager", f"{ENTERPRISE_URN}:manager".casefold()} & incoming.said:
        made[ENTERPRISE_URN] = {**(made.get(ENTERPRISE_URN) or {}), "manager": manager}
    return made


def in_order(new: Any, old: Any) -> Any:
    """A document with its lists in the order they had where nothing else differs (RFC 7643 section 2.4)."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {name: in_order(value, old.get(name)) for name, value in new.items()}
    return replaced(old, new) if isinstance(new, list) and isinstance(old, list) else new
