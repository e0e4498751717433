"""Running a sandbox: its directory, its HTTPS server on 127.0.0.1, its one line when it listens."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from scim_bridge.sandbox.kit.clock import Clock
from scim_bridge.sandbox.kit.control import common_routes, read_json
from scim_bridge.sandbox.kit.edge import Edge
from scim_bridge.sandbox.kit.faults import Faults
from scim_bridge.sandbox.kit.parent import when_parent_ends
from scim_bridge.sandbox.kit.store import Store
from scim_bridge.sandbox.kit.tls import LocalCa, ensure_ca

__all__ = [
    "Build",
    "Extra",
    "Sandbox",
    "application",
    "listen",
    "main",
    "open_sandbox",
    "read_json",
    "server",
]

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 2


@dataclass
class Sandbox:
    """One simulated neighbour, opened.

    `seed_with` what must be there at start and after a reset; `background` holds coroutine functions
    that run as long as the server does (not under an in-process transport, which runs no lifespan).
    """

    name: str
    store: Store
    base_url: str
    faults: Faults
    ca: LocalCa
    data: Path
    background: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _seeds: list[Callable[[], None]] = field(default_factory=list)

    def seed_with(self, seed: Callable[[], None]) -> None:
        """Call `seed` now and after every reset; doing it twice must change nothing."""
        self._seeds.append(seed)
        seed()

    def reset(self) -> None:
        """Forget objects, journal and faults, then seed again."""
        with self.store.transaction():
            self.store.clear()
            for seed in self._seeds:
                seed()
        self.faults.load()

    def close(self) -> None:
        """Close the store."""
        self.store.close()


Build = Callable[[Sandbox], Sequence[BaseRoute]]
"""What a vendor brings: routes over an opened sandbox."""


def open_sandbox(name: str, data: Path, base_url: str, clock: Clock | None = None) -> Sandbox:
    """A sandbox over a directory, created on first use."""
    data.mkdir(parents=True, exist_ok=True)
    store = Store(data / f"{name}.db", clock)
    return Sandbox(name, store, base_url, Faults(store), ensure_ca(data / "ca"), data)


def application(sandbox: Sandbox, routes: Sequence[BaseRoute], control_token: str) -> ASGIApp:
    """The ASGI app: vendor routes and control API behind the journal, the faults and the control token."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(work()) for work in sandbox.background]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    app = Starlette(routes=[*common_routes(sandbox), *routes], lifespan=lifespan)
    app.router.redirect_slashes = False
    return Edge(app, sandbox.store, sandbox.faults, control_token)


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes a free one."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
    except OSError:
        opened.close()
        raise
    return opened


def address(opened: socket.socket) -> str:
    """The https address of a listening socket."""
    return f"https://{HOST}:{opened.getsockname()[1]}"


class _Server(uvicorn.Server):
    """uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def server(sandbox: Sandbox, app: ASGIApp, ready: Callable[[], None]) -> uvicorn.Server:
    """An HTTPS server with a certificate of the sandbox's CA; run it with `.run(sockets=[listen(port)])`."""
    cert, key = sandbox.ca.issue([HOST, "localhost"])
    config = uvicorn.Config(
        app,
        ssl_certfile=cert,
        ssl_keyfile=key,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return _Server(config, ready)


@dataclass(frozen=True)
class Extra:
    """An option that one sandbox has beside the common ones.

    `add` declares it; `prepare` does what it asks for before the sandbox listens, and gives more members
    of the ready line. It may raise OSError or ValueError, which end the start in one line.
    """

    add: Callable[[argparse.ArgumentParser], None]
    prepare: Callable[[Sandbox, argparse.Namespace], Mapping[str, str]]


def _arguments(name: str, argv: Sequence[str], extra: Extra | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"sandbox {name}", description=f"The simulated {name}.")
    parser.add_argument(
        "--port", type=int, default=0, help="where to listen on 127.0.0.1; 0 takes a free port"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(".sandbox", name), help="the directory of its state and local CA"
    )
    parser.add_argument("--control-token", default=os.environ.get("SANDBOX_CONTROL_TOKEN", ""))
    parser.add_argument("--exit-with-parent", action="store_true")
    if extra is not None:
        extra.add(parser)
    return parser.parse_args(list(argv))


def main(name: str, build: Build, argv: Sequence[str], extra: Extra | None = None) -> int:
    """Run a sandbox until it is told to stop; prints one JSON line when it listens.

    Without a control token a random one is made and kept in `control-token` (0600) of the directory.
    The line names what a rehearsal needs: url, ca_file (to trust), control_token_file, and a certificate of
    the same authority for whoever else must speak HTTPS on this machine (tls_cert, tls_key).
    """
    options = _arguments(name, argv, extra)
    try:
        opened = listen(options.port)
    except OSError as error:
        print(f"sandbox {name}: port {options.port}: {error.strerror}", file=sys.stderr, flush=True)
        return 1
    sandbox = open_sandbox(name, options.data.resolve(), address(opened))
    token_file = sandbox.data / "control-token"
    token = options.control_token or _own_token(token_file)
    try:
        more = dict(extra.prepare(sandbox, options)) if extra is not None else {}
    except (OSError, ValueError) as error:
        print(f"sandbox {name}: {error}", file=sys.stderr, flush=True)
        opened.close()
        sandbox.close()
        return 1
    if not options.control_token:
        more["control_token_file"] = str(token_file)

    def ready() -> None:
        cert, key = sandbox.ca.issue([HOST, "localhost"])
        line: dict[str, Any] = {"ready": True, "name": name, "url": sandbox.base_url}
        line |= {"ca_file": str(sandbox.ca.ca_file), "tls_cert": str(cert), "tls_key": str(key), **more}
        print(json.dumps(line), flush=True)

    running = server(sandbox, application(sandbox, build(sandbox), token), ready)
    if options.exit_with_parent:
        when_parent_ends(lambda: setattr(running, "should_exit", True))
    try:
        running.run(sockets=[opened])
    except KeyboardInterrupt:
        return 130
    finally:
        opened.close()
        sandbox.close()
    return 0


def _own_token(file: Path) -> str:
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(secrets.token_urlsafe(32))
    return file.read_text()
