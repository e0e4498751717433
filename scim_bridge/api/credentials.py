"""Credentials of agents: the inventory, rotations, revocation. A value is in none of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import (
    AT,
    FREE,
    INTEGER,
    TEXT,
    TRUTH,
    Schema,
    closed,
    many,
    maybe,
    page_of,
    ref,
    text,
)
from scim_bridge.credentials.begin import rotate_credential
from scim_bridge.credentials.policy import SIGNALS
from scim_bridge.credentials.rotation import DEMAND, rotation
from scim_bridge.credentials.view import listed, rotations, shown, told
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import revoke_one

TAG = "Credentials"
_LINE: Mapping[str, Schema] = {
    "id": TEXT,
    "agent": TEXT,
    "label": TEXT,
    "kind": TEXT,
    "system": TEXT,
    "reference": TEXT,
    "state": TEXT,
    "age_days": INTEGER,
    "expires": maybe(AT),
    "last_used": maybe(AT),
    "next_rotation": maybe(AT),
    "stranger": TEXT,
}
SCHEMAS: Mapping[str, Schema] = {
    "CredentialLine": closed(_LINE),
    "Credential": closed(
        {
            **_LINE,
            "client": maybe(TEXT),
            "client_id": maybe(TEXT),
            "created": AT,
            "seen": maybe(AT),
            "revoked": maybe(AT),
            "public": FREE,
            "told_by": TEXT,
            "policy": TEXT,
            "rotations": many(TEXT),
        }
    ),
    "RotationLine": closed(
        {
            "id": TEXT,
            "agent": maybe(TEXT),
            "client": maybe(TEXT),
            "kind": maybe(TEXT),
            "cause": TEXT,
            "state": TEXT,
            "created": AT,
            "since": maybe(AT),
            "note": maybe(TEXT),
        }
    ),
    "Rotation": closed(
        {
            "rotation": TEXT,
            "agent": maybe(TEXT),
            "client": maybe(TEXT),
            "kind": maybe(TEXT),
            "cause": TEXT,
            "reason": maybe(TEXT),
            "state": TEXT,
            "created": AT,
            "since": maybe(AT),
            "old": maybe(TEXT),
            "new": maybe(TEXT),
            "store": maybe(TEXT),
            "version": maybe(TEXT),
            "confirm": maybe(TEXT),
            "confirmed_by": maybe(TEXT),
            "next": maybe(TEXT),
            "note": maybe(TEXT),
        }
    ),
}


def _dated(of: Mapping[str, Any], *names: str) -> dict[str, Any]:
    dated = {name: None if of[name] is None else iso(of[name]) for name in names}
    return {**of, **dated}


async def inventory(asked: Asked) -> Page:
    """GET /credentials."""
    query = asked.query
    rows = await listed(
        asked.reader,
        asked.now,
        agent=query.get("agent"),
        connection=query.get("system"),
        state=query.get("state"),
        strangers=bool(query.get("strangers", False)),
        after=str(asked.after[0]) if asked.after else "",
        limit=asked.reach,
    )
    kept, key = asked.cut(rows, lambda last: [last["id"]])
    return Page([_dated(row, "expires", "last_used") for row in kept], key)


async def show(asked: Asked) -> dict[str, Any]:
    """GET /credentials/{credential}."""
    found = await shown(asked.reader, asked.now, asked.path["credential"])
    if "rotation" in found:
        return _rotation(found)
    return _dated(found, "expires", "last_used", "created", "seen", "revoked")


def _rotation(found: Mapping[str, Any]) -> dict[str, Any]:
    version = found["version"]
    return {**_dated(found, "created", "since"), "version": None if version is None else str(version)}


async def under_way(asked: Asked) -> Page:
    """GET /rotations."""
    before = (int(asked.after[0]), str(asked.after[1])) if asked.after else None
    every = bool(asked.query.get("all", False))
    rows = await rotations(asked.reader, every=every, limit=asked.reach, before=before)
    kept, key = asked.cut(rows, lambda last: [last["created"], last["id"]])
    return Page([_dated(row, "created", "since") for row in kept], key)


async def rotate(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /credentials/{credential}/rotate."""
    cause, reason = asked.body.get("cause", DEMAND), asked.body["reason"]
    rotation_id = await rotate_credential(work, asked.path["credential"], cause, reason)
    return _rotation(told(await rotation(work.tx, rotation_id)))


async def revoke(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /credentials/{credential}/revoke."""
    return {"effect": await revoke_one(work, asked.path["credential"], asked.body["reason"])}


EVERY = Parameter("all", TRUTH, "those that ended, too")
OPERATIONS: tuple[Operation, ...] = (
    lists(
        *(TAG, "listCredentials", "/credentials", "Credentials, the oldest first", inventory),
        page_of("CredentialLine"),
        Parameter("agent", text(), "slug of an agent"),
        Parameter("system", text(), "who keeps it: a connection, or another system"),
        Parameter("state", text(), "only in this state; else those that are alive"),
        Parameter("strangers", TRUTH, "only those that nobody told of"),
    ),
    reads(
        *(TAG, "showCredential", "/credentials/{credential}", "One credential, or one rotation", show),
        {"anyOf": [ref("Credential"), ref("Rotation")]},
    ),
    changes(
        *(
            TAG,
            "rotateCredential",
            "POST",
            "/credentials/{credential}/rotate",
            "Begin to replace one",
            rotate,
        ),
        ref("Rotation"),
        closed({"reason": text("audited and shown"), "cause": text(choices=(DEMAND, *SIGNALS))}, ("reason",)),
        status=202,
        about="The worker goes on with it: see the rotation.",
    ),
    changes(
        *(TAG, "revokeCredential", "POST", "/credentials/{credential}/revoke"),
        "Revoke one; tried until the system that keeps it confirms it",
        revoke,
        ref("Accepted"),
        closed({"reason": text("audited and shown")}),
        status=202,
    ),
    lists(
        *(TAG, "listRotations", "/rotations", "Rotations under way", under_way),
        page_of("RotationLine"),
        EVERY,
    ),
)
