"""GET and POST /signals/okta/{connection}: Okta's event hooks.

Answered within three seconds or not at all as far as Okta is concerned (Okta, Event Hooks): a call is
checked, kept in one transaction, and answered; everything else is an effect's.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, StoreUnavailable
from scim_bridge.kernel.web import endpoint, json_response, read_json
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.tokens import USED_EVERY, Grant, mark_used
from scim_bridge.signals.doors import note_gap, note_heard
from scim_bridge.signals.idp.guard import Guard
from scim_bridge.signals.idp.news import Event, keep
from scim_bridge.signals.idp.okta_event import hooked_events

KIND = "okta-hook"
CHALLENGE = "x-okta-verification-challenge"
MAX_BYTES = 2 * 1024 * 1024
# Okta waits three; what is kept later than this it is told to send again.
SECONDS = 2.5


def door_name(connection: Connection) -> str:
    """The door's name in `sb_door`."""
    return f"{KIND}:{connection.name}"


def routes(ctx: Context) -> list[BaseRoute]:
    """The door's routes."""
    door = HookDoor(ctx)
    return [
        Route("/signals/okta/{connection}", endpoint(door.verify), methods=["GET"]),
        Route("/signals/okta/{connection}", endpoint(door.receive), methods=["POST"]),
    ]


class HookDoor:
    """Takes event hooks of Okta connections."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._guard = Guard(ctx)
        self._keeping: set[asyncio.Task[Any]] = set()

    async def verify(self, request: Request) -> Response:
        """Answer Okta's one-time challenge: it proves that this address is ours, and says nothing else."""
        chosen = await self._guard.connection(request, "okta")
        challenge = request.headers.get(CHALLENGE, "")
        if not challenge or len(challenge) > 512 or not challenge.isprintable():
            raise Invalid(
                "okta-challenge", f"{CHALLENGE} is missing.", "Okta sends it when you verify a hook."
            )
        return json_response({"verification": challenge, "connection": chosen.name})

    async def receive(self, request: Request) -> Response:
        """Keep what a hook tells; an answer of 200 means it is kept and will be looked into."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._received(request)
        except TimeoutError as error:
            raise StoreUnavailable("The database is slow: this may be kept or not.") from error

    async def _received(self, request: Request) -> Response:
        chosen = await self._guard.connection(request, "okta")
        name = door_name(chosen)
        grant = await self._guard.granted(request, chosen, name)
        sender = self._guard.sender(request, chosen)
        try:
            events = hooked_events(await read_json(request, MAX_BYTES))
        except Invalid as error:
            # Okta does not send again after a 4xx: perhaps a leaver whom only the log still knows.
            gap = partial(_unreadable, chosen=chosen, name=name, error=error)
            await self._ctx.store.transact(sender, gap)
            raise
        task = asyncio.ensure_future(
            self._ctx.store.transact(sender, lambda work: _kept(work, chosen, name, events, grant))
        )
        # Not broken off when time is up: it may be committing.
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
        fresh = await asyncio.shield(task)
        return json_response({"kept": fresh, "known": len(events) - fresh})


async def _kept(work: Work, chosen: Connection, name: str, events: list[Event], grant: Grant) -> int:
    work.bookkeeping("news is kept; what follows from it has its own audit rows")
    fresh = await keep(work, chosen.id, name, events, pushed=True)
    times = [min(event.at, work.now) for event in events if event.at is not None]
    await note_heard(
        work,
        name,
        KIND,
        connection_id=chosen.id,
        event=max(times) if times else None,
        events=len(fresh),
    )
    if grant.last_used is None or work.now - grant.last_used > USED_EVERY:
        # The connection's own last call is that of its provisioning.
        await mark_used(work, replace(grant, connection_id=None))
    return len(fresh)


async def _unreadable(work: Work, chosen: Connection, name: str, error: Invalid) -> None:
    await note_heard(work, name, KIND, connection_id=chosen.id)
    await note_gap(work, name, f"a call could not be read: {error.message}")
    detail = {"door": name, "code": error.code, "reason": error.message}
    await record(work, "signal.refused", "signal", None, detail, outcome="refused", connection_id=chosen.id)
