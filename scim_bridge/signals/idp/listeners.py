"""Doors that ask by themselves: which there are, when each asks next, and that one process asks at a time."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connections import Connection, connections

# A process that died while it asked is not waited for longer than this.
LEASE = 120 * SECOND


@dataclass(frozen=True, slots=True)
class Listener:
    """One such door. `checked`: up to when what was pushed was compared; the rest is its standing order."""

    name: str
    connection_id: str
    next_at: int
    checked: int = 0
    remote_id: str = ""
    expires: int | None = None
    proof: str = ""


async def listener(reader: Reader, name: str, *, lock: str = "") -> Listener | None:
    """One listener by its door's name."""
    row = await reader.one(
        "SELECT name, connection_id, next_at, checked, remote_id, expires, proof FROM sb_listener"
        f" WHERE name = ?{lock}",
        name,
    )
    return None if row is None else Listener(*row)


async def wanted(reader: Reader, kind: str, setting: str) -> list[Connection]:
    """The connections of a kind that have credentials and did not switch this door off."""
    return [
        found
        for found in await connections(reader)
        if found.kind == kind and found.has_secrets and found.settings.get(setting, "on") != "off"
    ]


async def take(ctx: Context, name: str, connection_id: str) -> bool:
    """Take this door's turn: True for exactly one process, when it is due. `give` ends the turn."""
    found = await listener(ctx.store.reads, name)
    now = ctx.store.clock.now()
    if found is not None and found.next_at > now:
        return False

    async def body(work: Work) -> bool:
        work.bookkeeping("whose turn it is to ask")
        if found is None:
            added = await work.tx.run(
                "INSERT INTO sb_listener (name, connection_id, next_at, checked, remote_id, proof)"
                " VALUES (?, ?, ?, 0, '', '') ON CONFLICT (name) DO NOTHING",
                name,
                connection_id,
                work.now + LEASE,
            )
            return bool(added)
        moved = await work.tx.run(
            "UPDATE sb_listener SET next_at = ?, connection_id = ? WHERE name = ? AND next_at = ?",
            work.now + LEASE,
            connection_id,
            name,
            found.next_at,
        )
        return bool(moved)

    return await ctx.store.transact(SYSTEM, body)


async def give(work: Work, name: str, after: int) -> None:
    """End the turn: the door is due again `after` microseconds from now."""
    await work.tx.run("UPDATE sb_listener SET next_at = ? WHERE name = ?", work.now + after, name)


async def hurry(work: Work, name: str) -> None:
    """Let a door ask at once, whoever's turn it is: something was missed."""
    await work.tx.run("UPDATE sb_listener SET next_at = 0 WHERE name = ?", name)
