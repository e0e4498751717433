"""Tokens are remembered for a second and no longer, and not at all once this process knows better."""

from __future__ import annotations

from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connections import configure_connection
from scim_bridge.registry.tokens import revoke_token
from tests.conftest import MASTER, TESTER
from tests.scim.bridge import Bridge


async def token_id(bridge: Bridge) -> str:
    row = await bridge.store.reads.one("SELECT id FROM sb_token")
    return str(row["id"])


async def revoked_elsewhere(bridge: Bridge) -> None:
    """Another process revokes the one token there is."""
    database = await open_database(bridge.store.database.url, pool_size=1)
    other = Store(database, bridge.clock, UuidV7(bridge.clock))
    token = await token_id(bridge)
    await other.transact(TESTER, lambda work: revoke_token(work, token))
    await database.close()


def test_a_token_revoked_here_is_refused_at_once(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        assert (await client.get("/Users")).status == 200
        token = await token_id(bridge)
        await bridge.store.transact(TESTER, lambda work: revoke_token(work, token))
        assert (await client.get("/Users")).status == 401

    door(body)


def test_a_token_revoked_by_another_process_is_refused_within_a_second(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        assert (await client.get("/Users")).status == 200
        await revoked_elsewhere(bridge)
        bridge.clock.advance(seconds=1)
        assert (await client.get("/Users")).status == 401

    door(body)


def test_a_clock_that_steps_back_makes_nothing_remembered_longer(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        assert (await client.get("/Users")).status == 200
        await revoked_elsewhere(bridge)
        bridge.clock.advance(seconds=-3600)
        assert (await client.get("/Users")).status == 401

    sqlite_door(body)


def test_a_token_ends_with_its_last_day(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", days=1)
        bridge.clock.advance(days=1, seconds=-0.5)
        assert (await client.get("/Users")).status == 200
        bridge.clock.advance(seconds=0.5)
        assert (await client.get("/Users")).status == 401

    sqlite_door(body)


def test_another_dialect_counts_from_the_next_request_on(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        both = "/Users?attributes=id&excludedAttributes=name"
        assert (await client.get(both)).status == 200
        await bridge.store.transact(
            TESTER, lambda work: configure_connection(work, MASTER, "plain", dialect="strict")
        )
        assert (await client.get(both)).status == 400

    sqlite_door(body)


def test_that_a_token_is_used_is_noted_once_a_minute(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        noted = []
        for seconds in (0, 59, 2):
            bridge.clock.advance(seconds=seconds)
            assert (await client.get("/Users")).status == 200
            row = await bridge.store.reads.one(
                "SELECT t.last_used, c.last_call FROM sb_token t JOIN sb_connection c ON c.id = t.connection_id"
            )
            assert row["last_used"] == row["last_call"]
            noted.append(row["last_used"])
        assert noted[0] == noted[1] and noted[2] == bridge.clock.now()

    sqlite_door(body)
