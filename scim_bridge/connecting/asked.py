"""What the wizard asks for and a worker does: probe, preview, proof, rehearsal. Nothing calls out inside a request.

The result of each effect is what a page shows; while it goes on, how far it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.connecting import clicks, steps
from scim_bridge.connecting.stage import Stage
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.errors import BridgeError, Refused
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.kernel.progress import Progress
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.registry.people_refs import accountable
from scim_bridge.sync.idp.open import Idps
from scim_bridge.sync.idp.port import IdpError

if TYPE_CHECKING:
    from scim_bridge.conformance.model import Report, Result, Step

PROBE, PREVIEW, PROOF, REHEARSAL = "connect.probe", "connect.preview", "connect.proof", "connect.rehearse"
FAIL = "fail"
KINDS = (PROBE, PREVIEW, PROOF, REHEARSAL)
SHOWN = 30
REHEARSED = "connect: rehearsal"


async def ask(work: Work, there: Connection, kind: str, agent: str = "", *, anew: bool = False) -> str:
    """Have one of KINDS done for a connection; the effect whose result says what came of it.

    What is asked for already and not done yet is not done twice (a double click, two tabs); `anew` means that it
    is, once it began: it looks at what was so before. Refused for what cannot be done to it.
    """
    if kind in (PROBE, PREVIEW) and not there.has_secrets:
        raise Refused(
            "sync-secrets", f"{there.name} has no credentials for the way back.", "Enter them first."
        )
    if kind == REHEARSAL:
        playable(there)
    if (waiting := await _waiting(work, there, kind, agent, anew=anew)) is not None:
        work.bookkeeping("it was asked for, and is not done yet")
        return waiting
    who = work.actor
    by = {"kind": who.kind, "id": who.id, "name": who.name, "request_id": who.request_id}
    payload = {"connection": there.id, "agent": agent, "by": by}
    effect = await work.effect(kind, payload, lane=lane_of(there), subject_id=there.id)
    await record(
        work,
        "connection.check_asked",
        "connection",
        there.id,
        {"check": kind, "effect": effect},
        connection_id=there.id,
    )
    return effect


async def _waiting(work: Work, there: Connection, kind: str, agent: str, *, anew: bool) -> str | None:
    """The effect that was asked for with the same words and is not done yet; who asks at the same time waits."""
    await work.tx.one(f"SELECT 1 AS x FROM sb_connection WHERE id = ?{work.tx.for_update}", there.id)
    states = ("pending",) if anew else ("pending", "handed")
    rows = await work.tx.all(
        f"SELECT id, payload FROM sb_effect WHERE lane = ? AND kind = ? AND state IN ({marks(len(states))})"
        " ORDER BY id",
        lane_of(there),
        kind,
        *states,
    )
    same = (row["id"] for row in rows if orjson.loads(row["payload"]).get("agent") == agent)
    return next(same, None)


def lane_of(there: Connection) -> str:
    """The lane of what is asked for about a connection."""
    return f"connect:{there.id}"


def playable(there: Connection) -> None:
    """Refused for a connection that leads to a real tenant: a rehearsal would take its credentials away."""
    address = str(there.settings.get("org_url") or there.settings.get("graph_url") or "")
    if there.kind not in ("okta", "entra"):
        raise Refused("rehearsal-kind", f"There is no sandbox of the kind {there.kind}.")
    if there.has_secrets and not steps.local(address):
        raise Refused(
            "rehearsal-real",
            f"{there.name} is connected to a tenant; a rehearsal would take that away.",
            "Rehearse with a connection of another name.",
        )


@dataclass(slots=True)
class _Telling:
    """Tells a page how far a suite is."""

    progress: Progress
    total: int
    done: int = 0
    failed: int = 0

    def began(self, step: Step) -> None:
        """A step begins."""
        told = {"done": self.done, "total": self.total, "failed": self.failed, "what": step.title}
        self.progress.tell(told)

    def ended(self, result: Result) -> None:
        """A step is over."""
        self.done += 1
        self.failed += result.verdict == FAIL


class Checks:
    """Who does what was asked for."""

    def __init__(self, ctx: Context, idps: Idps, stage: Stage) -> None:
        self._ctx = ctx
        self._idps = idps
        self._stage = stage

    async def probe(self, there: Connection, actor: Actor, _effect: Effect) -> dict[str, Any]:
        """What of the tenant can be used."""
        found = await steps.probed(self._ctx, self._idps, actor, there.id)
        return {"features": [{"name": f.name, "usable": f.usable, "reason": f.reason} for f in found]}

    async def preview(self, there: Connection, _actor: Actor, effect: Effect) -> dict[str, Any]:
        """How one agent would look there."""
        made = await steps.preview(self._ctx, self._idps, there.id, str(effect.payload.get("agent") or ""))
        if made is None:
            return {"agent": "", "lacking": 0, "attributes": []}
        rows = [
            {"there": s.target, "value": s.value, "from": s.source or "", "fate": s.fate} for s in made.steps
        ]
        return {"agent": made.slug, "lacking": made.lacking, "attributes": rows}

    async def proof(self, there: Connection, actor: Actor, effect: Effect) -> dict[str, Any]:
        """The vendor's conformance suite against this bridge."""
        base_url = f"{self._ctx.public_url}{SCIM_PATH}"
        if steps.local(base_url):
            base_url = f"{await self._stage.door()}{SCIM_PATH}"
        progress = Progress(self._ctx.store, effect.id)
        told = _Telling(progress, steps.length(there.kind))
        try:
            report = await steps.proved(self._ctx, actor, there, base_url, telling=told)
        finally:
            await progress.close()
        return reported(report)

    async def rehearse(self, there: Connection, actor: Actor, effect: Effect) -> dict[str, Any]:
        """A sandbox plays the IdP: it provisions with a token of its own, and is the tenant of the way back."""
        playable(there)
        progress = Progress(self._ctx.store, effect.id)
        try:
            progress.tell({"what": f"Starting a sandbox {there.kind.title()}"})
            scene = await self._stage.scene(there.kind)
            secret = await self._rehearsal_token(there, actor)
            progress.tell({"what": "The sandbox does what you would click"})
            answering = [
                (one.user_name, one.display_name)
                for one in await accountable(self._ctx.store.reads, clicks.MOST)
            ]
            said = await clicks.provision(
                there.kind, scene.control, scene.base_url, secret, scene.ca_file, answering
            )
            told, kept = await clicks.credentials(there.kind, scene.control, scene.url, scene.ca_file)
            await steps.credentialed(self._ctx, actor, there.name, told, kept)
            await steps.probed(self._ctx, self._idps, actor, there.id)
        finally:
            await progress.close()
        return {"said": said, "address": scene.url}

    async def _rehearsal_token(self, there: Connection, actor: Actor) -> str:
        rows = await self._ctx.store.reads.all(
            "SELECT id FROM sb_token WHERE connection_id = ? AND label = ? AND revoked IS NULL",
            there.id,
            REHEARSED,
        )
        earlier = tuple(row["id"] for row in rows)
        return await steps.token(self._ctx, actor, there, earlier, REHEARSED)


