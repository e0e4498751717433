"""Promises of our own keys: each rotates while clients call and no call fails; nothing needs the old one after."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import orjson
import pytest
from sqlalchemy import LargeBinary
from starlette.applications import Starlette

from scim_bridge import master_rotation
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import verify_database
from scim_bridge.departures.link import Links
from scim_bridge.kernel import key_holders, peppered
from scim_bridge.kernel.clock import DAY, HOUR, ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey, signing_key
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.errors import ConfigurationError, Conflict, Refused, Unauthenticated
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.master_key import KeyFile, Tampered, load_keys, replace_keys
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.ownership import claim, follow
from scim_bridge.kernel.webhook import Untrusted, check, signed
from scim_bridge.kernel.work import Store, Work
from scim_bridge.master_key_places import CLEAR, PASSING, SEALED, left
from scim_bridge.master_rotation import MasterRotation
from scim_bridge.migrations.rooms import metadata
from scim_bridge.oauth import clients as oauth
from scim_bridge.oauth.routes import routes as oauth_routes
from scim_bridge.registry.connections import connection, connection_secrets, create_connection
from scim_bridge.registry.own_secrets import live_secrets, retire_own_secret, rotate_own_secret
from scim_bridge.registry.rotation import rotate_token
from scim_bridge.registry.signing_keys import forget_signing_keys, rotate_signing_key
from scim_bridge.registry.tokens import authenticate, create_token, revoke_token
from scim_bridge.scim.app import ScimApp
from scim_bridge.settings.model import OauthSettings
from scim_bridge.settings.scim import ScimSettings
from scim_bridge.signals.routes import routes as signal_routes
from tests.conftest import TESTER

OLD, NEW = b"the old master key, thirty-two bytes", b"the new master key, thirty-two bytes"
HR = "whsec_b3VyIHNlY3JldCB3aXRoIHRoZSBIUiBzeXN0ZW0h"
BASE = "https://bridge.test"


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


class Replica:
    """One process of an installation: its own keys, its own door, the one database."""

    def __init__(self, store: Store, master: MasterKey) -> None:
        self.ctx = Context(store, master, Outbound(), BASE, Path())

        async def nothing(_work: Work, _signal: object) -> None:
            return

        web = Starlette(
            routes=[
                *oauth_routes(self.ctx, OauthSettings()),
                *signal_routes(self.ctx, {"workday": HR}, nothing),
            ],
            exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
        )
        app = Edge({"/scim/v2": ScimApp(self.ctx, ScimSettings(), nothing)}, web)
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE)


class Load:
    """Clients that call both replicas without a pause while something rotates."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.replicas = replicas
        self.answers: list[tuple[str, int]] = []
        self.tokens: list[str] = []
        self.secret = ("", "")
        self.hr = [HR]
        self._on = True
        self._sent = 0

    async def once(self, replica: Replica) -> None:
        # The token endpoint counts by the second.
        cast("ManualClock", replica.ctx.store.clock).advance(seconds=1)
        now = replica.ctx.store.clock.now()
        for token in self.tokens:
            answer = await replica.http.get("/scim/v2/Users", headers={"authorization": f"Bearer {token}"})
            self.answers.append(("scim", answer.status_code))
        client_id, secret = self.secret
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        answer = await replica.http.post("/oauth/token", data=form)
        self.answers.append(("oauth", answer.status_code))
        self._sent += 1
        body = orjson.dumps({"type": "ping", "number": self._sent})
        headers = signed(" ".join(self.hr), f"msg_{self._sent}", now, body)
        answer = await replica.http.post("/signals/hr/workday", content=body, headers=headers)
        # Signed as agreed: what the message says is another matter.
        self.answers.append(("hr", 200 if answer.status_code in (200, 202, 400) else answer.status_code))

    async def run(self) -> None:
        while self._on:
            for replica in self.replicas:
                await self.once(replica)
                await asyncio.sleep(0)

    async def during(self, change: Awaitable[Any]) -> Any:
        """Make a change while everybody calls; the calls before, in and after it."""
        task = asyncio.ensure_future(self.run())
        before = len(self.answers)
        await asyncio.sleep(0.01)
        try:
            result = await change
            while len(self.answers) < before + 40:
                await self.once(self.replicas[0])
        finally:
            self._on = False
            await task
            self._on = True
        failed = [each for each in self.answers if each[1] >= 400]
        assert not failed, failed[:5]
        return result


