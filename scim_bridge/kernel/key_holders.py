"""Which process has which master keys loaded: a key may only take over when every one of them has it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import structlog

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.ownership import SHOWN, follow
from scim_bridge.kernel.work import SYSTEM, Store, Work

log = structlog.get_logger("scim_bridge.master_key")

# How often a process says so, and after which silence it counts as gone.
EVERY = 15 * SECOND
GONE = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that runs: the fingerprints of its keys, the one it seals with first."""

    process: str
    kids: tuple[str, ...]


class Presence:
    """What this process says of itself."""

    def __init__(self, store: Store, master: MasterKey) -> None:
        self._store = store
        self._master = master
        self._process = f"{socket.gethostname()}:{os.getpid()}:{store.ids.new()[-6:]}"
        self._said: tuple[str, int] = ("", 0)
        self._unknown: str | None = None

    async def beat(self) -> None:
        """The duty of every process that runs for long: load what is new, use what is current, say what is loaded."""
        self._master.refresh()
        stated = await follow(self._store.reads, self._master)
        if stated is not None and stated != self._unknown:
            log.error(
                "master_key.unknown",
                action="master_key.unknown",
                fingerprint=stated[:SHOWN],
                fix="Restart this process with it: secret_key, and secret_key_previous for the other.",
            )
        self._unknown = stated
        await self.tell()

    async def tell(self) -> None:
        """Say which keys are loaded here, when that changed or was said a while ago."""
        now = self._store.clock.now()
        kids = " ".join(dict.fromkeys((self._master.kid, *self._master.kids)))
        if self._said[0] == kids and now < self._said[1] + EVERY:
            return

        async def body(work: Work) -> None:
            work.bookkeeping("which keys a process has loaded")
            await work.tx.run("DELETE FROM sb_key_holder WHERE seen < ?", now - GONE)
            await work.tx.run(
                "INSERT INTO sb_key_holder (process, kids, seen) VALUES (?, ?, ?)"
                " ON CONFLICT (process) DO UPDATE SET kids = excluded.kids, seen = excluded.seen",
                self._process,
                kids,
                now,
            )

        await self._store.transact(SYSTEM, body)
        self._said = (kids, now)

    async def leave(self) -> None:
        """Say that this process ends."""
        if not self._said[0]:
            return

        async def body(work: Work) -> None:
            work.bookkeeping("which keys a process has loaded")
            await work.tx.run("DELETE FROM sb_key_holder WHERE process = ?", self._process)

        await self._store.transact(SYSTEM, body)


async def holders(reader: Reader, now: int) -> list[Holder]:
    """The processes that run now."""
    rows = await reader.all(
        "SELECT process, kids FROM sb_key_holder WHERE seen >= ? ORDER BY process", now - GONE
    )
    return [Holder(row["process"], tuple(row["kids"].split())) for row in rows]
