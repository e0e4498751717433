"""Audit rows as sentences. Pure; a row nobody wrote a sentence for is shown by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.pages import day

GOOD, BAD, WARN, PLAIN = "good", "bad", "warn", ""

TITLES = {
    "agent.created": ("Created", PLAIN),
    "agent.updated": ("Changed", PLAIN),
    "agent.deleted": ("Deleted", BAD),
    "agent.owners_changed": ("Owners changed", PLAIN),
    "agent.held": ("Held", BAD),
    "agent.hold_restated": ("Still held, for a newer reason", BAD),
    "agent.hold_released": ("Hold released", GOOD),
    "agent.throttled": ("Slowed down", WARN),
    "agent.throttle_released": ("No longer slowed down", GOOD),
    "agent.throttle_ended": ("No longer slowed down", GOOD),
    "agent.credentials_revoking": ("Credentials being revoked", WARN),
    "agent.runtime_changed": ("Runtime hook changed", PLAIN),
    "agent.pushed": ("Facts sent to an IdP", PLAIN),
    "attestation.requested": ("Attestation asked for", PLAIN),
    "attestation.confirmed": ("Facts confirmed", GOOD),
    "attestation.refused": ("Facts refused", BAD),
    "attestation.lapsed": ("Attestation lapsed", WARN),
    "attestation.link_refused": ("Attestation link refused", WARN),
    "credential.registered": ("Credential registered", PLAIN),
    "credential.described": ("Credential described anew", PLAIN),
    "credential.revoked": ("Credential revoked", GOOD),
    "departure.agent_decided": ("Decided in a departure", WARN),
    "departure.handed_over": ("Handed over", GOOD),
    "effect.done": ("Told outside", PLAIN),
    "effect.dead": ("Could not be told outside", BAD),
}
KINDS = {
    "runtime.hook": "runtime hook",
    "notify": "notice",
    "idp.push": "push to an IdP",
    "sync.change": "change of a sync run",
    "credential.revoke": "revocation of a credential",
}
# Detail members worth a reader's time, in this order; the rest is in the audit log.
TOLD = ("reason", "comment", "to", "label", "system", "fate", "until", "origin", "attributes", "kind")
# The words before a value, where its own do not suffice.
WORDS = {"to": "to ", "system": "in ", "origin": "from ", "label": ""}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: what, to whom it is owed, and what is worth knowing of it."""

    at: int
    title: str
    tone: str
    by: str
    told: tuple[str, ...]
    sealed: bool


def entry_of(row: Any, sources: Mapping[str, str]) -> Entry:
    """A row of sb_audit as an entry; `sources` are words for sources of holds."""
    action = str(row["action"])
    title, tone = TITLES.get(action, (action.replace(".", " ").replace("_", " ").capitalize(), PLAIN))
    detail = orjson.loads(row["detail"])
    told: list[str] = []
    if isinstance(detail, dict):
        source = detail.get("source")
        if action.startswith("agent.hold") or action == "agent.held":
            title = f"{title} by {sources.get(str(source), str(source).split(':', 1)[0])}"
        told = [part for name in TOLD if (part := _told(name, detail.get(name)))]
    if row["outcome"] == "refused":
        tone = WARN
    by = f"{row['actor_name']}" + (f" ({row['actor_kind']})" if row["actor_kind"] != "worker" else "")
    return Entry(row["at"], title, tone, by, tuple(told), row["seq"] is not None)


def _told(name: str, value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    if name in ("reason", "comment"):
        return str(value)
    if name == "attributes" and isinstance(value, list):
        return ", ".join(str(item).rsplit(":", 1)[-1] for item in value)
    if name == "kind":
        return KINDS.get(str(value), str(value).replace("_", " "))
    if name == "until":
        return f"until {day(value)}" if is_instant(value) else ""
    if name == "fate":
        return str(value).replace("-", " ")
    return f"{WORDS[name]}{value}"


def is_instant(value: Any) -> bool:
    """True for an instant of ours, as microseconds or RFC 3339."""
    if isinstance(value, int):
        return not isinstance(value, bool)
    try:
        parse_iso(str(value))
    except ValueError:
        return False
    return True
