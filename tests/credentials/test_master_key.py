"""Promises of the master key: it rotates while clients call and no call fails; every process has it first."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import LargeBinary

from scim_bridge.departures.link import Links
from scim_bridge.kernel import key_holders, peppered
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.errors import ConfigurationError, Refused, Unauthenticated
from scim_bridge.kernel.master_key import Tampered
from scim_bridge.kernel.ownership import claim, follow
from scim_bridge.kernel.work import Work
from scim_bridge.master_key_places import CLEAR, PASSING, SEALED, left
from scim_bridge.master_rotation import MasterRotation
from scim_bridge.migrations.rooms import metadata
from scim_bridge.registry.connections import connection, connection_secrets, create_connection
from scim_bridge.registry.tokens import authenticate, create_token
from tests.conftest import TESTER
from tests.credentials.rotating import BASE, NEW, OLD, Load, Replica, both, no_sleep, populated


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
