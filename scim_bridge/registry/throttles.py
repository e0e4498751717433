"""Throttles: an agent that may act, but only so often, until an instant. Placed and released by one source each.

Less than a hold: nothing is told to the runtime or an IdP, for the agent stays active. A decision reads them with
the agent's other facts and counts. From its end on a throttle slows nobody, whether that was noted or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Moved
from scim_bridge.kernel.frequency import written_frequency
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.registry.model import AGENT

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Pace:
    """So many calls in each span of microseconds, and so many at once after a quiet time."""

    calls: int
    span: int
    burst: int

    def words(self) -> str:
        """As people read it: 10/m, or 10/m with 2 at once."""
        written = written_frequency(self.calls, self.span)
        return written if self.burst == self.calls else f"{written}, {self.burst} at once"


@dataclass(frozen=True, slots=True)
class Throttle:
    """One throttle: who placed it and why, how often the agent may act, until when (microseconds)."""

    id: str
    source: str
    code: str
    reason: str
    placed_by: str
    until: int
    pace: Pace


async def place_throttle(
    work: Work, agent_id: str, source: str, code: str, reason: str, pace: Pace, until: int
) -> bool:
    """Slow an agent down for one source; False when that source does so already, as much and as long.

    A source has one at a time for an agent: the newest pace counts, and the later end.
    """
    row: Any = await work.tx.one(
        "SELECT id, agent_id, source, calls, span, burst, until FROM sb_throttle WHERE agent_id = ? AND source = ?"
        f" AND ended IS NULL{work.tx.for_update}",
        agent_id,
        source,
    )
    if row is not None and row["until"] <= work.now:
        # Over and not noted yet: what begins now is another, with its own beginning.
        await _over(work, row)
        row = None
    end = until if row is None else max(until, row["until"])
    if row is None:
        work.tx.later(
            "INSERT INTO sb_throttle (id, agent_id, source, code, reason, calls, span, burst, placed, placed_by,"
            " until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(work.ids.new(), agent_id, source, code, reason, pace.calls, pace.span, pace.burst),
            *(work.now, work.actor.name, end),
            # The same source placed one at the same time: the body runs again and sees it.
            taken=Moved,
        )
    elif (row["calls"], row["span"], row["burst"], row["until"]) == (pace.calls, pace.span, pace.burst, end):
        return False
    else:
        await work.tx.run(
            "UPDATE sb_throttle SET code = ?, reason = ?, calls = ?, span = ?, burst = ?, until = ? WHERE id = ?",
            *(code, reason, pace.calls, pace.span, pace.burst, end, row["id"]),
        )
    detail = {"source": source, "code": code, "reason": reason, "pace": pace.words(), "until": iso(end)}
    await record(work, "agent.throttled", AGENT, agent_id, detail)
    return True


async def release_throttle(work: Work, agent_id: str, source: str, reason: str) -> bool:
    """End this source's throttle now; False when it has none."""
    done = await work.tx.run(
        "UPDATE sb_throttle SET ended = ?, ended_by = ? WHERE agent_id = ? AND source = ? AND ended IS NULL",
        *(work.now, work.actor.name, agent_id, source),
    )
    if not done:
        return False
    await record(work, "agent.throttle_released", AGENT, agent_id, {"source": source, "reason": reason})
    return True


async def release_throttles(work: Work, agent_id: str, reason: str, source: str = "") -> int:
    """End every throttle that slows this agent down now, or one source's; how many."""
    there = [one["source"] for one in await throttles(work.tx, work.now, agent_id)]
    ended = 0
    for each in there:
        if source in ("", each):
            ended += await release_throttle(work, agent_id, each, reason)
    return ended


async def throttles(
    reader: Reader,
    now: int,
    agent_id: str | None = None,
    *,
    after: tuple[int, str] = (0, ""),
    limit: int = 10_000,
) -> list[dict[str, Any]]:
    """The throttles that slow somebody now, of one agent or of all; what ends first on top. A page of them begins
    after the `until` and `id` of the last of the page before."""
    also, values = ("", []) if agent_id is None else (" AND t.agent_id = ?", [agent_id])
    rows = await reader.all(
        "SELECT t.id, a.slug AS agent, t.source, t.code, t.reason, t.calls, t.span, t.burst, t.placed,"
        " t.placed_by, t.until FROM sb_throttle t JOIN sb_agent a ON a.id = t.agent_id"
        f" WHERE t.ended IS NULL AND t.until > ? AND (t.until, t.id) > (?, ?){also} ORDER BY t.until, t.id LIMIT ?",
        *(now, *after, *values, limit),
    )
    names = ("id", "agent", "source", "code", "reason", "placed", "placed_by", "until")
    return [
        {**{name: row[name] for name in names}, "pace": Pace(row["calls"], row["span"], row["burst"]).words()}
        for row in rows
    ]


async def slowed_since(reader: Reader, source: str, since: int) -> int:
    """How many agents this source began to slow down after an instant."""
    row = await reader.one(
        "SELECT COUNT(*) AS n FROM sb_throttle WHERE source = ? AND placed > ?", source, since
    )
    return int(row["n"]) if row is not None else 0


async def last_throttle(reader: Reader, agent_id: str, source: str) -> Any:
    """The newest throttle of this source (`ended`, `ended_by`), or None. By itself it ends without an `ended_by`."""
    return await reader.one(
        "SELECT ended, ended_by, until FROM sb_throttle WHERE agent_id = ? AND source = ?"
        " ORDER BY placed DESC, id DESC LIMIT 1",
        *(agent_id, source),
    )


async def end_throttles(store: Store) -> int:
    """The duty: note the end of every throttle whose instant has come; how many."""
    rows = await store.reads.all(
        "SELECT id, agent_id, source FROM sb_throttle WHERE ended IS NULL AND until <= ? ORDER BY until LIMIT ?",
        *(store.clock.now(), AT_ONCE),
    )
    for row in rows:
        await store.transact(SYSTEM, partial(_over, row=row))
    return len(rows)


async def _over(work: Work, row: Any) -> None:
    done = await work.tx.run(
        "UPDATE sb_throttle SET ended = until WHERE id = ? AND ended IS NULL AND until <= ?",
        *(row["id"], work.now),
    )
    if not done:
        work.bookkeeping("it was made longer, or another process noted it")
        return
    await record(work, "agent.throttle_ended", AGENT, row["agent_id"], {"source": row["source"]})
