"""Mutes: of which alerts nobody is told, why and until when."""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.watch.baseline_model import KINDS

LONGEST_MUTE = 366 * DAY


async def mute(work: Work, agent_id: str | None, kind: str | None, reason: str, until: int) -> str:
    """Tell nobody of these alerts until an instant; the mute's id. They are kept and shown all the same."""
    if kind is not None and kind not in KINDS:
        raise Invalid("alert-kind", f"{kind!r} is no kind of alert.", f"Use one of {', '.join(KINDS)}.")
    if agent_id is None and kind is None:
        raise Invalid("mute-all", "Everything cannot be muted at once.", "Name an agent, a kind, or both.")
    if not reason.strip():
        raise Invalid("mute-reason", "A reason is needed.", "Say why; it is kept and shown.")
    if not work.now < until <= work.now + LONGEST_MUTE:
        raise Invalid("mute-until", "A mute ends, within a year from now.", "Write for example --for 7d.")
    mute_id = work.ids.new()
    await work.tx.run(
        "INSERT INTO sb_alert_mute (id, agent_id, kind, reason, muted_by, created, until)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        mute_id,
        agent_id,
        kind,
        reason.strip(),
        work.actor.name,
        work.now,
        until,
    )
    detail = {"mute": mute_id, "kind": kind, "reason": reason.strip(), "until": iso(until)}
    await record(work, "alert.muted", "agent", agent_id, detail)
    return mute_id


async def unmute(work: Work, mute_id: str) -> None:
    """End a mute now; NotFound when there is none that lasts."""
    row = await work.tx.one("SELECT agent_id FROM sb_alert_mute WHERE id = ?", mute_id)
    done = await work.tx.run(
        "UPDATE sb_alert_mute SET ended = ? WHERE id = ? AND ended IS NULL AND until > ?",
        work.now,
        mute_id,
        work.now,
    )
    if row is None or not done:
        raise NotFound(
            "mute-unknown", f"There is no mute {mute_id[:64]!r}.", "See `scim-bridge alerts mutes`."
        )
    await record(work, "alert.unmuted", "agent", row["agent_id"], {"mute": mute_id})


async def mute_for(reader: Reader, agent_id: str, kind: str, now: int) -> str | None:
    """The id of a mute that covers an agent's alerts of a kind now."""
    row = await reader.one(
        "SELECT id FROM sb_alert_mute WHERE ended IS NULL AND until > ? AND (agent_id IS NULL OR agent_id = ?)"
        " AND (kind IS NULL OR kind = ?) ORDER BY until DESC LIMIT 1",
        now,
        agent_id,
        kind,
    )
    return None if row is None else str(row["id"])


async def mutes(
    reader: Reader,
    now: int,
    *,
    only: str | None = None,
    limit: int | None = None,
    after: tuple[int, str] | None = None,
) -> list[dict[str, Any]]:
    """The mutes that last, those that end first on top: all, so many at most, or the one with this id.

    `after`: only those behind one that ends at this instant and has this id.
    """
    one, some = ("", ()) if only is None else (" AND m.id = ?", (only,))
    behind, place = ("", ()) if after is None else (" AND (m.until, m.id) > (?, ?)", after)
    most, many = ("", ()) if limit is None else (" LIMIT ?", (limit,))
    rows = await reader.all(
        "SELECT m.id, a.slug AS agent, m.kind, m.reason, m.muted_by, m.created, m.until FROM sb_alert_mute m"
        " LEFT JOIN sb_agent a ON a.id = m.agent_id WHERE m.ended IS NULL AND m.until > ?"
        f"{one}{behind} ORDER BY m.until, m.id{most}",
        now,
        *some,
        *place,
        *many,
    )
    names = ("id", "agent", "kind", "reason", "muted_by", "created", "until")
    return [{name: row[name] for name in names} for row in rows]
