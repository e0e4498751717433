"""Doors that ask by themselves: which there are, when each asks next, and that one process asks at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from scim_bridge.kernel.clock import MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connections import Connection, connections
from scim_bridge.signals.doors import note_trouble

log = structlog.get_logger("scim_bridge.signals")

# A process that died while it asked is not waited for longer than this.
LEASE = 120 * SECOND
# After a refusal that no waiting heals: a permission is missing, a secret is wrong.
LATER = 5 * MINUTE


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
        if found.kind == kind and found.has_secrets and switched_on(found, setting)
    ]


def switched_on(chosen: Connection, setting: str) -> bool:
    """True unless a connection switched this door off."""
    return bool(chosen.settings.get(setting, "on") != "off")


async def in_turn(
    ctx: Context, chosen: Sequence[Connection], kind: str, ask: Callable[[Connection], Awaitable[int]]
) -> int:
    """Let those doors of a kind ask whose turn it is, beside each other; the sum of what they found.

    A tenant that does not answer keeps no other one waiting.
    """

    async def one(connection: Connection) -> int:
        if not await take(ctx, f"{kind}:{connection.name}", connection.id):
            return 0
        return await ask(connection)

    return sum(await asyncio.gather(*(one(connection) for connection in chosen)))


async def unheard(ctx: Context, chosen: Connection, kind: str, error: BridgeError, soon: int) -> None:
    """A door could not ask: why, on the door, and when it tries again.

    As late as the IdP wants it; else after `soon`, or a while later where waiting alone heals nothing.
    """
    name = f"{kind}:{chosen.name}"

    async def body(work: Work) -> None:
        work.bookkeeping("a door that cannot be heard")
        await note_trouble(work, name, kind, error.text(), connection_id=chosen.id)
        passing = bool(getattr(error, "transient", False))
        await give(work, name, max((error.retry_after or 0) * SECOND, soon if passing else LATER))

    await ctx.store.transact(SYSTEM, body)
    log.warning("door.trouble", action="door.trouble", door=name, reason=error.message)


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
