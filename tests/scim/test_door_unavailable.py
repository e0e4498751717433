"""With the database gone, the door says so: 503 and when to try again, never 404 and never an empty list."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.settings.scim import ScimSettings
from tests.conftest import with_database
from tests.scim.bridge import Bridge, Client, serve


async def unavailable(client: Client, user: str) -> None:
    """Every kind of call is answered with 503."""
    add = {"op": "add", "path": "title", "value": "x"}
    one = {"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "c"}}
    calls: list[Callable[[], Awaitable]] = [
        lambda: client.get("/Users"),
        lambda: client.get('/Users?filter=userName eq "a"'),
        lambda: client.get(f"/Users/{user}"),
        lambda: client.get("/Users/nobody"),
        lambda: client.get("/Groups"),
        lambda: client.post("/Users", {"userName": "b"}),
        lambda: client.put(f"/Users/{user}", {"userName": "b"}),
        lambda: client.patch(f"/Users/{user}", add),
        lambda: client.delete(f"/Users/{user}"),
        lambda: client.post("/.search", {}),
        lambda: client.post("/Bulk", {"Operations": [one]}),
    ]
    for number, call in enumerate(calls):
        answer = await call()
        assert answer.status == 503, (number, answer.content)
        assert answer["status"] == "503"
        assert answer.headers["retry-after"].isdigit() and int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"].startswith("application/scim+json")


def test_a_sqlite_file_that_was_taken_away(sqlite_url: str, clock: ManualClock) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        user = (await client.post("/Users", {"userName": "a"}))["id"]
        path = sqlite_url.removeprefix("sqlite:///")
        os.rename(path, path + ".away")
        with pytest.raises(StoreUnavailable):
            await bridge.store.database.ping()
        await unavailable(client, user)
        os.rename(path + ".away", path)
        assert (await client.get(f"/Users/{user}")).status == 200

    serve(sqlite_url, clock, body, ScimSettings())


def test_a_postgresql_database_that_went_away(emptied: str, postgres_server: str, clock: ManualClock) -> None:
    admin = with_database(postgres_server, "postgres")
    name = f"door_{os.getpid()}"

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        user = (await client.post("/Users", {"userName": "a"}))["id"]
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
        try:
            await unavailable(client, user)
        finally:
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert (await client.get(f"/Users/{user}")).status == 200, "it comes back by itself"

    serve(emptied, clock, body, ScimSettings())