def both(url: str, clock: ManualClock, body: Callable[[Replica, Replica], Awaitable[None]]) -> None:
    """Two replicas over one database, both with the old key as the database's."""

    async def main() -> None:
        database = await open_database(url, pool_size=4)
        try:
            store = Store(database, clock, UuidV7(clock))
            await claim(database, MasterKey(OLD), "test", clock)
            # Restarted with both keys, whichever is written first: the database says which counts.
            first, second = MasterKey(NEW, [OLD]), MasterKey(OLD, [NEW])
            for master in (first, second):
                await claim(database, master, "test", clock)
            await body(Replica(store, first), Replica(store, second))
        finally:
            await database.close()

    asyncio.run(main())


async def populated(replica: Replica) -> tuple[str, tuple[str, str]]:
    """A token, and a client with its secret."""
    ctx = replica.ctx

    async def body(work: Work) -> tuple[str, tuple[str, str]]:
        made = await create_connection(work, ctx.master, "okta", "okta", secrets={"client_id": "planted"})
        await create_connection(work, ctx.master, "entra", "entra")
        token = await create_token(work, ctx.master, connection_id=made.id, scopes=("read", "users"))
        client = await oauth.create_client(work, await connection(work.tx, "entra"))
        secret = await oauth.add_secret(work, ctx.master, client.id)
        await signing_key(work, ctx.master, "audit")
        return token, (client.id, secret.secret)

    return await ctx.store.transact(TESTER, body)


def test_the_master_key_rotates_under_load_and_no_call_fails(database_url: str, clock: ManualClock) -> None:
    async def body(first: Replica, second: Replica) -> None:
        store, old, new = first.ctx.store, MasterKey(OLD), MasterKey(NEW)
        load = Load([first, second])
        token, load.secret = await populated(first)
        load.tokens = [token]
        with pytest.raises(Refused, match="waits to take over"):
            await MasterRotation(first.ctx, None, no_sleep).retire(TESTER, now=True)
        link = Links(second.ctx.master, BASE).proof("case", "person")
        rotation = MasterRotation(first.ctx, None, no_sleep)
        done = await load.during(rotation.rotate(TESTER))
        assert (done.before, done.now) == (old.kid[:8], new.kid[:8]) and done.resealed >= 2
        assert second.ctx.master.kid == old.kid, "the second has not heard of it, and works on"
        assert await follow(store.reads, second.ctx.master) is None
        assert second.ctx.master.kid == new.kid
        clock.advance(seconds=120)
        await load.during(asyncio.sleep(0))
        found = await left(first.ctx, first.ctx.master)
        grant = await authenticate(store.reads, new, token, clock.now())
        assert (found.sealed, found.unreadable, found.secrets) == (0, 0, ())
        assert grant.token_id not in found.tokens, "only access tokens nobody showed are left, for an hour"
        assert Links(first.ctx.master, BASE).genuine("case", "person", link)
        clock.advance(seconds=7200)
        with pytest.raises(Refused, match="Links that were sent"):
            await rotation.retire(TESTER)
        clock.advance(days=14)
        assert await rotation.retire(TESTER) == (old.kid,)
        # Processes that never had the old key read and let in everything.
        await authenticate(store.reads, new, token, clock.now())
        with pytest.raises(Unauthenticated):
            await authenticate(store.reads, old, token, clock.now())
        chosen = await connection(store.reads, "okta")
        assert await connection_secrets(store.reads, new, chosen.id) == {"client_id": "planted"}
        rows = await store.reads.all(
            "SELECT action, detail FROM sb_audit WHERE action LIKE 'key.%' ORDER BY at, id"
        )
        assert [row["action"] for row in rows] == ["key.rotated", "key.retired"]

    both(database_url, clock, body)


