"""What Okta asks of every user and some people lack: names and an address. It is shown to Okta, and never kept.

Okta refuses an import in which one user has no given name, family name or address, so a person whom another
connection created with nothing but a userName would stop it for everybody. Agents have theirs in the store.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from scim_bridge.registry.agent_creation import slug_of

Doc = dict[str, Any]

# Nobody is called that: so it is known again when it comes back.
FAMILY_NAME: Final = "-"

# Quotation marks inside a string are escaped, so these bytes can only be keys.
_THERE: Final = (b'"givenName":', b'"familyName":', b'"emails":[{')


def filler(doc: Doc, mail_domain: str) -> Doc:
    """What a person's document lacks, made up from its names: parts of `name`, `emails`; empty when nothing."""
    made: Doc = {}
    name = doc.get("name") or {}
    user_name = str(doc["userName"])
    label = str(name.get("formatted") or doc.get("displayName") or user_name.partition("@")[0] or user_name)
    parts = {"givenName": label, "familyName": FAMILY_NAME}
    missing = {part: text for part, text in parts.items() if not name.get(part)}
    if missing:
        made["name"] = missing
    if not any(email.get("value") for email in doc.get("emails") or ()):
        address = user_name if "@" in user_name else f"{slug_of(user_name)}@{mail_domain}"
        made["emails"] = [{"value": address, "type": "work", "primary": True}]
    return made


def filled(document: bytes, mail_domain: str | None) -> bytes:
    """A person's rendered document with what it lacks; as it is where nobody asks for that (None)."""
    if mail_domain is None or all(key in document for key in _THERE):
        return document
    doc = orjson.loads(document)
    made = filler(doc, mail_domain)
    if "name" in made:
        made["name"] = {**(doc.get("name") or {}), **made["name"]}
    return orjson.dumps({**doc, **made}) if made else document


def unfilled(doc: Doc, before: Doc, mail_domain: str | None) -> Doc:
    """A document without what was made up, as a client that was shown it sends it back.

    A userName as an address, or as a given name before a real family name, cannot be told from the client's own
    word when it is sent, and is taken for that.
    """
    shown = filler(before, mail_domain) if mail_domain is not None else {}
    made = dict(doc)
    if "emails" in shown and "@" not in str(before["userName"]) and doc.get("emails") == shown["emails"]:
        del made["emails"]
    name, names = doc.get("name") or {}, shown.get("name") or {}
    if names.get("familyName") == FAMILY_NAME == name.get("familyName"):
        made["name"] = {part: text for part, text in name.items() if text != names.get(part)}
        if not made["name"]:
            del made["name"]
    return made
