"""The log of decisions: every answer is kept, and a no before it is said."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx2
import orjson
import pytest
from starlette.applications import Starlette

from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Decision, Question, Reason
from scim_bridge.access.policies import load_policies
from scim_bridge.access.routes import Door
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from tests.access.gateway import PATH, Gateway, OnStore, question, with_gateway
from tests.conftest import MASTER, TESTER


def test_every_answer_is_in_the_log_and_a_no_is_there_before_it_is_said(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        no = await gateway.send(question("code-review", "write"), **{"x-request-id": "pep-1"})
        rows = await gateway.logged()
        assert [row["id"] for row in rows] == [no.json()["context"]["id"]]
        assert (rows[0]["subject"], rows[0]["action"], rows[0]["allowed"]) == ("code-review", "write", 0)
        assert rows[0]["request_id"] == "pep-1"
        assert orjson.loads(rows[0]["reasons"])[0]["id"] == "no-grant"

        ctx = Context(gateway.store, MASTER, Outbound(), "https://bridge.example", Path())
        door = Door(ctx, load_policies())
        web = Starlette(routes=[])
        web.add_route(PATH, door.evaluation, methods=["POST"])
        transport = httpx2.ASGITransport(app=web)
        async with httpx2.AsyncClient(transport=transport, base_url="https://bridge.example") as http:
            headers = {"authorization": f"Bearer {gateway.token}", "content-type": "application/json"}
            for _ in range(450):
                answer = await http.post(PATH, content=orjson.dumps(question()), headers=headers)
                assert answer.json()["decision"] is True
        await door.log.drained()
        await ctx.outbound.aclose()
        rows = await gateway.logged()
        assert sum(row["allowed"] for row in rows) == 450
        assert orjson.loads(rows[-1]["policies"]) == ["source-code-read"]
        assert rows[-1]["agent_id"]

    with_gateway(on_store, body)


def test_a_log_that_cannot_be_written_loses_no_yes_and_speaks_no_unlogged_no(sqlite_url: str) -> None:
    """While the database is away a no becomes 503, and yeses wait until it is back."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    moved = path.with_suffix(".away")

    def entry(number: int, allowed: bool) -> Entry:
        decision = Decision(allowed, (Reason("r", "t"),))
        return Entry(f"d{number}", 0, Question("agent", "a", "read", "t", "r"), decision, TESTER)

    async def main() -> None:
        clock = ManualClock()
        database = await open_database(sqlite_url)
        log = DecisionLog(Store(database, clock, UuidV7(clock)))
        await log.keep(entry(0, False))
        os.rename(path, moved)
        database._checked = 0.0  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailable):
            await log.keep(entry(1, False))
        for number in range(2, 7):
            await log.keep(entry(number, True))
        await log.drained()
        os.rename(moved, path)
        await log.keep(entry(7, True))
        await log.drained()
        rows = await database.reads.all("SELECT id FROM sb_decision ORDER BY id")
        assert [row["id"] for row in rows] == ["d0", "d2", "d3", "d4", "d5", "d6", "d7"]
        await database.close()

    asyncio.run(main())
