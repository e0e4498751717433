"""What runs on the platform, and what a hook does to it. Pure: state in, state out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RUNNING = "running"
STOPPED = "stopped"
STOP = "agent.stop"
RESUME = "agent.resume"
OWNER_CHANGED = "agent.owner_changed"
REVOKE = "credential.revoke"
TYPES = (STOP, RESUME, OWNER_CHANGED, REVOKE)


def fresh(slug: str, at: str) -> dict[str, Any]:
    """An agent nobody said anything about: it runs."""
    return {"slug": slug, "state": RUNNING, "since": at, "reason": "", "owner": "", "revoked": [], "acted": 0}


def acted(agent: Mapping[str, Any], event: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The agent after one event. Members are read at the top level or under `data`.

    Stopping what is stopped and resuming what runs change nothing but the count.
    """
    said = {**event, **_object(event.get("data"))}
    kind = event.get("type")
    after = dict(agent)
    after["acted"] = int(agent.get("acted", 0)) + 1
    if kind in (STOP, RESUME):
        state = STOPPED if kind == STOP else RUNNING
        if state != agent.get("state"):
            after |= {"state": state, "since": at}
        after["reason"] = str(said.get("reason") or "")
    elif kind == OWNER_CHANGED:
        owner = said.get("owner")
        name = (
            owner.get("email") or owner.get("userName") or owner.get("id")
            if isinstance(owner, Mapping)
            else owner
        )
        after["owner"] = str(name or "")
    elif kind == REVOKE:
        credential = _object(said.get("credential")) or said
        mark = str(
            credential.get("reference")
            or credential.get("label")
            or credential.get("credential_id")
            or "unnamed"
        )
        after["revoked"] = [*(one for one in agent.get("revoked", []) if one != mark), mark]
    return after


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
