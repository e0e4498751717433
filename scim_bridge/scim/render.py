"""Answers as bytes: stored documents with what depends on the caller spliced in (externalId, groups, meta).

No document is parsed or written anew here: a page of a hundred resources is a hundred joins of bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from scim_bridge.kernel.clock import iso
from scim_bridge.registry.applications import Link
from scim_bridge.registry.memberships import Membership

TYPE = {
    "Users": "User",
    "Groups": "Group",
    "Agents": "Agent",
    "AgenticApplications": "AgenticApplication",
    "Roles": "Role",
    "Entitlements": "Entitlement",
}
MEMBER_TYPE = {"agent": "User", "person": "User", "group": "Group"}
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
# A quote inside a JSON string is escaped, so these bytes are always the beginning of a reference of ours.
RELATIVE = b'"$ref":"../'


class Head(NamedTuple):
    """What is kept of a resource, with what the caller calls it: everything but groups or members."""

    id: str
    version: int
    created: int
    modified: int
    rendered: bytes
    external_id: str | None


class Places(NamedTuple):
    """The parts of answers that depend only on where the server is and on the collection."""

    reference: bytes
    meta: str
    location: str


@lru_cache(maxsize=64)
def _places(base_url: str, endpoint: str) -> Places:
    quoted = orjson.dumps(base_url).decode()[1:-1]
    return Places(
        b'"$ref":"' + quoted.encode() + b"/",
        f',"meta":{{"resourceType":"{TYPE[endpoint]}","created":"',
        f'","location":"{quoted}/{endpoint}/',
    )


def document(head: Head, base_url: str, endpoint: str, groups: bytes = b"") -> bytes:
    """A stored document with externalId, `groups` (a member of the object, with its comma) and meta at its end."""
    places = _places(base_url, endpoint)
    resource_id, version, created, modified, rendered, external_id = head
    meta = (
        f'{places.meta}{iso(created)}","lastModified":"{iso(modified)}{places.location}{resource_id}'
        f'","version":"W/\\"{version}\\""}}}}'
    ).encode()
    stored = rendered[:-1].replace(RELATIVE, places.reference)
    if external_id is not None:
        return b"".join((stored, b',"externalId":', orjson.dumps(external_id), groups, meta))
    return b"".join((stored, groups, meta))


def user(head: Head, base_url: str, groups: Iterable[Membership], more: bytes = b"") -> bytes:
    """One user as served, a member of these groups; `more` are members of the object, each behind a comma."""
    shown = [_group(base_url, group.id, group.name, group.direct) for group in groups]
    if shown:
        more = b',"groups":[' + b",".join(shown) + b"]" + more
    return document(head, base_url, "Users", more)


# Many users of a page are in the same few groups.
@lru_cache(maxsize=4096)
def _group(base_url: str, group_id: str, name: str, direct: bool) -> bytes:
    return orjson.dumps(
        {
            "value": group_id,
            "$ref": f"{base_url}/Groups/{group_id}",
            "display": name,
            "type": "direct" if direct else "indirect",
        }
    )


def group(head: Head, base_url: str, members: bytes = b"") -> bytes:
    """One group as served, with these members (objects joined by commas)."""
    return document(head, base_url, "Groups", b',"members":[' + members + b"]" if members else b"")


def application(head: Head, base_url: str, agents: Sequence[Link]) -> bytes:
    """One application as served, with these agents."""
    shown = orjson.dumps([linked(base_url, "Agents", one) for one in agents]) if agents else b""
    return document(head, base_url, "AgenticApplications", b',"agents":' + shown if shown else b"")


def linked(base_url: str, endpoint: str, link: Link) -> dict[str, str]:
    """One end of a link between an agent and an application, as the other shows it."""
    item = {"value": link.id, "$ref": f"{base_url}/{endpoint}/{link.id}", "display": link.name}
    return {**item, "type": link.type} if link.type else item


def member(base_url: str, member_id: str, kind: str, name: str) -> dict[str, Any]:
    """One member as served; a reference to somebody unknown has neither $ref nor type."""
    item: dict[str, Any] = {"value": member_id}
    if kind in MEMBER_TYPE:
        item["$ref"] = f"{base_url}/{MEMBER_TYPE[kind]}s/{member_id}"
        item["type"] = MEMBER_TYPE[kind]
    if name:
        item["display"] = name
    return item


def listed(answers: Sequence[bytes], total: int | None, **paging: str | int | None) -> bytes:
    """A ListResponse (RFC 7644 section 3.4.2, RFC 9865 section 2) around rendered resources.

    `paging`: startIndex, or the cursors; what is None is left out, as is a total nobody counted.
    """
    return b"".join((list_head(len(answers), total, **paging), b",".join(answers), b"]}"))


def list_head(length: int, total: int | None, **paging: str | int | None) -> bytes:
    """The beginning of a ListResponse of so many resources, up to the first of them."""
    head: dict[str, object] = {"schemas": [LIST_RESPONSE]}
    if total is not None:
        head["totalResults"] = total
    head["itemsPerPage"] = length
    head |= {name: value for name, value in paging.items() if value is not None}
    return orjson.dumps(head)[:-1] + b',"Resources":['
