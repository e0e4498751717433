"""The inventory as people read it: each credential with its age, policy and next rotation; rotations; strangers."""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.credentials.policies import Policies, policies
from scim_bridge.credentials.policy import next_rotation
from scim_bridge.credentials.rotation import FORWARD, OVERLAPPING, REVOKING, Rotation, rotation
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound

LIVE = ("active", "inactive", "revoking", "void")


async def listed(
    reader: Reader,
    now: int,
    *,
    agent: str | None = None,
    connection: str | None = None,
    state: str | None = None,
    strangers: bool = False,
    ends_by: int | None = None,
    after: str = "",
    limit: int = 1_000_000,
) -> list[dict[str, Any]]:
    """Credentials, the oldest first. Without `state` those that are alive or on their way out.

    `ends_by`: only those that are used and end by then. `after` is the id of the credential a page follows.
    """
    where, values = ["1 = 1"], list[Any]()
    if agent is not None:
        where.append("a.slug = ?")
        values.append(agent)
    if connection is not None:
        where.append("c.system = ?")
        values.append(connection)
    if state is not None:
        where.append("c.state = ?")
        values.append(state)
    else:
        where.append(f"c.state IN {LIVE}")
    if strangers:
        where.append("c.stranger IS NOT NULL")
    if ends_by is not None:
        where.append("c.state = 'active' AND c.expires <= ?")
        values.append(ends_by)
    if after:
        where.append("(c.created, c.id) > (SELECT created, id FROM sb_credential WHERE id = ?)")
        values.append(after)
    rows = await reader.all(
        "SELECT c.*, a.slug, k.name AS client, k.shared FROM sb_credential c LEFT JOIN sb_agent a ON a.id = c.agent_id"
        " LEFT JOIN sb_credential_client k ON k.connection_id = c.connection_id AND k.remote_id = c.client_id"
        f" WHERE {' AND '.join(where)} ORDER BY c.created, c.id LIMIT ?",
        *values,
        limit,
    )
    known = await policies(reader)
    return [_line(row, known, now) for row in rows]


def _line(row: Any, known: Policies, now: int) -> dict[str, Any]:
    owner = row["slug"] or (f"shared by {row['shared']}" if row["shared"] else "")
    due = _next(row, known)
    return {
        "id": row["id"],
        "agent": owner,
        "label": row["label"],
        "kind": row["kind"],
        "system": row["system"],
        "reference": row["reference"],
        "state": row["state"],
        "age_days": max(0, now - row["created"]) // DAY,
        "expires": row["expires"],
        "last_used": row["last_used"],
        "next_rotation": None if due is None else iso(due),
        "stranger": row["stranger"] or "",
    }


def _next(row: Any, known: Policies) -> int | None:
    if row["connection_id"] is None or row["state"] != "active" or row["kind"] == "federated":
        return None
    policy = known.of(row["system"], row["slug"] or "", row["client_id"])
    return next_rotation(policy, row["created"], row["expires"])


async def shown(reader: Reader, now: int, key: str) -> dict[str, Any]:
    """One credential or rotation with all that is known of it; NotFound otherwise."""
    row: Any = await reader.one(
        "SELECT c.*, a.slug, k.name AS client, k.shared FROM sb_credential c LEFT JOIN sb_agent a ON a.id = c.agent_id"
        " LEFT JOIN sb_credential_client k ON k.connection_id = c.connection_id AND k.remote_id = c.client_id"
        " WHERE c.id = ?",
        key,
    )
    if row is None:
        try:
            return told(await rotation(reader, key))
        except NotFound:
            raise NotFound(
                "credential-unknown",
                f"There is no credential or rotation {key!r}.",
                "See `scim-bridge credentials list` and `credentials rotations`.",
            ) from None
    known = await policies(reader)
    policy = known.of(row["system"], row["slug"] or "", row["client_id"] or "")
    rotations = await reader.all(
        "SELECT id, state FROM sb_rotation WHERE old_id = ? OR fresh_id = ? ORDER BY created", key, key
    )
    return {
        **_line(row, known, now),
        "client": row["client"],
        "client_id": row["client_id"],
        "created": row["created"],
        "seen": row["seen"],
        "revoked": row["revoked"],
        "public": orjson.loads(row["public"]) if row["public"] else {},
        "told_by": row["origin"] or "registration",
        "policy": f"{policy.max_age_days} days" if policy.max_age_days else "never by itself",
        "rotations": [f"{one['id']} {one['state']}" for one in rotations],
    }


