"""Two doors of one tenant held against each other: what one told and the other kept from us is a gap."""

from __future__ import annotations

from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.signals.doors import door as door_of
from scim_bridge.signals.doors import note_gap
from scim_bridge.signals.idp.listeners import listener
from scim_bridge.signals.idp.okta_event import HOOKED

# Hooks may come an hour late (Okta, Event Hooks): only then is one that did not come missing.
GRACE = 2 * HOUR


async def compare(work: Work, connection_id: str, asked: str, pushed: str) -> None:
    """Note on each door what only the other told, of events that had time to come by both; once for each."""
    other = await door_of(work.tx, pushed)
    turn = await listener(work.tx, asked)
    if other is None or turn is None:
        return
    begin, end = turn.checked, work.now - GRACE
    if not begin:
        # Before both doors were open nothing was missed.
        await _checked(work, asked, work.now)
        return
    if end <= begin:
        return
    rows = await work.tx.all(
        "SELECT CASE WHEN asked IS NULL THEN 1 ELSE 0 END AS by_push, COUNT(*) AS n, MIN(key) AS one FROM sb_news"
        f" WHERE connection_id = ? AND kind IN ({marks(len(HOOKED))}) AND received >= ? AND received < ?"
        " AND (asked IS NULL OR pushed IS NULL) GROUP BY CASE WHEN asked IS NULL THEN 1 ELSE 0 END",
        connection_id,
        *HOOKED,
        begin,
        end,
    )
    for row in rows:
        silent, told = (asked, pushed) if row["by_push"] else (pushed, asked)
        count = f"{row['n']} event{'s' if row['n'] != 1 else ''}"
        await note_gap(work, silent, f"{count} came by {told} only, the first {row['one']}")
    await _checked(work, asked, end)


async def _checked(work: Work, name: str, upto: int) -> None:
    await work.tx.run("UPDATE sb_listener SET checked = ? WHERE name = ?", upto, name)