def reported(report: Report) -> dict[str, Any]:
    """A report as a page shows it: the counts, and the first of what failed."""
    wrong = [one for one in report.results if one.verdict == FAIL]
    return {
        "ok": report.ok,
        "words": report.words,
        "counts": report.counts(),
        "seconds": report.seconds,
        "base_url": report.base_url,
        "failures": [
            {"id": one.id, "title": one.title, "expected": one.expectation[:300], "came": one.came[:300]}
            for one in wrong[:SHOWN]
        ],
        "leftovers": list(report.leftovers[:SHOWN]),
    }


def handlers(ctx: Context, idps: Idps, stage: Stage) -> Mapping[str, Handler]:
    """The handlers of what was asked for."""
    checks = Checks(ctx, idps, stage)
    acts: Mapping[str, Callable[[Connection, Actor, Effect], Awaitable[dict[str, Any]]]] = {
        PROBE: checks.probe,
        PREVIEW: checks.preview,
        PROOF: checks.proof,
        REHEARSAL: checks.rehearse,
    }

    async def handle(effect: Effect) -> Outcome:
        if effect.kind in (PROOF, REHEARSAL) and stage.app is None:
            return Retry("waits for a server: scim-bridge serve", 5.0, asked=True)
        try:
            there = await connection(ctx.store.reads, str(effect.payload["connection"]))
            return Done(await acts[effect.kind](there, Actor(**effect.payload["by"]), effect))
        except (IdpError, OutboundError) as error:
            # Somebody looks at a page and waits: what went wrong is told at once, and asked for again there.
            return Dead(error.text())
        except BridgeError as error:
            return Retry(error.message) if error.status >= 500 else Dead(error.text())

    return dict.fromkeys(KINDS, handle)
