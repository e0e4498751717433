"""One process: an open bridge, its worker and its doors; how it starts, and its end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from starlette.applications import Starlette

from scim_bridge import __version__
from scim_bridge.access import routes as access
from scim_bridge.app import Bridge, open_bridge
from scim_bridge.console.sso.provider import Provider
from scim_bridge.departures import service as departures
from scim_bridge.doors import counted, doors, routes
from scim_bridge.duties import jobs_of
from scim_bridge.health import without_doors
from scim_bridge.kernel import tracing
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.key_holders import Presence
from scim_bridge.kernel.telemetry import configure_logging
from scim_bridge.oauth.believed import believed
from scim_bridge.registry import indexing
from scim_bridge.scim.app import ScimApp
from scim_bridge.settings.load import settings_from_environment
from scim_bridge.settings.model import WORKER, Settings
from scim_bridge.watch.intake import Intake
from scim_bridge.watch.ssf_model import SCIM_EVENTS

log = structlog.get_logger("scim_bridge.server")

# Seconds after which a request is told 503 when the database does not answer a read.
PATIENCE = 5.0


class Server:
    """One process: an open bridge, its worker and its ASGI application. `settings.role` may leave out either."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self._presence = Presence(bridge.ctx.store, bridge.ctx.master)
        self.jobs = jobs_of(bridge, self._presence)
        self._working: asyncio.Task[None] | None = None
        self._intake = Intake(bridge.ctx.store)
        self._decisions = access.open_door(
            bridge.ctx,
            bridge.settings.policies,
            bridge.settings.access,
            tap=counted(self._intake),
            believe=believed,
        )
        self.jobs.every("access-policies", 0.5, self._decisions.refresh, own=True)
        provider = Provider(bridge.ctx, bridge.settings.sign_in)
        if bridge.settings.sign_in.issuer:
            self.jobs.every("sign-in-provider", 5.0, provider.refresh, own=True)
        if bridge.settings.role == WORKER:
            self.app = without_doors(bridge.ctx, self.jobs)
            return
        web = Starlette(
            routes=routes(bridge, self.jobs, self._decisions, self._intake, provider),
            exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
        )
        told = SCIM_EVENTS if bridge.settings.transmitter.enabled else ()
        scim = ScimApp(bridge.ctx, bridge.settings.scim, departures.reactor(bridge.rules), events=told)
        self.app = Edge(doors(scim), web)
        bridge.stage.app = self.app

    async def start(self) -> None:
        """Start the worker: it recovers what an earlier process left open."""
        await indexing.begin(self.bridge.ctx.store)
        # Not one question is answered by policies that are in force no more.
        await self._decisions.refresh()
        await self.jobs.start()
        # What starting made stays. Looking through it for garbage took a tenth of the time of a write.
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        self._working = asyncio.create_task(self._see_it_work(), name="jobs-launch")
        ctx = self.bridge.ctx
        log.info(
            "server.started",
            action="server.started",
            database=ctx.store.database.backend,
            console=f"{ctx.public_url}/console",
        )

    async def _see_it_work(self) -> None:
        """Wait for the worker's engine; the process ends when it cannot be had, for then nothing would be sent."""
        try:
            await self.jobs.working()
        except Exception:
            log.exception("jobs.failed", action="jobs.failed")
            signal.raise_signal(signal.SIGTERM)
            raise
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Stop the worker, then close the database."""
        await self.jobs.stop()
        failure = await self._launched()
        await self.bridge.stage.close()
        await self._decisions.log.drained()
        await self._intake.drained()
        with suppress(StoreUnavailable):
            await self._presence.leave()
        await self.bridge.close()
        if failure is not None:
            raise failure

    async def _launched(self) -> BaseException | None:
        """What kept the engine from running; None when nothing did, or when it was stopped before."""
        if self._working is None:
            return None
        self._working.cancel()
        (found,) = await asyncio.gather(self._working, return_exceptions=True)
        return found if isinstance(found, Exception) else None


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Server]:
    """A started server; everything is let go of at the end, also when starting failed half way."""
    bridge = await open_bridge(settings, create=True, patience=PATIENCE)
    try:
        tracing.begin(os.environ, __version__)
        server = Server(bridge)
        await server.start()
    except BaseException:
        await bridge.close()
        raise
    try:
        yield server
    finally:
        await server.stop()
        await asyncio.to_thread(tracing.end)


def from_environment() -> Any:
    """An ASGI application that opens itself in its lifespan: one worker process of several."""
    settings = settings_from_environment()
    configure_logging(settings.log_level, settings.log_format)
    inner: list[Server] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with serving(settings) as server:
            inner.append(server)
            yield

    waiting = Starlette(lifespan=lifespan)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (waiting if scope["type"] == "lifespan" else inner[0].app)(scope, receive, send)

    return app
