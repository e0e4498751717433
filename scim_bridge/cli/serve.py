"""`scim-bridge serve`: the server, with its worker in the same process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from scim_bridge.cli.output import DatabaseUrl, refuse
from scim_bridge.cli.session import settings as load
from scim_bridge.cli.wire import connection
from scim_bridge.kernel.errors import BridgeError, ConfigurationError
from scim_bridge.kernel.telemetry import configure_logging
from scim_bridge.settings.load import PREFIX
from scim_bridge.settings.model import HttpSettings, Settings


def serve(
    host: Annotated[str, typer.Option("--host", help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8080,
    database_url: DatabaseUrl = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="processes (PostgreSQL only)")] = 1,
    role: Annotated[
        str | None,
        typer.Option("--role", help="all, web (answers) or worker (outward calls); PostgreSQL only"),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="certificate chain, PEM")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="private key, PEM")] = None,
    tls_port: Annotated[
        int, typer.Option("--tls-port", min=0, max=65535, help="also serve HTTPS here")
    ] = 8443,
    exit_with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False,
) -> None:
    """Run the server: SCIM, decisions, console and the worker that makes outward calls."""
    try:
        chosen = load(database_url, **({} if role is None else {"role": role}))
        if workers > 1 and chosen.database_url.startswith("sqlite"):
            raise ConfigurationError(
                "workers",
                "more than one process cannot share a SQLite file",
                "Use PostgreSQL, or --workers 1.",
            )
        if (tls_cert is None) != (tls_key is None):
            raise ConfigurationError("tls", "--tls-cert and --tls-key go together", "Give both, or neither.")
        if tls_cert is not None and workers > 1:
            raise ConfigurationError(
                "tls", "TLS here is for one process", "Put a TLS proxy in front of the workers."
            )
        raise typer.Exit(_run(chosen, host, port, workers, tls_cert, tls_key, tls_port, exit_with_parent))
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            "port", f"cannot listen on {host}:{port} ({error.strerror})", "Choose another --host or --port."
        ) from error
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


def at(chosen: Settings, host: str, port: int) -> Settings:
    """The settings of a server that listens here: its links lead there when nobody said how it is called."""
    if "public_url" in chosen.origins or host not in HERE:
        return chosen
    return replace(chosen, public_url=f"http://{host}:{port}")


HERE = ("127.0.0.1", "localhost")
OPTIONS: dict[str, Any] = {
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": 10,
    "timeout_keep_alive": 75,
    "http": connection(HttpSettings()),
    "ws": "none",
}


def _run(
    chosen: Settings,
    host: str,
    port: int,
    workers: int,
    cert: Path | None,
    key: Path | None,
    tls_port: int,
    exit_with_parent: bool,
) -> int:
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(host, port))
        if workers > 1:
            # Each worker opens it for itself; what they would all refuse is said here, once.
            asyncio.run(_open_once(chosen))
            return _run_many(chosen, listener, workers)
        listeners: list[tuple[socket.socket, dict[str, Any]]] = [(listener, {})]
        if cert is not None and key is not None:
            tls = {"ssl_certfile": str(cert), "ssl_keyfile": str(key)}
            listeners.append((stack.enter_context(_listen(host, tls_port)), tls))
        configure_logging(chosen.log_level, chosen.log_format)
        chosen = at(chosen, host, listener.getsockname()[1])
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(_serve(chosen, listeners, exit_with_parent))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(
    chosen: Settings, listeners: list[tuple[socket.socket, dict[str, Any]]], exit_with_parent: bool
) -> int:
    from scim_bridge.kernel.parent import until_parent_exits
    from scim_bridge.server import serving

    # Opened before anybody is served, so that wrong settings end in one line and exit 78.
    async with serving(chosen) as server:
        options = {**OPTIONS, "http": connection(chosen.http)}
        configs = [uvicorn.Config(server.app, lifespan="off", **options, **tls) for _, tls in listeners]
        servers = [uvicorn.Server(config) for config in configs]
        await _serve_all(servers, [own for own, _ in listeners], exit_with_parent, until_parent_exits)
    return 0


async def _serve_all(
    servers: list[uvicorn.Server],
    sockets: list[socket.socket],
    exit_with_parent: bool,
    until_parent_exits: Callable[[Callable[[], None]], None],
) -> None:
    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if exit_with_parent:
        until_parent_exits(stop)
    pairs = zip(servers, sockets, strict=True)
    tasks = [asyncio.create_task(server._serve([own])) for server, own in pairs]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop()
    await asyncio.gather(*tasks)


async def _open_once(chosen: Settings) -> None:
    from scim_bridge.app import open_bridge

    bridge = await open_bridge(chosen, create=True)
    await bridge.close()


def _run_many(chosen: Settings, listener: socket.socket, workers: int) -> int:
    from uvicorn.supervisors import Multiprocess

    os.environ[f"{PREFIX}DATABASE_URL"] = chosen.database_url
    os.environ[f"{PREFIX}ROLE"] = chosen.role
    config = uvicorn.Config(
        "scim_bridge.server:from_environment",
        factory=True,
        workers=workers,
        lifespan="on",
        **{**OPTIONS, "http": connection(chosen.http)},
    )
    Multiprocess(config, sockets=[listener]).run()
    return 0
