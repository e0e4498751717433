"""A whole bridge, its worker too, served by a thread of this process: what a new user has after `serve`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scim_bridge.inventory.service import import_manifest
from scim_bridge.registry.tokens import create_token
from scim_bridge.server import Server, serving
from scim_bridge.settings.load import load_settings
from tests.browser.house import House
from tests.browser.threaded import Serve, in_thread
from tests.conftest import TESTER

SMALL = Path(__file__).parents[2] / "config/examples/small.yaml"


@dataclass
class Live(House):
    """The served bridge; `control` steers the sandbox that a rehearsal started."""

    server: Server | None = None
    loop: Any = None

    def control(self, kind: str, method: str, path: str, body: Any) -> Any:
        assert self.server is not None

        async def steer() -> Any:
            assert self.server is not None
            scene = await self.server.bridge.stage.scene(kind)
            return await scene.control(method, path, body)

        return asyncio.run_coroutine_threadsafe(steer(), self.loop).result(60)

    def rows(self, sql: str) -> list[Any]:
        """What the bridge's database answers."""
        assert self.server is not None
        reads = self.server.bridge.ctx.store.reads
        return asyncio.run_coroutine_threadsafe(reads.all(sql), self.loop).result(60)


@contextmanager
def live(database_url: str) -> Iterator[Live]:
    """A bridge with two agents, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = Live(f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def main(serve: Serve) -> None:
        made.loop = asyncio.get_running_loop()
        given = {"database_url": database_url, "public_url": made.url}
        async with serving(load_settings(None, {}, given)) as server:
            store, master = server.bridge.ctx.store, server.bridge.ctx.master
            await import_manifest(store, TESTER, SMALL.read_bytes(), SMALL.name)
            made.token = await store.transact(
                TESTER,
                lambda work: create_token(work, master, connection_id=None, scopes=("admin",), label="Ada"),
            )
            made.server = server
            await serve(server.app)

    with in_thread(listener, main, made.problems):
        yield made
    assert not made.problems, made.problems
