"""Promises of roles: who only answers makes no outward calls, who only works answers nobody, and both are seen."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Work
from scim_bridge.kernel.worker import sole_worker
from scim_bridge.moving.quiet import no_server
from scim_bridge.server import Server, serving
from scim_bridge.settings.model import WEB, WORKER, Settings
from tests.conftest import TESTER

KEY = "b3f1c2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718"


async def get(server: Server, path: str) -> httpx2.Response:
    """What a server answers."""
    transport = httpx2.ASGITransport(app=server.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as http:
        return await http.get(path)


async def effect(server: Server) -> str:
    """An outward call nobody can make: whoever tries finds it dead."""

    async def body(work: Work) -> str:
        work.bookkeeping("a test")
        return await work.effect("unheard-of", {}, lane="l")

    return await server.bridge.ctx.store.transact(TESTER, body)


async def state(server: Server, effect_id: str) -> str:
    """How an effect stands."""
    row = await server.bridge.ctx.store.reads.one("SELECT state FROM sb_effect WHERE id = ?", effect_id)
    assert row is not None
    return str(row["state"])


def test_who_only_answers_leaves_outward_calls_to_who_only_works(postgres_url: str) -> None:
    async def main() -> None:
        async with serving(Settings(database_url=postgres_url, secret_key=KEY, role=WEB)) as web:
            waiting = await effect(web)
            duties = {task.get_name() for task in web.jobs._tasks}
            assert {"master-key", "access-policies"} <= duties
            assert not {"effects-relay", "audit-seal", "departures-due"} & duties
            ready = (await get(web, "/readyz")).json()["components"]
            assert {
                "component": "worker",
                "state": "ok",
                "detail": "none in this process: its role is web",
            } in ready
            async with sole_worker(web.bridge.ctx.store.database) as nobody_works:
                assert nobody_works
            with pytest.raises(Refused, match="1 server processes"), no_server(postgres_url):
                pass
            assert await state(web, waiting) == "pending"
            async with serving(Settings(database_url=postgres_url, secret_key=KEY, role=WORKER)) as worker:
                async with asyncio.timeout(20):
                    while await state(web, waiting) != "dead":  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
                astray = await get(worker, "/scim/v2/Users/someone")
                assert (astray.status_code, astray.json()["code"]) == (503, "role-worker")
                assert astray.headers["retry-after"] == "1"
                assert (await get(worker, "/healthz")).status_code == 200
                assert (await get(worker, "/readyz")).status_code == 200

    asyncio.run(main())