def test_a_rotation_that_was_broken_off_goes_on_and_a_token_nobody_used_keeps_the_old_key(
    sqlite_url: str, clock: ManualClock
) -> None:
    async def body(first: Replica, _second: Replica) -> None:
        token, _ = await populated(first)

        class Killed(Exception):
            pass

        async def dies(_seconds: float) -> None:
            raise Killed

        presence = key_holders.Presence(first.ctx.store, first.ctx.master)
        await presence.tell()
        with pytest.raises(Killed):
            await MasterRotation(first.ctx, None, dies).rotate(TESTER)
        assert (await left(first.ctx, first.ctx.master)).sealed >= 2
        rotation = MasterRotation(first.ctx, None, no_sleep)
        assert (await rotation.rotate(TESTER)).resealed >= 2
        with pytest.raises(Refused, match="No other master key"):
            await rotation.rotate(TESTER)
        clock.advance(days=20)
        with pytest.raises(Refused, match="tokens not used since"):
            await rotation.retire(TESTER, now=True)
        assert await authenticate(first.ctx.store.reads, first.ctx.master, token, clock.now())

    both(sqlite_url, clock, body)


def test_a_process_left_behind_with_the_old_key_alone_says_so_and_corrupts_nothing(
    database_url: str, clock: ManualClock
) -> None:
    async def body(first: Replica, second: Replica) -> None:
        store, behind = first.ctx.store, MasterKey(OLD)
        token, _ = await populated(first)
        rotation = MasterRotation(first.ctx, None, no_sleep)
        await rotation.rotate(TESTER)
        # It was not heard of when the new key took over. It is told so, and a restart refuses.
        assert await follow(store.reads, behind) == MasterKey(NEW).kid
        with pytest.raises(ConfigurationError, match="another master key"):
            await claim(store.database, MasterKey(OLD), "the environment", clock)
        # What is sealed with the new key it does not take for something else.
        okta = await connection(store.reads, "okta")
        with pytest.raises(Tampered):
            await connection_secrets(store.reads, behind, okta.id)

        async def write(work: Work) -> str:
            await create_connection(work, behind, "late", "okta", secrets={"client_id": "late"})
            return await create_token(work, behind, connection_id=okta.id, scopes=("users",))

        minted = await store.transact(TESTER, write)
        # What it writes is read by those who have both, who hold on to the old key until it is sealed anew.
        assert await follow(store.reads, second.ctx.master) is None
        late = await connection(store.reads, "late")
        for replica in (first, second):
            said = await connection_secrets(store.reads, replica.ctx.master, late.id)
            assert said == {"client_id": "late"}
            for each in (token, minted):
                await authenticate(store.reads, replica.ctx.master, each, clock.now())
        with pytest.raises(Refused, match="still needed for"):
            await rotation.retire(TESTER, now=True)
        assert (await rotation.rotate(TESTER)).resealed >= 1
        alone = await connection_secrets(store.reads, MasterKey(NEW), late.id)
        assert alone == {"client_id": "late"}

    both(database_url, clock, body)


def test_no_key_takes_over_before_every_process_has_it(sqlite_url: str, clock: ManualClock) -> None:
    async def body(first: Replica, _second: Replica) -> None:
        store = first.ctx.store
        behind = key_holders.Presence(store, MasterKey(OLD))
        await behind.tell()
        rotation = MasterRotation(first.ctx, None, no_sleep)
        with pytest.raises(Refused, match="1 processes do not have the new key"):
            await rotation.rotate(TESTER)
        assert first.ctx.master.kid == MasterKey(OLD).kid
        await behind.leave()
        await key_holders.Presence(store, first.ctx.master).tell()
        await rotation.rotate(TESTER)

    both(sqlite_url, clock, body)


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


