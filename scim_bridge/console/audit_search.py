"""A search of the audit log: from an address to rows, newest first, and to a rule that an export filters by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.audit.model import instant_of
from scim_bridge.console.search import cleaned
from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.sql import like
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.people_refs import find_person

# A search nothing is indexed for may have to look through everything: no longer than this.
SECONDS = 20.0
NAMES = ("action", "about", "by", "outcome", "since", "until")
COLUMNS = (
    "l.id, l.at, l.actor_kind, l.actor_name, l.action, l.subject_kind, l.subject_id, l.outcome, l.detail, l.seq,"
    " a.slug"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. `asked` is it as it stands in an address; instants in microseconds."""

    asked: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
    since: int | None = None
    until: int | None = None
    before: str = ""

    def mark(self, row: Mapping[str, Any]) -> str:
        """Where the page after this row begins."""
        return f"{row['at']}.{row['id']}"

    def fits(self, row: Mapping[str, Any]) -> bool:
        """True when a row is one that is looked for."""
        action, by, at = self.asked.get("action", ""), self.asked.get("by", ""), instant_of(row)
        return (
            _acts(row["action"], action)
            and (not self.subject or row["subject_id"] == self.subject)
            and by.casefold() in str(row["actor_name"]).casefold()
            and self.asked.get("outcome", "") in ("", row["outcome"])
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def _acts(action: object, wanted: str) -> bool:
    return str(action).startswith(wanted[:-1]) if wanted.endswith("*") else wanted in ("", action)


async def wanted_in(reader: Reader, query: Mapping[str, str]) -> Wanted:
    """The search in an address; Invalid for a day that is none. An agent or person is known by any of its names."""
    asked = {name: text for name in NAMES if (text := cleaned(query.get(name, "")))}
    subject = ""
    if "about" in asked:
        agent = await find_agent(reader, asked["about"])
        person = None if agent is not None else await find_person(reader, asked["about"])
        subject = asked["about"] if person is None else person.id
        subject = subject if agent is None else agent.resource.id
    return Wanted(
        asked,
        subject,
        _instant("since", asked.get("since", "")),
        _instant("until", asked.get("until", "")),
        cleaned(query.get("before", "")),
    )


def _instant(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_iso(text if "T" in text.upper() else f"{text}T00:00:00Z")
    except ValueError as error:
        raise Invalid("audit-when", f"{name}: {error}.", "Write a day, such as 2026-11-30.") from error


async def found(reader: Reader, wanted: Wanted, limit: int) -> Sequence[Any]:
    """Rows that fit, newest first."""
    where, values = ["1 = 1"], list[Any]()
    action = wanted.asked.get("action", "")
    if action.endswith("*"):
        where.append(r"l.action LIKE ? ESCAPE '\'")
        values.append(like(action[:-1], start=True))
    elif action:
        where.append("l.action = ?")
        values.append(action)
    if "by" in wanted.asked:
        where.append(r"LOWER(l.actor_name) LIKE ? ESCAPE '\'")
        values.append(like(wanted.asked["by"].lower()))
    if "outcome" in wanted.asked:
        where.append("l.outcome = ?")
        values.append(wanted.asked["outcome"])
    for value, sign in ((wanted.since, ">="), (wanted.until, "<")):
        if value is not None:
            where.append(f"l.at {sign} ?")
            values.append(value)
    at, _, row_id = wanted.before.partition(".")
    behind = at.isascii() and at.isdigit() and len(at) < 19
    # Ids are in the order of time; of one subject there is an index by time, and it is asked in its order.
    order = "l.id DESC"
    if wanted.subject:
        where.append("l.subject_id = ?")
        values.append(wanted.subject)
        order = "l.at DESC, l.id DESC"
        if behind:
            where.append("(l.at < ? OR (l.at = ? AND l.id < ?))")
            values += [int(at), int(at), row_id]
    elif behind:
        where.append("l.id < ?")
        values.append(row_id)
    return await reader.all(
        f"SELECT {COLUMNS} FROM sb_audit l LEFT JOIN sb_agent a ON a.id = l.subject_id"
        f" WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?",
        *values,
        limit,
    )
