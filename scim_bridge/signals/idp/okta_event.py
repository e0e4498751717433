"""Okta's events about people: which are followed, and what one says. Pure.

Source: Okta System Log event objects; event hooks carry the same objects (Okta, Event Hooks API).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.news import instant
from scim_bridge.signals.idp.news import Event

UPDATED = "user.account.update_profile"
# Of these Okta sends hooks; the log has all.
HOOKED = (
    "user.lifecycle.deactivate",
    "user.lifecycle.suspend",
    "user.lifecycle.unsuspend",
    "user.lifecycle.activate",
    "user.lifecycle.reactivate",
    "user.lifecycle.delete.initiated",
    UPDATED,
    "application.user_membership.remove",
)
PEOPLE = (*HOOKED, "user.lifecycle.delete.completed")
# A decision in an access review (Okta Identity Governance): of these the review is read, not a person.
DECIDED = "certification.campaign.item.decide"
FOLLOWED = (*PEOPLE, DECIDED)
# A profile update that says what changed, and none of these, is no news here.
TOLD_OF = frozenset({"login", "manager", "managerId", "department"})
HOOK = "com.okta.event_hook"
_USER_ID = re.compile(r"[0-9A-Za-z]{10,40}")
_UUID = re.compile(r"[\x21-\x7e]{1,64}")


def hooked_events(payload: Mapping[str, Any]) -> list[Event]:
    """The events of a hook's call that are followed; Invalid when it is no such call."""
    data = payload.get("data")
    events = data.get("events") if isinstance(data, Mapping) else None
    if payload.get("eventType") != HOOK or not isinstance(events, list):
        raise Invalid("okta-hook", f"This is no call of an event hook ({HOOK}).", "Send data.events.")
    return read_events(event for event in events if isinstance(event, Mapping))


def read_events(events: Iterable[Mapping[str, Any]]) -> list[Event]:
    """What is followed of log events: one per user they are about, the others left out."""
    return [found for event in events for found in _read(event)]


def _read(event: Mapping[str, Any]) -> list[Event]:
    kind, uuid = event.get("eventType"), event.get("uuid")
    outcome = event.get("outcome")
    failed = isinstance(outcome, Mapping) and outcome.get("result") in ("FAILURE", "DENY")
    if kind not in FOLLOWED or failed or not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
        return []
    targets = event.get("target")
    at = instant(event.get("published"))
    if kind == DECIDED:
        return [Event(uuid, kind, item, at) for item in _items(targets)]
    users = [
        target
        for target in (targets if isinstance(targets, list) else ())
        # The subject is a target, never the actor.
        if isinstance(target, Mapping) and target.get("type") == "User" and _matters(kind, target)
    ]
    ids = list(dict.fromkeys(str(user.get("id")) for user in users))
    known = [user_id for user_id in ids if _USER_ID.fullmatch(user_id)]
    # An event about several people is one for each of them.
    return [
        Event(uuid if len(known) == 1 else f"{uuid}:{user_id}", str(kind), user_id, at) for user_id in known
    ]


def _items(targets: object) -> list[str]:
    """The review item among the targets: the one that is no person. Read at Okta, it proves to be one or not."""
    ids = [
        str(target.get("id"))
        for target in (targets if isinstance(targets, list) else ())
        if isinstance(target, Mapping) and target.get("type") not in ("User", "UserGroup", "AppInstance")
    ]
    return [one for one in ids[:1] if _UUID.fullmatch(one)]


def _matters(kind: object, target: Mapping[str, Any]) -> bool:
    changes = target.get("changeDetails")
    if kind != UPDATED or not isinstance(changes, Mapping):
        return True
    names = {name for part in ("from", "to") for name in (changes.get(part) or {})}
    return not names or bool(names & TOLD_OF)
