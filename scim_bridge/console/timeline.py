"""Audit rows as sentences. Pure; a row nobody wrote a sentence for is shown by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import orjson

from scim_bridge.audit.model import detail_of, instant_of
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
    "alert.opened": ("Alert opened", BAD),
    "alert.resolved": ("Alert resolved", GOOD),
    "alert.muted": ("Alert muted", PLAIN),
    "alert.unmuted": ("Alert no longer muted", PLAIN),
    "bulk.failed": ("A change of many agents failed here", BAD),
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
    "credential.discard": "removal of what stores keep of a credential",
}
# Detail members worth a reader's time, in this order; the rest is in the audit log.
TOLD = ("reason", "comment", "to", "label", "system", "fate", "until", "origin", "attributes", "kind")
# The words before a value, where its own do not suffice.
WORDS = {"to": "to ", "system": "in ", "origin": "from ", "label": ""}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: what, to whom it is owed, and what is worth knowing of it.

    `mark` is its place among all entries, `times` how often it happened in a row.
    """

    at: int
    title: str
    tone: str
    by: str
    told: tuple[str, ...]
    sealed: bool
    url: str = ""
    mark: tuple[int, str] = (0, "")
    times: int = 1


def kind_of(effect: str) -> str:
    """What an effect does, in words."""
    return KINDS.get(effect, effect.replace("_", " "))


def entry_of(row: Any, sources: Mapping[str, str]) -> Entry:
    """A row of sb_audit as an entry; `sources` are words for sources of holds."""
    action = str(row["action"])
    title, tone = TITLES.get(action, (action.replace(".", " ").replace("_", " ").capitalize(), PLAIN))
    detail = detail_of(row)
    source = detail.get("source")
    if action.startswith("agent.hold") or action == "agent.held":
        title = f"{title} by {sources.get(str(source), str(source).split(':', 1)[0])}"
    told = [part for name in TOLD if (part := _told(name, detail.get(name)))]
    if row["outcome"] == "refused":
        tone = WARN
    by = f"{row['actor_name']}" + (f" ({row['actor_kind']})" if row["actor_kind"] != "worker" else "")
    sealed, at = row["seq"] is not None, instant_of(row)
    return Entry(at, title, tone, by, tuple(told), sealed, mark=(at, row["id"]))


def decision_entry(row: Any) -> Entry:
    """A row of sb_decision as an entry."""
    asked = f"{row['action']} {row['resource_type']} {row['resource_id']}"
    title, tone = (f"Allowed: {asked}", PLAIN) if row["allowed"] else (f"Denied: {asked}", BAD)
    told = tuple(str(reason["text"]) for reason in orjson.loads(row["reasons"]))
    url = f"/console/decisions/{quote(row['id'], safe='')}"
    return Entry(row["at"], title, tone, row["caller_name"], told, True, url, (row["at"], row["id"]))


def one_axis(kinds: Sequence[Sequence[Entry]], limit: int) -> tuple[tuple[Entry, ...], str | None]:
    """Entries of all kinds, newest first, and the mark behind which older ones begin (None: there are none).

    Each kind comes newest first, with one entry more than `limit` where it has more. The same several times in a
    row is one entry.
    """
    merged = sorted((entry for kind in kinds for entry in kind), key=lambda one: one.mark, reverse=True)
    kept: list[Entry] = []
    last = None
    for entry in merged:
        if kept and (kept[-1].title, kept[-1].by, kept[-1].told) == (entry.title, entry.by, entry.told):
            kept[-1] = replace(kept[-1], times=kept[-1].times + 1)
        elif len(kept) == limit:
            return tuple(kept), mark_text(last)
        else:
            kept.append(entry)
        last = entry.mark
        # Behind the end of a kind that was cut off, others must wait for its older ones.
        if any(len(kind) > limit and kind[-1].mark == entry.mark for kind in kinds):
            return tuple(kept), mark_text(last)
    return tuple(kept), None


def mark_text(mark: tuple[int, str] | None) -> str | None:
    """A mark as it stands in an address."""
    return None if mark is None else f"{mark[0]}.{mark[1]}"


def _told(name: str, value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    if name in ("reason", "comment"):
        return str(value)
    if name == "attributes" and isinstance(value, list):
        return ", ".join(str(item).rsplit(":", 1)[-1] for item in value)
    if name == "kind":
        return kind_of(str(value))
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