def test_tokens_secrets_and_signing_keys_rotate_under_load_and_no_call_fails(
    database_url: str, clock: ManualClock
) -> None:
    async def body(first: Replica, second: Replica) -> None:
        store, master = first.ctx.store, first.ctx.master
        load = Load([first, second])
        token, load.secret = await populated(first)
        load.tokens = [token]
        grant = await authenticate(store.reads, master, token, clock.now())
        made = await load.during(
            store.transact(TESTER, lambda work: rotate_token(work, master, grant.token_id, overlap=HOUR))
        )
        load.tokens = [token, made.token]
        secret = await load.during(
            store.transact(
                TESTER, lambda work: oauth.rotate_secret(work, master, load.secret[0], overlap=HOUR)
            )
        )
        await load.during(asyncio.sleep(0))
        load.secret = (load.secret[0], secret.secret)
        hook = await load.during(
            store.transact(
                TESTER, lambda work: rotate_own_secret(work, master, "hr.workday", HR, overlap=HOUR)
            )
        )
        load.hr = [hook.secret.reveal()]
        await load.during(asyncio.sleep(0))

        async def sealing(purpose: str) -> None:
            await seal(store, master)
            await store.transact(TESTER, lambda work: rotate_signing_key(work, master, purpose))
            await seal(store, master)

        for purpose in ("audit", "receipt", "attestation"):
            await load.during(sealing(purpose))
        verdict = await verify_database(store.database)
        assert verdict.ok, verdict
        await store.transact(TESTER, lambda work: forget_signing_keys(work, "audit"))
        await seal(store, master)
        assert (await verify_database(store.database)).ok, "what a destroyed key signed verifies as before"
        clock.advance(seconds=3601)
        with pytest.raises(Unauthenticated):
            await authenticate(store.reads, master, token, clock.now())
        load.tokens = [made.token]
        await load.during(asyncio.sleep(0))

    both(database_url, clock, body)


def test_webhook_secrets_overlap_on_both_sides_and_a_changed_setting_counts_again(
    on_store: Any, clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        master = MasterKey(OLD)

        async def live(configured: str = HR) -> list[str]:
            return await live_secrets(store.reads, master, "notify_secret", configured, clock.now())

        assert await live() == [HR]
        made = await store.transact(
            TESTER, lambda work: rotate_own_secret(work, master, "notify_secret", HR, overlap=DAY)
        )
        fresh = made.secret.reveal()
        headers = signed(" ".join(await live()), "m1", clock.now(), b"{}")
        for each in (HR, fresh):
            assert check(headers, b"{}", [each], clock.now()) == "m1"
        await store.transact(TESTER, lambda work: retire_own_secret(work, "notify_secret"))
        assert await live() == [fresh]
        headers = signed(" ".join(await live()), "m2", clock.now(), b"{}")
        with pytest.raises(Untrusted):
            check(headers, b"{}", [HR], clock.now())
        assert await live("whsec_another") == [fresh, "whsec_another"]
        rows = await store.reads.all("SELECT * FROM sb_own_secret")
        said = await store.reads.all("SELECT detail FROM sb_audit")
        assert fresh.encode() not in bytes(rows[0]["sealed"])
        assert all(fresh not in row["detail"] and HR not in row["detail"] for row in said)

    on_store(body)


def test_every_column_of_bytes_is_known_as_sealed_or_clear() -> None:
    known = {(each.table, each.column) for each in SEALED} | set(CLEAR) | set(PASSING)
    found = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and table.name.startswith("sb_")
    }
    assert found <= known, "put it into SEALED of master_key_places.py, or a rotated master key loses it"


def test_a_digest_that_names_its_key_matches_with_and_without_the_name() -> None:
    old, both_keys = MasterKey(OLD), MasterKey(NEW, [OLD])
    bare = old.digest("p", "value")
    for kept in (bare, peppered.named(old.kid, bare), peppered.stated(both_keys, "p", "value")):
        assert peppered.shows(both_keys, "p", "value", kept) and not peppered.shows(
            both_keys, "p", "other", kept
        )
    assert peppered.outdated(both_keys, peppered.stated(old, "p", "value"))
    assert not peppered.outdated(both_keys, peppered.stated(both_keys, "p", "value"))
