"""What Okta writes into SCIM requests: paths, users, groups, PATCH operations (captured traffic, Okta's guides)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PAGE = 100

HEADERS = {
    "user-agent": "Okta SCIM Client 1.0.0",
    "accept": "application/scim+json",
    "accept-charset": "utf-8",
    "accept-encoding": "gzip,deflate",
}
CONTENT_TYPE = "application/scim+json; charset=utf-8"

# SCIM name: Okta profile property; sent only when it has a value.
_PLAIN = {
    "title": "title",
    "userType": "userType",
    "nickName": "nickName",
    "profileUrl": "profileUrl",
    "preferredLanguage": "preferredLanguage",
    "timezone": "timezone",
}
_ENTERPRISE = {
    "employeeNumber": "employeeNumber",
    "costCenter": "costCenter",
    "organization": "organization",
    "division": "division",
    "department": "department",
}


def lookup(resource: str, attribute: str, value: str) -> str:
    """The path of the one filter Okta sends: one clause, eq, with its paging."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    expression = quote(f'{attribute} eq "{escaped}"', safe="")
    return f"/{resource}?filter={expression}&startIndex=1&count={PAGE}"


def listing(resource: str, start: int, count: int = PAGE) -> str:
    """The path of one page of an import."""
    return f"/{resource}?startIndex={start}&count={count}"


def one(resource: str, scim_id: str) -> str:
    """The path of one resource."""
    return f"/{resource}/{quote(scim_id, safe='')}"


def mapped(profile: Mapping[str, Any]) -> Json:
    """The attributes an Okta profile is mapped to; a change of these is what Okta pushes."""
    first, last = profile.get("firstName") or "", profile.get("lastName") or ""
    sent: Json = {
        "userName": profile["login"],
        "name": {"givenName": first, "familyName": last},
        "emails": [{"primary": True, "value": profile["email"], "type": "work"}],
        "displayName": profile.get("displayName") or f"{first} {last}".strip(),
        "locale": str(profile.get("locale") or "en-US").replace("_", "-"),
    }
    if phone := profile.get("primaryPhone"):
        sent["phoneNumbers"] = [{"primary": True, "value": phone, "type": "work"}]
    sent |= {name: profile[source] for name, source in _PLAIN.items() if profile.get(source)}
    extension: Json = {name: profile[source] for name, source in _ENTERPRISE.items() if profile.get(source)}
    manager = {"value": profile.get("managerId"), "displayName": profile.get("manager")}
    if any(manager.values()):
        extension["manager"] = {name: value for name, value in manager.items() if value}
    if extension:
        sent[ENTERPRISE] = extension
    return sent


def placeholder() -> str:
    """The random password in every create, sent even when passwords are not synchronised."""
    return secrets.token_urlsafe(12)


def create(profile: Mapping[str, Any], okta_id: str, password: str) -> Json:
    """The body of POST /Users."""
    sent = mapped(profile)
    schemas = [USER, *([ENTERPRISE] if ENTERPRISE in sent else [])]
    return {
        "schemas": schemas,
        **sent,
        "externalId": okta_id,
        "groups": [],
        "password": password,
        "active": True,
    }


def update(current: Mapping[str, Any], profile: Mapping[str, Any], okta_id: str, *, active: bool) -> Json:
    """The body of PUT /Users/{id}: the profile laid over whatever the GET before it returned."""
    sent = mapped(profile)
    body = {**current, **sent, "externalId": okta_id, "active": active}
    for part in ("name", ENTERPRISE):
        if isinstance(current.get(part), Mapping) and part in sent:
            body[part] = {**current[part], **sent[part]}
    schemas = [item for item in current.get("schemas", []) if isinstance(item, str)] or [USER]
    if ENTERPRISE in body and ENTERPRISE not in schemas:
        schemas.append(ENTERPRISE)
    return {**body, "schemas": schemas}


def patch(*operations: Json) -> Json:
    """A PATCH body (RFC 7644 section 3.5.2); operations are in lower case."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def active(value: bool) -> Json:
    """(De)activation by PATCH: no path, the value is an object."""
    return patch({"op": "replace", "value": {"active": value}})


def new_group(name: str) -> Json:
    """The body of POST /Groups."""
    return {"schemas": [GROUP], "displayName": name, "members": []}


def whole_group(scim_id: str, name: str, members: Iterable[Mapping[str, Any]]) -> Json:
    """The body of PUT /Groups/{id}: everything, an empty list when there is nobody."""
    return {"schemas": [GROUP], "id": scim_id, "displayName": name, "members": [dict(m) for m in members]}


def rename(scim_id: str, name: str) -> Json:
    """The operation that renames; it goes with every change of members."""
    return {"op": "replace", "value": {"id": scim_id, "displayName": name}}


def remove_member(scim_id: str) -> Json:
    """The operation that takes one member out."""
    return {"op": "remove", "path": f'members[value eq "{scim_id}"]'}


def add_members(members: Sequence[Mapping[str, Any]]) -> Json:
    """The operation that adds members."""
    return {"op": "add", "path": "members", "value": [dict(member) for member in members]}


def replace_members(members: Sequence[Mapping[str, Any]]) -> Json:
    """The operation of "push now": overwrites all members, an empty list empties the group."""
    return {"op": "replace", "path": "members", "value": [dict(member) for member in members]}


def member(scim_id: str, login: str) -> Json:
    """A member as Okta sends it: value and display, never a type."""
    return {"value": scim_id, "display": login}
