"""Promises of the file of master keys: one command rotates it, two at once lose no key, killed anywhere it goes on."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scim_bridge import master_rotation
from scim_bridge.kernel import key_holders
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.master_key import KeyFile, load_keys, replace_keys
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.ownership import claim
from scim_bridge.kernel.work import Store, Work
from scim_bridge.master_rotation import MasterRotation
from scim_bridge.registry.connections import connection, connection_secrets
from scim_bridge.registry.tokens import authenticate, revoke_token
from tests.conftest import TESTER
from tests.credentials.rotating import BASE, OLD, Load, Replica, no_sleep, populated


def test_an_installation_with_a_key_file_rotates_by_the_command_alone(
    sqlite_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    file = tmp_path / "scim-bridge.key"
    replace_keys(file, [OLD])

    async def main() -> None:
        database = await open_database(sqlite_url)
        try:
            store = Store(database, clock, UuidV7(clock))
            server = MasterKey(OLD, [], KeyFile(file).changed)
            await claim(database, server, "test", clock)
            presence = key_holders.Presence(store, server)
            await presence.tell()
            running, command = Replica(store, server), MasterKey(OLD, [], KeyFile(file).changed)
            load = Load([running])
            token, load.secret = await populated(running)
            load.tokens = [token]

            async def tick(_seconds: float) -> None:
                # The server's duty, once a second.
                await presence.beat()
                await asyncio.sleep(0)

            rotation = MasterRotation(replace(running.ctx, master=command), file, tick)
            await load.during(rotation.rotate(TESTER))
            keys = load_keys(file)
            assert len(keys) == 2 and keys[1] == OLD and server.kid == MasterKey(keys[0]).kid
            clock.advance(seconds=120)
            await load.during(asyncio.sleep(0))
            clock.advance(days=15)
            await rotation.retire(TESTER)
            assert load_keys(file) == keys[:1]
            await authenticate(store.reads, MasterKey(keys[0]), token, clock.now())
        finally:
            await database.close()

    asyncio.run(main())


def test_two_commands_at_once_lose_no_key(sqlite_url: str, clock: ManualClock, tmp_path: Path) -> None:
    """The second is refused while the first is under way, and knows what it did once that is over."""
    file = tmp_path / "scim-bridge.key"
    replace_keys(file, [OLD])

    async def main() -> None:
        database = await open_database(sqlite_url)
        try:
            store = Store(database, clock, UuidV7(clock))
            masters = [MasterKey(OLD, [], KeyFile(file).changed) for _ in range(3)]
            await claim(database, masters[0], "test", clock)
            first, second, third = [Replica(store, master).ctx for master in masters]
            await populated(Replica(store, masters[0]))
            # A server runs, so that the first command waits for it to hear of the new key.
            server = MasterKey(OLD, [], KeyFile(file).changed)
            presence = key_holders.Presence(store, server)
            await presence.tell()
            refused = []

            async def meanwhile(_seconds: float) -> None:
                for other in (second, third):
                    rival = MasterRotation(other, file, no_sleep)
                    for attempt in (rival.rotate(TESTER), rival.retire(TESTER, now=True)):
                        with pytest.raises(Conflict, match="Another command") as error:
                            await attempt
                        refused.append(error.value.code)
                await presence.beat()

            left_over = tmp_path / ".scim-bridge.key.77.dead"
            left_over.write_text("half a key")
            done = await MasterRotation(first, file, meanwhile).rotate(TESTER)
            assert set(refused) == {"key-busy"} and not left_over.exists()
            keys = load_keys(file)
            assert [MasterKey(key).kid[:8] for key in keys] == [done.now, done.before]
            # It began with the key before, and must not take the one that took over for the one to retire.
            clock.advance(days=15)
            for token in await store.reads.all("SELECT id FROM sb_token"):
                await store.transact(TESTER, lambda work, one=token["id"]: revoke_token(work, one))
            await store.transact(TESTER, _no_secrets)
            await MasterRotation(second, file, no_sleep).retire(TESTER)
            assert load_keys(file) == keys[:1]
        finally:
            await database.close()

    asyncio.run(main())


async def _no_secrets(work: Work) -> None:
    work.bookkeeping("nobody shows them in this test")
    await work.tx.run("DELETE FROM sb_oauth_secret")


class Killed(BaseException):
    """The process is no more."""


def test_killed_anywhere_a_rotation_of_the_master_key_goes_on_and_nothing_is_lost(
    sqlite_url: str, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each transaction and each writing of the key file, one kill after the other."""
    passed = 0
    fatal = 1

    def point() -> None:
        nonlocal passed
        passed += 1
        if passed == fatal:
            raise Killed

    class Mortal(Store):
        async def transact(self, *args: Any, **options: Any) -> Any:
            point()
            result = await super().transact(*args, **options)
            point()
            return result

    def mortal_file(path: Path, keys: Any) -> None:
        point()
        replace_keys(path, keys)
        point()

    monkeypatch.setattr(master_rotation, "replace_keys", mortal_file)
    monkeypatch.setattr("scim_bridge.kernel.resealing.BATCH", 1)

    async def lives(url: str, file: Path) -> str:
        """One process: opened as at start, then the command; how it ended."""
        database = await open_database(url)
        try:
            keys = load_keys(file)
            master = MasterKey(keys[0], keys[1:], KeyFile(file).changed)
            await claim(database, master, "test", clock)
            store = Mortal(database, clock, UuidV7(clock))
            ctx = Context(store, master, Outbound(), BASE, Path())
            await MasterRotation(ctx, file, no_sleep).rotate(TESTER)
            return "done"
        except Killed:
            return "killed"
        finally:
            await database.close()

    async def holds(url: str, file: Path, token: str) -> None:
        """With the current key alone everything that was sealed is read; with those of the file all tokens count."""
        database = await open_database(url)
        try:
            keys = load_keys(file)
            every = MasterKey(keys[0], keys[1:])
            await claim(database, every, "test", clock)
            assert every.kid == MasterKey(keys[0]).kid and OLD in keys
            await authenticate(database.reads, every, token, clock.now())
            alone = MasterKey(keys[0])
            chosen = await connection(database.reads, "okta")
            assert await connection_secrets(database.reads, alone, chosen.id) == {"client_id": "planted"}
            (row,) = await database.reads.all("SELECT kid, private FROM sb_key WHERE purpose = 'audit'")
            alone.unseal(f"sb_key:{row['kid']}:private", bytes(row["private"]))
        finally:
            await database.close()

    async def main() -> None:
        nonlocal passed, fatal
        database = await open_database(sqlite_url)
        store = Store(database, clock, UuidV7(clock))
        await claim(database, MasterKey(OLD), "test", clock)
        token, _ = await populated(Replica(store, MasterKey(OLD)))
        await database.close()
        for fatal in range(1, 40):
            copy, file = tmp_path / f"{fatal}.db", tmp_path / f"{fatal}.key"
            shutil.copy(sqlite_url.removeprefix("sqlite:///"), copy)
            replace_keys(file, [OLD])
            passed = 0
            died = await lives(f"sqlite:///{copy}", file)
            passed = 1000
            if died == "killed":
                assert await lives(f"sqlite:///{copy}", file) == "done", fatal
            await holds(f"sqlite:///{copy}", file, token)
            if died == "done":
                assert fatal > 8, "there are that many points"
                return
        raise AssertionError("it never lived to the end")

    asyncio.run(main())
