"""Audit rows as OCSF 1.8 events: which class and activity each action is. Data, and one pure function.

Class and field names are those of schema.ocsf.io 1.8.0. An agent has no object of its own before 1.9:
it is a managed entity of another type (99) that says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from scim_bridge import __version__

VERSION = "1.8.0"
OTHER = 99
IAM = 3
ACCOUNT, AUTHENTICATION, SESSION, ENTITY, GROUP = 3001, 3002, 3003, 3004, 3006
CLASSES = {
    ACCOUNT: "Account Change",
    AUTHENTICATION: "Authentication",
    SESSION: "Authorize Session",
    ENTITY: "Entity Management",
    GROUP: "Group Management",
}
ACTIVITIES: Mapping[int, Mapping[int, str]] = {
    ACCOUNT: {1: "Create", 2: "Enable", 5: "Disable", 6: "Delete", 9: "Lock", 12: "Unlock"},
    AUTHENTICATION: {1: "Logon", 2: "Logoff"},
    SESSION: {1: "Assign Privileges", 2: "Assign Groups"},
    ENTITY: {
        1: "Create",
        2: "Read",
        3: "Update",
        4: "Delete",
        8: "Enable",
        9: "Disable",
        12: "Suspend",
        13: "Resume",
    },
    GROUP: {3: "Add User", 4: "Remove User", 5: "Delete", 6: "Create"},
}
# What an action is. The others follow from what they are about and how their verb ends.
KNOWN: Mapping[str, tuple[int, int]] = {
    "agent.held": (ENTITY, 12),
    "agent.hold_restated": (ENTITY, 3),
    "agent.hold_released": (ENTITY, 13),
    "agent.throttled": (ENTITY, 3),
    "agent.throttle_released": (ENTITY, 3),
    "agent.throttle_ended": (ENTITY, 3),
    "person.created": (ACCOUNT, 1),
    "person.deleted": (ACCOUNT, 6),
    "person.updated": (ACCOUNT, OTHER),
    "group.created": (GROUP, 6),
    "group.updated": (GROUP, OTHER),
    "group.deleted": (GROUP, 5),
    "group.members_added": (GROUP, 3),
    "group.members_removed": (GROUP, 4),
    "oauth.token_issued": (SESSION, 1),
    "oauth.token_refused": (SESSION, 1),
    "console.signed_in": (AUTHENTICATION, 1),
    "console.break_glass": (AUTHENTICATION, 1),
    "console.signed_out": (AUTHENTICATION, 2),
}
MADE = ("created", "registered", "opened", "added", "requested", "begun", "planned")
ENDED = ("deleted", "removed", "revoked", "dropped", "retired", "forgotten")
LOUD = {
    "agent.held": 3,
    "departure.brake_on": 4,
    "effect.dead": 4,
    "departure.late": 3,
    "departure.unowned": 3,
}
SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
# What acts, as OCSF knows users: 1 a person, 2 an admin, 3 the system, 4 a service.
ACTORS = {"person": 1, "admin": 2, "cli": 2, "worker": 3, "connection": 4, "gateway": 4, "agent": 4}
ACTOR_TYPES = {0: "Unknown", 1: "User", 2: "Admin", 3: "System", 4: "Service"}
ENTITIES = {"agent": "AI Agent", "person": "User", "group": "Group"}


def activity(action: str) -> tuple[int, int]:
    """(class_uid, activity_id) of an action."""
    known = KNOWN.get(action)
    if known is not None:
        return known
    verb = action.rpartition(".")[2]
    if verb.endswith(MADE):
        return ENTITY, 1
    return (ENTITY, 4) if verb.endswith(ENDED) else (ENTITY, 3)


def severity(action: str, outcome: str) -> int:
    """severity_id: 1 informational to 4 high."""
    return LOUD.get(action, {"success": 1, "failed": 2}.get(outcome, 3))


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    """A sealed audit row as an OCSF event."""
    action, detail = row["action"], _detail(row["detail"])
    class_uid, activity_id = activity(action)
    level = severity(action, row["outcome"])
    worked = row["outcome"] == "success"
    made: dict[str, Any] = {
        "activity_id": activity_id,
        "activity_name": ACTIVITIES[class_uid].get(activity_id, action),
        "category_uid": IAM,
        "category_name": "Identity & Access Management",
        "class_uid": class_uid,
        "class_name": CLASSES[class_uid],
        "type_uid": class_uid * 100 + activity_id,
        "time": row["at"] // 1000,
        "severity_id": level,
        "severity": SEVERITIES[level],
        "status_id": 1 if worked else 2,
        "status": "Success" if worked else "Failure",
        "message": f"{action} {row['subject_kind']} {row['subject_id'] or ''}".strip(),
        "metadata": _metadata(row),
        "actor": {"user": _actor(row)},
        "unmapped": {
            "detail": detail,
            "outcome": row["outcome"],
            "subject_kind": row["subject_kind"],
            "connection_id": row["connection_id"],
            "hash": row["hash"],
            "prev": row["prev"],
        },
    }
    if isinstance(detail.get("reason"), str):
        made["status_detail"] = detail["reason"]
    if row["address"]:
        made["src_endpoint"] = {"ip": row["address"]}
    return made | _about(class_uid, row, detail)


def line(row: Mapping[str, Any]) -> bytes:
    """The event as one line of JSON."""
    return orjson.dumps(event(row))


def _detail(text: str) -> dict[str, Any]:
    found = orjson.loads(text)
    return found if isinstance(found, dict) else {}


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    product = {"name": "scim-bridge", "vendor_name": "scim-bridge", "version": __version__}
    made = {
        "version": VERSION,
        "product": product,
        "log_name": "audit",
        "uid": row["id"],
        "sequence": row["seq"],
        "event_code": row["action"],
    }
    return {**made, "correlation_uid": row["request_id"]} if row["request_id"] else made


def _actor(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = ACTORS.get(row["actor_kind"], 0)
    return {"uid": row["actor_id"], "name": row["actor_name"], "type_id": kind, "type": ACTOR_TYPES[kind]}


def _about(class_uid: int, row: Mapping[str, Any], detail: Mapping[str, Any]) -> dict[str, Any]:
    """The object each class requires."""
    uid = row["subject_id"] or "unknown"
    if class_uid == ACCOUNT:
        return {"user": _named({"uid": uid, "type_id": 1, "type": "User"}, detail.get("userName"))}
    if class_uid == AUTHENTICATION:
        return {"user": _actor(row), "service": {"name": "scim-bridge console"}}
    if class_uid == SESSION:
        scopes = [str(scope) for scope in detail.get("scopes") or ()]
        return {"user": {"uid": uid, "type_id": 4, "type": "Service"}, "privileges": scopes}
    if class_uid == GROUP:
        return _group(uid, detail)
    kind = row["subject_kind"]
    named = ENTITIES.get(kind, kind)
    entity = {"uid": uid, "type_id": {"person": 2, "group": 3}.get(kind, OTHER), "type": named}
    return {"entity": _named(entity, detail.get("userName") or detail.get("label"))}


def _group(uid: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"group": _named({"uid": uid}, detail.get("displayName"))}
    members = detail.get("members")
    # 1.8 has room for one user; all of them are in unmapped.detail.
    if isinstance(members, list) and len(members) == 1:
        made["user"] = {"uid": str(members[0])}
    return made


def _named(made: dict[str, Any], name: object) -> dict[str, Any]:
    return {**made, "name": name} if isinstance(name, str) and name else made
