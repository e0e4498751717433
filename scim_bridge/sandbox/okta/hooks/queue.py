"""Deliveries that wait: one for each event and hook that listens, in the transaction of the event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.okta.hooks.model import ELIGIBLE, listens
from scim_bridge.sandbox.okta.org import Org

HOOK, SECRET, DELIVERY, SETTING = "eventhook", "eventhooksecret", "hookdelivery", "hooks"
WAITING, DELIVERED, FAILED, LOST = "waiting", "delivered", "failed", "lost"
# What the control API may set: how deliveries go wrong where the real ones may.
DEFAULTS: dict[str, Any] = {"delay_seconds": 0.0, "copies": 1, "reverse": False, "lose": 0, "hold": False}


def settings(org: Org) -> dict[str, Any]:
    """How deliveries are made now."""
    return {**DEFAULTS, **(org.store.get("setting", SETTING) or {})}


def enqueue(org: Org, event: Mapping[str, Any]) -> None:
    """Have every hook that listens told of an event."""
    kind = str(event["eventType"])
    if kind not in ELIGIBLE:
        return
    hooks = [hook for _, hook in org.store.all(HOOK) if listens(hook, kind)]
    if not hooks:
        return
    found = settings(org)
    for hook in hooks:
        state = WAITING
        if found["lose"] > 0:
            found["lose"] -= 1
            org.store.put("setting", SETTING, found)
            state = LOST
        key = org.ids.new("")
        waiting = {
            "key": key,
            "hook": hook["id"],
            "event": event["key"],
            "state": state,
            "tries": 0,
            "due": org.now() + int(float(found["delay_seconds"]) * SECOND),
            "left": int(found["copies"]),
        }
        org.store.put(DELIVERY, key, waiting)
