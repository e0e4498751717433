"""The composition root, upper half: one process with its worker, every HTTP door, and its end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from scim_bridge import __version__
from scim_bridge.access import retention
from scim_bridge.access import routes as access
from scim_bridge.access.budget_file import load_budgets
from scim_bridge.access.log import Entry, Tap
from scim_bridge.api import idempotency as api_answers
from scim_bridge.api import routes as api
from scim_bridge.api.callers import SignedIn
from scim_bridge.api.model import House
from scim_bridge.app import Bridge, drill_accept, effects_of, leak_intake, open_bridge
from scim_bridge.attestations import duties as attestations
from scim_bridge.attestations import routes as attestation_routes
from scim_bridge.attestations.schedules import ask_anew
from scim_bridge.attestations.service import asking_of
from scim_bridge.audit import anchors, streaming
from scim_bridge.audit import routes as published
from scim_bridge.audit.seal import seal
from scim_bridge.console import routes as console
from scim_bridge.console.agent_search import agents_found
from scim_bridge.console.known import Known
from scim_bridge.console.session import form_key, session_of
from scim_bridge.console.sso.provider import Provider
from scim_bridge.credentials import routes as credential_routes
from scim_bridge.credentials.due import duties as credential_duties
from scim_bridge.credentials.leaks import routes as leak_routes
from scim_bridge.credentials.leaks import scanner_keys
from scim_bridge.departures import answer_page, drill
from scim_bridge.departures import service as departures
from scim_bridge.departures.link import Links
from scim_bridge.departures.upkeep import upkeep
from scim_bridge.health import components, without_doors
from scim_bridge.health import routes as health
from scim_bridge.kernel import effect_retention, tracing
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.key_holders import Presence
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.kernel.telemetry import configure_logging
from scim_bridge.oauth import keys as oauth_keys
from scim_bridge.oauth import routes as oauth
from scim_bridge.oauth import upkeep as oauth_upkeep
from scim_bridge.oauth.believed import believed
from scim_bridge.registry import expiry, grants, indexing, throttles
from scim_bridge.registry.bulk_doing import carry_on
from scim_bridge.registry.model import AGENT
from scim_bridge.scim.app import ScimApp
from scim_bridge.scim.versions import other_version
from scim_bridge.settings.load import settings_from_environment
from scim_bridge.settings.model import ALL, WEB, WORKER, Settings
from scim_bridge.signals import poll_state, ssf_poll, ssf_pulse, stream_keys
from scim_bridge.signals import routes as signals
from scim_bridge.signals.hr_mappings import mappings
from scim_bridge.signals.idp import doors as idp_doors
from scim_bridge.watch import ssf_fill, ssf_routes
from scim_bridge.watch.activity_store import Sighting, decided
from scim_bridge.watch.intake import Intake
from scim_bridge.watch.routes import ActivityDoor
from scim_bridge.watch.ssf_model import SCIM_EVENTS
from scim_bridge.watch.watcher import Watcher, forget_old

log = structlog.get_logger("scim_bridge.server")

# Seconds after which a request is told 503 when the database does not answer a read.
PATIENCE = 5.0
SCIM_OF_ANY_VERSION = "/scim"


def jobs_of(bridge: Bridge, presence: Presence) -> Jobs:
    """The worker of this process with its periodic duties, not started yet."""
    ctx = bridge.ctx
    role = bridge.settings.role
    jobs = Jobs(ctx.store, effects_of(bridge), works=role != WEB, alone=role == ALL)
    jobs.every("grants-due", 2.0, lambda: grants.due(ctx.store))
    jobs.every("scim-indexes", 5.0, lambda: indexing.upkeep(ctx.store))
    jobs.every("master-key", 1.0, presence.beat, own=True)
    jobs.every("audit-seal", 0.5, lambda: seal(ctx.store, ctx.master))
    if bridge.settings.audit.sinks:
        jobs.every("audit-streams", 1.0, streaming.duty(ctx, bridge.settings.audit))
    if bridge.settings.audit.anchors:
        jobs.every("audit-anchors", 5.0, anchors.duty(ctx, bridge.settings.audit))
    if bridge.settings.transmitter.enabled:
        jobs.every("ssf-transmit", 1.0, lambda: ssf_fill.fill(ctx))
        jobs.every("ssf-refused-forget", 3600.0, lambda: ssf_fill.forget(ctx))
    jobs.every("departures-due", 5.0, lambda: departures.due(ctx, bridge.rules))
    told = drill_accept(bridge)
    jobs.every("departures-drill", 15.0, lambda: drill.tick(ctx, bridge.rules.policies.drill, told))
    jobs.every("agents-upkeep", 60.0, lambda: upkeep(ctx, bridge.rules))
    asking = asking_of(ctx, bridge.settings.attestations)
    jobs.every("agents-many", 2.0, lambda: carry_on(ctx.store, asking))
    idp_doors.duties(ctx, bridge.idps.news, departures.reactor(bridge.rules), jobs.every)
    for name, seconds, duty in attestations.duties(ctx, bridge.settings.attestations):
        jobs.every(name, seconds, duty)
    jobs.every("api-answers-forget", 3600.0, lambda: api_answers.forget(ctx.store))
    jobs.every("decisions-forget", 3600.0, lambda: retention.forget(ctx.store, bridge.settings.access))
    jobs.every("effects-forget", 3600.0, lambda: effect_retention.forget(ctx.store))
    for name, seconds, duty in credential_duties(ctx, bridge.idps.keeper, bridge.settings.credentials):
        jobs.every(name, seconds, duty)
    jobs.every("oauth-keys", 1.5, lambda: oauth_keys.refresh(ctx, bridge.settings.oauth.keys_hosts))
    jobs.every("oauth-forget", 3600.0, lambda: oauth_upkeep.forget(ctx))
    jobs.every("leak-keys", 1.5, lambda: scanner_keys.refresh(ctx, bridge.settings.leaks.keys_url))
    jobs.every("ssf-keys", 1.5, lambda: stream_keys.refresh(ctx))
    jobs.every("ssf-poll", 1.0, ssf_poll.Poller(ctx, departures.reactor(bridge.rules)).poll_due)
    jobs.every("ssf-pulse", 15.0, lambda: ssf_pulse.beat(ctx))
    jobs.every("ssf-forget", 3600.0, lambda: poll_state.forget(ctx))
    jobs.every("tokens-expiring", 600.0, lambda: expiry.warn_of_tokens(ctx.store))
    watcher = Watcher(ctx, bridge.settings.alerts, ask_anew(bridge.settings.attestations))
    jobs.every("activity-watch", 5.0, watcher.look)
    jobs.every("alerts-end", 300.0, watcher.end_quiet)
    jobs.every("throttles-end", 15.0, lambda: throttles.end_throttles(ctx.store))
    jobs.every("activity-forget", 3600.0, lambda: forget_old(ctx, bridge.settings.activity))
    jobs.every("secrets-expiring", 600.0, lambda: oauth_upkeep.warn_of_secrets(ctx.store))
    return jobs


def routes(
    bridge: Bridge, jobs: Jobs, decisions: access.Door, intake: Intake, provider: Provider | None = None
) -> Sequence[BaseRoute]:
    """Every HTTP door but SCIM, which is dispatched before routing. `provider` is where people sign in."""
    ctx, settings = bridge.ctx, bridge.settings
    react = departures.reactor(bridge.rules)
    return [
        Route("/", _home),
        *health(ctx, jobs),
        *published.routes(ctx),
        *decisions.routes(),
        *(ssf_routes.routes(ctx, settings.transmitter) if settings.transmitter.enabled else ()),
        *ActivityDoor(ctx, intake).routes(),
        *signals.routes(ctx, settings.hr, react, mappings(settings.hr_mappings)),
        *idp_doors.routes(ctx),
        *leak_routes.routes(ctx, settings.leaks, leak_intake(bridge)),
        *oauth.routes(ctx, settings.oauth),
        *api.routes(house_of(bridge, jobs)),
        *answer_page.routes(ctx, bridge.rules, Links(ctx.master, ctx.public_url)),
        *credential_routes.routes(ctx, bridge.stores),
        *attestation_routes.routes(ctx, settings.attestations),
        *console.routes(
            ctx,
            bridge.rules,
            lambda: components(ctx, jobs),
            settings.alerts,
            Known(
                decisions.policies,
                {name: one.get("kind", "") for name, one in settings.stores.items()},
                public_url_set="public_url" in settings.origins,
                of_settings=decisions.policies_of_settings,
            ),
            provider=provider,
            attestations=settings.attestations,
        ),
    ]


def house_of(bridge: Bridge, jobs: Jobs) -> House:
    """What the API works with."""
    ctx, settings = bridge.ctx, bridge.settings
    budgets = load_budgets(settings.access.budgets)
    known = partial(signed_in, ctx)
    return House(ctx, settings, bridge.rules, agents_found, lambda: components(ctx, jobs), budgets, known)


async def signed_in(ctx: Context, request: Request) -> SignedIn | None:
    """Whoever is signed in at the console, for the API."""
    session = await session_of(ctx, request)
    if session is None:
        return None
    return SignedIn(
        session.actor(request),
        session.roles,
        session.said_name,
        session.person_id,
        session.kept.authenticated,
        form_key(ctx, session),
    )


def doors(scim: Any) -> Mapping[str, Any]:
    """The raw ASGI doors by their addresses, the longer ones first."""
    return {SCIM_PATH: scim, SCIM_OF_ANY_VERSION: other_version}


def counted(intake: Intake) -> Tap:
    """Hands every decision about an agent to what watches agents."""

    def tap(entries: Sequence[Entry]) -> None:
        intake.count([seen for entry in entries if (seen := _seen(entry)) is not None])

    return tap


def _seen(entry: Entry) -> Sighting | None:
    facts, asked = entry.decision.facts, entry.question
    if facts is None or facts.kind != AGENT:
        return None
    resource = f"{asked.resource_type}/{asked.resource_id}"
    return decided(facts.id, entry.at, asked.action, resource, entry.decision.allowed)


async def _home(_request: Request) -> Response:
    return RedirectResponse("/console")


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
