"""Servers to be proven: each listens on 127.0.0.1 in a thread, with a loop of its own, until the block ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import uvicorn
from scim2_models import UnauthorizedException
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.requests import ScimRequest
from scim2_server.utils import load_default_provider

from scim_bridge.kernel.context import Context
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token
from scim_bridge.server import serving
from scim_bridge.settings.load import load_settings
from tests.conftest import TESTER

TOKEN = "a-token-nobody-may-ever-see-printed"
SECRET_KEY = "tests 0123456789 abcdefghijklmnop"
DIALECTS = {
    "okta-put": "okta",
    "okta-patch": "okta",
    "entra": "entra",
    "generic": "generic",
    "strict": "generic",
}

Opened = Callable[[], AbstractAsyncContextManager[Any]]


def _listener() -> socket.socket:
    # The protocol is named, or asyncio leaves Nagle's algorithm on and every answer waits for 40 ms.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.bind(("127.0.0.1", 0))
    return opened


class _Telling(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, app: Any, ready: threading.Event) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        self._ready.set()


@contextlib.contextmanager
def listening(opened: Opened) -> Iterator[str]:
    """Serve what `opened` gives, an ASGI application, from a thread; its URL without a path."""
    listener, ready = _listener(), threading.Event()
    servers: list[uvicorn.Server] = []
    failures: list[BaseException] = []

    async def main() -> None:
        async with opened() as app:
            servers.append(_Telling(app, ready))
            await servers[0].serve(sockets=[listener])

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        assert ready.wait(30) and not failures, failures
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(30)
        listener.close()
    assert not thread.is_alive() and not failures, failures


def plain(app: Any) -> Opened:
    """An application that needs no opening."""

    @asynccontextmanager
    async def opened() -> Any:
        yield app

    return opened


def bridge(
    database_url: str,
    tokens: dict[str, str],
    also: Callable[[Context], Awaitable[None]] | None = None,
    **more: Any,
) -> Opened:
    """Our server with a connection of every dialect; `tokens` is filled with a token for each.

    `also` runs before it listens; `more` are settings.
    """

    @asynccontextmanager
    async def opened() -> Any:
        given = {"database_url": database_url, "secret_key": SECRET_KEY, **more}
        async with serving(load_settings(None, {}, given)) as server:
            ctx = server.bridge.ctx
            for dialect, kind in DIALECTS.items():

                async def body(work: Any, name: str = dialect, kind: str = kind) -> str:
                    made = await create_connection(work, ctx.master, name, kind, dialect=name, settings={})
                    return await create_token(
                        work,
                        ctx.master,
                        connection_id=made.id,
                        scopes=CONNECTION_SCOPES,
                        label=name,
                        days=None,
                    )

                tokens[dialect] = await ctx.store.transact(TESTER, body)
            if also is not None:
                await also(ctx)
            yield server.app

    return opened


class Guarded(ASGIApplication):
    """scim2-server as it is, accepting one token."""

    def check_auth(self, request: ScimRequest) -> None:
        """Refuse a request without the token."""
        if request.header("Authorization") != f"Bearer {TOKEN}":
            raise UnauthorizedException


def scim2_server() -> Opened:
    """A new scim2-server over its storage in memory."""
    return plain(Guarded(AsyncInMemoryStorage(), load_default_provider()))
