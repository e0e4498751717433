"""Promises of our other keys: they rotate while clients call; nothing needs the old one after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import verify_database
from scim_bridge.kernel.clock import DAY, HOUR, ManualClock
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.errors import Unauthenticated
from scim_bridge.kernel.webhook import Untrusted, check, signed
from scim_bridge.kernel.work import Store
from scim_bridge.oauth import clients as oauth
from scim_bridge.registry.own_secrets import live_secrets, retire_own_secret, rotate_own_secret
from scim_bridge.registry.rotation import rotate_token
from scim_bridge.registry.signing_keys import forget_signing_keys, rotate_signing_key
from scim_bridge.registry.tokens import authenticate
from tests.conftest import TESTER
from tests.credentials.rotating import HR, OLD, Load, Replica, both, populated


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
