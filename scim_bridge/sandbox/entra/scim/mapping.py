"""The attribute mapping of the provisioning job: from a user of the tenant to SCIM, and what differs. Pure.

The default mapping of a non-gallery application, with the two changes admins of agents make: objectId, not
mailNickname, is the externalId, and employeeType goes to userType, which is how an agent says it is one.
Null and empty source values are never sent. Manager and members are references and go in a second pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.scim.dialect import ENTERPRISE, Change

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LEGACY_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
EXTERNAL_ID_SOURCES = ("objectId", "mailNickname")
WORK_MAIL = 'emails[type eq "work"].value'
_FILTERED = re.compile(r'(\w+)\[type eq "(\w+)"\]\.(\w+)')

Values = dict[str, Any]
"""SCIM paths with the values they shall have, in the order they are written."""


def desired(user: Mapping[str, Any], *, active: bool, external_id: str = "objectId") -> Values:
    """What the target shall say of a user."""
    phones = user.get("businessPhones") or []
    name = " ".join(part for part in (user.get("givenName"), user.get("surname")) if part)
    mapped = {
        "externalId": user["id"] if external_id == "objectId" else user.get("mailNickname"),
        "userName": user.get("userPrincipalName"),
        "active": active,
        "displayName": user.get("displayName"),
        WORK_MAIL: user.get("mail"),
        "name.formatted": name or user.get("displayName"),
        "name.familyName": user.get("surname"),
        "name.givenName": user.get("givenName"),
        'phoneNumbers[type eq "mobile"].value': user.get("mobilePhone"),
        'phoneNumbers[type eq "work"].value': phones[0] if phones else None,
        "preferredLanguage": user.get("preferredLanguage"),
        "title": user.get("jobTitle"),
        "userType": user.get("employeeType"),
        f"{ENTERPRISE}:employeeNumber": user.get("employeeId"),
        f"{ENTERPRISE}:department": user.get("department"),
    }
    return {path: value for path, value in mapped.items() if value not in (None, "")}


def create_user(values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a create, members in the order the service writes them."""
    name = {
        part: values[f"name.{part}"]
        for part in ("formatted", "familyName", "givenName")
        if f"name.{part}" in values
    }
    mails = [{"primary": True, "type": "work", "value": values[WORK_MAIL]}] if WORK_MAIL in values else None
    phones = [
        {"primary": kind == "work", "type": kind, "value": values[path]}
        for kind in ("mobile", "work")
        if (path := f'phoneNumbers[type eq "{kind}"].value') in values
    ]
    extension = {
        part: values[f"{ENTERPRISE}:{part}"]
        for part in ("department", "employeeNumber")
        if f"{ENTERPRISE}:{part}" in values
    }
    body = {
        "schemas": [CORE, ENTERPRISE],
        "externalId": values.get("externalId"),
        "userName": values.get("userName"),
        "active": values["active"],
        "displayName": values.get("displayName"),
        "emails": mails,
        "meta": {"resourceType": "User"},
        "name": name or None,
        "phoneNumbers": phones or None,
        "preferredLanguage": values.get("preferredLanguage"),
        "roles": [],
        "title": values.get("title"),
        "userType": values.get("userType"),
        ENTERPRISE: extension or None,
    }
    return {key: value for key, value in body.items() if value is not None}


def create_group(group: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a group's create: never with members."""
    return {
        "schemas": [GROUP, LEGACY_GROUP],
        "externalId": group["id"],
        "displayName": group["displayName"],
        "meta": {"resourceType": "Group"},
    }


def changes(values: Mapping[str, Any], resource: Mapping[str, Any]) -> list[Change]:
    """What differs between the wanted values and a resource of the target; `active` comes first."""
    found = []
    for path, wanted in values.items():
        given = current(resource, path)
        if not _same(path, wanted, given):
            found.append(Change(path, wanted, given not in (None, "")))
    return sorted(found, key=lambda one: one.path != "active")


def current(resource: Mapping[str, Any], path: str) -> Any:
    """The value of a path in a resource; None when there is none."""
    if path.startswith(f"{ENTERPRISE}:"):
        extension = resource.get(ENTERPRISE)
        return extension.get(path.rsplit(":", 1)[1]) if isinstance(extension, Mapping) else None
    filtered = _FILTERED.fullmatch(path)
    if filtered is not None:
        elements = resource.get(filtered.group(1))
        for element in elements if isinstance(elements, list) else []:
            if isinstance(element, Mapping) and element.get("type") == filtered.group(2):
                return element.get(filtered.group(3))
        return None
    here: Any = resource
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _same(path: str, wanted: Any, given: Any) -> bool:
    if path == "active":
        return str(given).lower() == str(wanted).lower()
    return bool(wanted == given)
