"""Whether this process lives, whether it is ready, and its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scim_bridge.departures import status as departures
from scim_bridge.kernel import counters
from scim_bridge.kernel.backlog import backlog, lag
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.telemetry import AUDIT_UNSEALED, EFFECTS, EFFECTS_LAG, REGISTRY, RESOURCES
from scim_bridge.kernel.web import json_response, problem_response
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.migrations import head, workable
from scim_bridge.oauth.upkeep import expiring_secrets
from scim_bridge.registry import expiry
from scim_bridge.signals.doors import doors, show_in_metrics

OK = "ok"
FAILING = "failing"
WORKER_SILENT = 15
SEAL_BEHIND = 60
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# A probe that waits longer is taken for dead itself.
SECONDS = 4.0

Check = Callable[[Context, Jobs | None], Awaitable[tuple[str, str]]]


async def _database(ctx: Context, _jobs: Jobs | None) -> tuple[str, str]:
    await ctx.store.database.ping()
    if ctx.store.refused:
        # It answers, and took no write: a full disk, a standby. Tried here, so that it is told when that is over.
        await ctx.store.transact(SYSTEM, _written)
    return OK, ctx.store.database.backend


async def _written(work: Work) -> None:
    work.bookkeeping("whether the database takes writes")
    # Large enough to need room of its own.
    await work.tx.run(
        "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
        "write-probe",
        "x" * 10_000,
        work.now,
    )
    await work.tx.run("DELETE FROM sb_fact WHERE name = ?", "write-probe")


async def _migrations(ctx: Context, _jobs: Jobs | None) -> tuple[str, str]:
    row = await ctx.store.reads.one("SELECT version_num FROM alembic_version")
    found = row["version_num"] if row is not None else "none"
    # A newer release has migrated and replaces the replicas one by one: this one goes on until it is its turn.
    return (OK if workable(found) else FAILING), f"schema {found}, this version needs {head()}"


async def _worker(ctx: Context, jobs: Jobs | None) -> tuple[str, str]:
    if jobs is None or not jobs.works:
        return OK, "none in this process: its role is web"
    silent = (ctx.store.clock.now() - jobs.last_relay) // SECOND
    if jobs.last_relay == 0:
        return FAILING, "has not started"
    return (OK if silent <= WORKER_SILENT else FAILING), f"last seen {silent} s ago"


async def _audit(ctx: Context, _jobs: Jobs | None) -> tuple[str, str]:
    # A row that was taken out of its place is for verification to name: it waits for nothing.
    row = await ctx.store.reads.one(
        "SELECT COUNT(*) AS n, MIN(at) AS at FROM sb_audit WHERE seq IS NULL AND hash IS NULL"
    )
    behind = 0 if row["at"] is None else (ctx.store.clock.now() - row["at"]) // SECOND
    return (OK if behind <= SEAL_BEHIND else FAILING), f"{row['n']} rows wait for the seal, {behind} s behind"


async def _effects(ctx: Context, _jobs: Jobs | None) -> tuple[str, str]:
    waiting = await backlog(ctx.store.reads)
    told = ", ".join(f"{count} {state}" for state, count in sorted(waiting.items()))
    # Dead effects need a person, but this replica can serve: they do not make it unready.
    return OK, told or "none waiting"


async def _departures(ctx: Context, _jobs: Jobs | None) -> tuple[str, str]:
    # What is late or held needs a person, as dead effects do; this replica can serve.
    return OK, departures.line(await departures.status(ctx.store.reads, ctx.store.clock.now()))


CHECKS: dict[str, Check] = {
    "database": _database,
    "migrations": _migrations,
    "worker": _worker,
    "audit": _audit,
    "effects": _effects,
    "departures": _departures,
}


async def report(ctx: Context, jobs: Jobs | None) -> tuple[bool, list[dict[str, str]]]:
    """(ready, one line a component): every check is made, whatever another one says, all in four seconds.

    Without `jobs` this process is no server.
    """
    lines = []
    until = asyncio.get_running_loop().time() + SECONDS
    for name, check in CHECKS.items():
        try:
            async with asyncio.timeout_at(until):
                state, detail = await check(ctx, jobs)
        except StoreUnavailable as error:
            state, detail = FAILING, error.message
        except TimeoutError:
            state, detail = FAILING, "no answer in time"
        lines.append({"component": name, "state": state, "detail": detail})
    return all(line["state"] == OK for line in lines), lines


async def components(ctx: Context, jobs: Jobs) -> list[dict[str, str]]:
    """One line a component, for people."""
    return (await report(ctx, jobs))[1]


async def gauges(ctx: Context) -> None:
    """Bring the gauges up to date for a scrape; the last values stay when the database is away."""
    reads = ctx.store.reads
    waiting = await backlog(reads)
    for state in ("pending", "handed", "dead"):
        EFFECTS.labels(state).set(waiting.get(state, 0))
    EFFECTS_LAG.set(await lag(reads, ctx.store.clock.now()) / SECOND)
    row = await reads.one("SELECT COUNT(*) AS n FROM sb_audit WHERE seq IS NULL")
    AUDIT_UNSEALED.set(row["n"])
    for kind in ("agent", "person", "group"):
        RESOURCES.labels(kind).set(await counters.total(reads, f"live:{kind}"))
    now = ctx.store.clock.now()
    show_in_metrics(await doors(reads), now)
    secrets = [*await expiry.expiring_tokens(reads, now), *await expiring_secrets(reads, now)]
    expiry.show_in_metrics(secrets, now)
    await departures.show_in_metrics(reads, now)


def routes(ctx: Context, jobs: Jobs) -> list[Route]:
    """/healthz, /readyz and /metrics."""

    async def healthz(_request: Request) -> Response:
        return json_response({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        ready, lines = await report(ctx, jobs)
        body: dict[str, Any] = {"status": "ready" if ready else "not ready", "components": lines}
        return json_response(body, 200 if ready else 503, {} if ready else {"retry-after": "5"})

    async def metrics(_request: Request) -> Response:
        try:
            await gauges(ctx)
        except StoreUnavailable:
            EFFECTS.clear()
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


class NotHere(BridgeError):
    """A request that came to a process without doors: somebody else answers it."""

    status = 503


def without_doors(ctx: Context, jobs: Jobs) -> Edge:
    """The application of a process that only works: whether it is well, and its metrics.

    Everything else is told 503, never 404: to an IdP that would mean that a user does not exist.
    """

    async def elsewhere(_request: Request) -> Response:
        message = "This process makes outward calls and answers nobody."
        fix = "Send requests to those with role web or all."
        return problem_response(NotHere("role-worker", message, fix, retry_after=1))

    anything = Route("/{path:path}", elsewhere, methods=METHODS)
    return Edge({}, Starlette(routes=[*routes(ctx, jobs), anything]))
