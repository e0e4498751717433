"""Rotating the master key while everything runs: the next one is loaded everywhere, takes over, seals anew.

Order: loaded by every process, then named in the database (from then on it seals and digests), then every
sealed value is sealed anew, and each digest when its token is next used. Nothing stops for any of this.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Conflict, Refused
from scim_bridge.kernel.key_holders import holders
from scim_bridge.kernel.master_key import MasterKey, changing, load_keys, replace_keys
from scim_bridge.kernel.ownership import SHOWN, follow, hand_over, since
from scim_bridge.kernel.peppered import named
from scim_bridge.kernel.resealing import reseal, total
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.master_key_places import SEALED, STATED, left, needed

# How long processes may take to hear of the change (they look once a second), and to load a new key file.
HEARD_SECONDS = 3.0
LOADED_SECONDS = 30.0
# What is out there and signed with the key before: pages people are signed in to, links in their mail.
LINKS = 14 * DAY

Sleep = Callable[[float], Awaitable[None]]
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did: the keys' fingerprints, how many values were sealed anew, what is left for later."""

    before: str
    now: str
    resealed: int
    unreadable: int
    digests_left: int


class MasterRotation:
    """Rotation and retirement for one installation. `key_file` is None where settings hold the keys."""

    def __init__(self, ctx: Context, key_file: Path | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self._ctx = ctx
        self._file = key_file
        self._sleep = sleep

    async def rotate(self, actor: Actor, told: Told = lambda _done, _of: None) -> Rotated:
        """Make the newest loaded key the current one, and seal everything anew with it.

        A key file gets a new key; from settings the new one must be loaded already. Broken off, it goes on
        where it was. Refused while a process that runs does not have the new key, and while another command
        changes the same key file.
        """
        with self._alone():
            return await self._rotate(actor, told)

    async def _rotate(self, actor: Actor, told: Told) -> Rotated:
        ctx, master = self._ctx, self._ctx.master
        await self._as_it_is()
        before = master.kid
        if master.kids[0] == before and not await self._unfinished():
            self._make_next()
        target = master.kids[0]
        if target != before:
            await self._loaded_everywhere(target)
            self._kept(target)
            await ctx.store.transact(actor, lambda work: _take_over(work, before, target))
            master.use(target)
            # Until each process has heard of it, some seal with the key before: those are found after the pause.
            if await holders(ctx.store.reads, ctx.store.clock.now()):
                await self._sleep(HEARD_SECONDS)
        of = await total(ctx.store.reads, SEALED)
        done = sealed = unreadable = 0
        async for batch in reseal(ctx.store, master, actor, SEALED):
            done, sealed = done + batch.seen, sealed + batch.sealed
            unreadable += batch.unreadable
            told(done, max(of, done))
        found = await left(ctx, master)
        return Rotated(before[:SHOWN], target[:SHOWN], sealed, unreadable, found.digests)

    async def retire(self, actor: Actor, *, now: bool = False) -> tuple[str, ...]:
        """Let go of every key but the current one; the fingerprints of those that nothing needs any more.

        Refused while something is sealed or digested by one of them, and until links that were sent have
        run out, unless `now`.
        """
        with self._alone():
            return await self._retire(actor, now)

    async def _retire(self, actor: Actor, now: bool) -> tuple[str, ...]:
        ctx, master = self._ctx, self._ctx.master
        await self._as_it_is()
        others = tuple(kid for kid in master.kids if kid != master.kid)
        if not others:
            raise Conflict(
                "key-alone", "Only the current master key is loaded.", "Nothing is left to retire."
            )
        if master.kids[0] != master.kid:
            raise Refused(
                "key-waiting", "A newer master key waits to take over.", "Run `keys rotate master` first."
            )
        found = await left(ctx, master)
        if found.sealed or found.digests:
            raise Refused(
                "key-needed", needed(found), "Use or rotate those, or run `keys rotate master` again."
            )
        started = await since(ctx.store.reads)
        if not now and ctx.store.clock.now() < started + LINKS:
            raise Refused(
                "key-links",
                f"Links that were sent and sessions from before {iso(started)} still need the key before.",
                f"Wait until {iso(started + LINKS)}, or end them with --now.",
            )
        await ctx.store.transact(actor, lambda work: _retired(work, others))
        if self._file is not None:
            kept = [key for key in load_keys(self._file) if MasterKey(key).kid == master.kid]
            replace_keys(self._file, kept)
            master.refresh()
        return others

    def _alone(self) -> AbstractContextManager[None]:
        """Two commands with one key file are one after the other; from settings the database keeps them apart."""
        return nullcontext() if self._file is None else changing(self._file)

    async def _as_it_is(self) -> None:
        """Know the keys and the current one as they are now: another command may have ended since this began."""
        self._ctx.master.refresh()
        stated = await follow(self._ctx.store.reads, self._ctx.master)
        if stated is not None:
            raise Conflict(
                "key-changed",
                f"The database belongs to a master key that is not loaded here ({stated[:SHOWN]}).",
                "Run the command again with that key: `keys list`.",
            )

    def _kept(self, kid: str) -> None:
        """Refused when the key that is to take over would be gone with this process."""
        if self._file is not None and all(MasterKey(key).kid != kid for key in load_keys(self._file)):
            raise Refused(
                "key-file", f"The new master key is not in {self._file} any more.", "Run this again."
            )

    async def _unfinished(self) -> bool:
        found = await left(self._ctx, self._ctx.master)
        return bool(found.sealed)

    def _make_next(self) -> None:
        """Put a new key before the others in the key file; Refused where the keys are settings."""
        if self._file is None:
            raise Refused(
                "key-next",
                "No other master key is loaded that could take over.",
                "Set secret_key to the new one and secret_key_previous to the one in use, restart every process,"
                " and run this again.",
            )
        replace_keys(self._file, [os.urandom(32), *load_keys(self._file)])
        self._ctx.master.refresh()

    async def _loaded_everywhere(self, kid: str) -> None:
        """Wait until every process that runs has a key; Refused when one does not get it."""
        waited = 0.0
        while True:
            clock = self._ctx.store.clock
            lacking = [
                each.process
                for each in await holders(self._ctx.store.reads, clock.now())
                if kid not in each.kids
            ]
            if not lacking:
                return
            if self._file is None or waited >= LOADED_SECONDS:
                raise Refused(
                    "key-not-loaded",
                    f"{len(lacking)} processes do not have the new key loaded: {', '.join(lacking[:5])}.",
                    "Restart them with it; one that ended is forgotten after a minute.",
                )
            await self._sleep(0.5)
            waited += 0.5


async def _take_over(work: Work, before: str, kid: str) -> None:
    await hand_over(work, before, kid)
    # From here on a digest has to say whose it is; those that did not are the one's that was current.
    for table in ("sb_token", "sb_oauth_secret"):
        await work.tx.run(f"UPDATE {table} SET digest_key = ? WHERE digest_key IS NULL", before)
    for table, key, column in STATED:
        for row in await work.tx.all(
            f"SELECT {key} AS key, {column} AS kept FROM {table} WHERE {column} <> ''"
        ):
            kept = " ".join(named(before, each) for each in row["kept"].split())
            await work.tx.run(
                f"UPDATE {table} SET {column} = ? WHERE {key} = ? AND {column} = ?",
                kept,
                row["key"],
                row["kept"],
            )
    await record(work, "key.rotated", "key", kid[:16], {"name": "master", "before": before[:16]})


async def _retired(work: Work, others: tuple[str, ...]) -> None:
    await record(
        work, "key.retired", "key", others[0][:16], {"name": "master", "keys": [k[:16] for k in others]}
    )