async def rotations(
    reader: Reader, *, every: bool = False, limit: int = 100, before: tuple[int, str] | None = None
) -> list[dict[str, Any]]:
    """Rotations under way, or the latest of all with `every`; `before`: begun earlier than that instant and id."""
    tests = [
        *([] if every else ["finished IS NULL"]),
        *([] if before is None else ["(created, id) < (?, ?)"]),
    ]
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    rows = await reader.all(
        f"SELECT id, slug, client_name, kind, cause, state, created, step_at, note FROM sb_rotation{where}"
        " ORDER BY created DESC, id DESC LIMIT ?",
        *(before or ()),
        limit,
    )
    return [
        {
            "id": row["id"],
            "agent": row["slug"],
            "client": row["client_name"],
            "kind": row["kind"],
            "cause": row["cause"],
            "state": row["state"],
            "created": row["created"],
            "since": row["step_at"],
            "note": row["note"],
        }
        for row in rows
    ]


def told(of: Rotation) -> dict[str, Any]:
    """A rotation as people read it: how far, what is left, what happens next."""
    row, target = of.row, of.target
    return {
        "rotation": of.id,
        "agent": row["slug"],
        "client": row["client_name"],
        "kind": row["kind"],
        "cause": row["cause"],
        "reason": row["reason"],
        "state": of.state,
        "created": row["created"],
        "since": row["step_at"],
        "old": row["old_reference"],
        "new": row["fresh_reference"],
        "store": None if target is None else f"{target.name}: {dict(target.address)}",
        "version": row["version"],
        "confirm": of.policy.confirm,
        "confirmed_by": row["confirmed_by"],
        "next": _ahead(of),
        "note": row["note"],
    }


def _ahead(of: Rotation) -> str:
    if of.state == "confirming":
        end = iso(int(of.row["step_at"]) + of.policy.patience)
        return f"goes back at {end} unless it is confirmed ({of.policy.confirm})"
    if of.state == OVERLAPPING:
        return f"the old one is revoked at {iso(int(of.row['step_at']) + of.policy.overlap)}"
    if of.state in (*FORWARD, REVOKING):
        return "the worker does this step now"
    return {"stuck": "a person: credentials settle", "unmaking": "the new one is revoked"}.get(of.state, "")


async def bridge_issued(reader: Reader, now: int) -> list[dict[str, Any]]:
    """What the bridge itself gave out and still takes: bearer tokens, and secrets of its OAuth clients."""
    tokens = await reader.all(
        "SELECT t.id, t.label, t.created, t.expires, t.last_used, n.name FROM sb_token t LEFT JOIN sb_connection n"
        " ON n.id = t.connection_id WHERE t.client_id IS NULL AND t.revoked IS NULL"
        " AND (t.expires IS NULL OR t.expires > ?) ORDER BY t.created, t.id",
        now,
    )
    secrets = await reader.all(
        "SELECT s.id, s.client_id AS label, s.created, s.expires, s.last_used, n.name FROM sb_oauth_secret s"
        " JOIN sb_oauth_client c ON c.id = s.client_id LEFT JOIN sb_connection n ON n.id = c.connection_id"
        " WHERE s.revoked IS NULL AND s.expires > ? ORDER BY s.created, s.id",
        now,
    )
    kinds = [("bridge_token", row) for row in tokens] + [("bridge_client_secret", row) for row in secrets]
    return [
        {
            "id": row["id"],
            "agent": "",
            "label": row["label"],
            "kind": kind,
            "system": "scim-bridge",
            "reference": row["name"] or "",
            "state": "active",
            "age_days": max(0, now - row["created"]) // DAY,
            "expires": row["expires"],
            "last_used": row["last_used"],
            "next_rotation": None,
            "stranger": "",
        }
        for kind, row in kinds
    ]
