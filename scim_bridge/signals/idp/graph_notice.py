"""POST /signals/entra/{connection}: Microsoft Graph's change notifications, and those about the subscription.

Graph waits ten seconds for the echo of its validation token and three for the answer to a notice
(Graph, change notifications via webhooks): a notice is checked, kept, and answered with 202.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.errors import Invalid, StoreUnavailable, Unauthenticated
from scim_bridge.kernel.peppered import outdated, shows, stated
from scim_bridge.kernel.web import endpoint, read_json
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection
from scim_bridge.signals.doors import note_gap, note_heard
from scim_bridge.signals.idp import graph_delta
from scim_bridge.signals.idp.guard import Guard
from scim_bridge.signals.idp.listeners import hurry, listener
from scim_bridge.signals.idp.news import Event, keep_again

KIND = "graph-notice"
STATE = "client-state"
MAX_BYTES = 2 * 1024 * 1024
SECONDS = 2.5
LONGEST_TOKEN = 4096
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_KINDS = ("created", "updated", "deleted")


def door_name(connection: Connection) -> str:
    """The door's name in `sb_door`."""
    return f"{KIND}:{connection.name}"


def digest(master: MasterKey, proof: str) -> str:
    """What is kept of a clientState: enough to know it again, not to forge it."""
    return stated(master, STATE, proof)


@dataclass(frozen=True, slots=True)
class Notices:
    """What one call tells: people who changed, and the subscription's own news (its id, the event)."""

    people: tuple[Event, ...]
    lifecycle: tuple[tuple[str, str], ...]


def read_notices(value: list[Any], proofs: list[str], master: MasterKey) -> tuple[Notices, int]:
    """(what the genuine notices say, how many were not genuine): each must carry one of our proofs."""
    people: list[Event] = []
    lifecycle: list[tuple[str, str]] = []
    forged = 0
    for notice in value:
        given = notice.get("clientState") if isinstance(notice, Mapping) else None
        if not isinstance(given, str) or not any(shows(master, STATE, given, known) for known in proofs):
            forged += 1
        elif notice.get("lifecycleEvent"):
            lifecycle.append((str(notice.get("subscriptionId")), str(notice["lifecycleEvent"])))
        else:
            people += _person(notice)
    return Notices(tuple(people), tuple(lifecycle)), forged


def _person(notice: Mapping[str, Any]) -> list[Event]:
    data = notice.get("resourceData")
    named = data.get("id") if isinstance(data, Mapping) else None
    if not named:
        named = str(notice.get("resource") or "").rstrip("/").rpartition("/")[2]
    remote_id, kind = str(named).lower(), notice.get("changeType")
    if not _GUID.fullmatch(remote_id) or kind not in _KINDS:
        return []
    return [Event("", f"user.{kind}", remote_id)]


def routes(ctx: Context) -> list[BaseRoute]:
    """The door's route."""
    door = NoticeDoor(ctx)
    return [Route("/signals/entra/{connection}", endpoint(door.receive), methods=["POST"])]


class NoticeDoor:
    """Takes notices for Entra connections."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._guard = Guard(ctx)
        self._keeping: set[asyncio.Task[None]] = set()

    async def receive(self, request: Request) -> Response:
        """Echo a validation token, or keep what notices tell: 202 means kept."""
        try:
            async with asyncio.timeout(SECONDS):
                chosen = await self._guard.connection(request, "entra")
                token = request.query_params.get("validationToken")
                if token is not None:
                    return _echo(token)
                return await self._received(request, chosen)
        except TimeoutError as error:
            raise StoreUnavailable("The database is slow: this may be kept or not.") from error

    async def _received(self, request: Request, chosen: Connection) -> Response:
        name = door_name(chosen)
        value = (await read_json(request, MAX_BYTES)).get("value")
        if not isinstance(value, list):
            raise Invalid("graph-notice", "This is no collection of notices.", "Send value, a list.")
        known = await listener(self._ctx.store.reads, name)
        proofs = known.proof.split() if known is not None else []
        notices, forged = read_notices(value, proofs, self._ctx.master)
        anew = (
            _anew(value, proofs, self._ctx.master)
            if any(map(partial(outdated, self._ctx.master), proofs))
            else {}
        )
        if forged:
            error = Unauthenticated(
                "client-state", f"{forged} of {len(value)} notices do not carry our clientState."
            )
            await self._guard.refused(request, chosen, name, error)
            if forged == len(value):
                raise error
        sender = self._guard.sender(request, chosen)
        task = asyncio.ensure_future(
            self._ctx.store.transact(sender, lambda work: _kept(work, chosen, notices, anew))
        )
        # Not broken off when time is up: it may be committing.
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
        await asyncio.shield(task)
        return Response(status_code=202)


def _echo(token: str) -> Response:
    """The token as text, and as nothing else: it comes from whoever called."""
    if not token or len(token) > LONGEST_TOKEN:
        raise Invalid("validation-token", "The validation token is empty or too long.")
    headers = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
    return PlainTextResponse(token, headers=headers)


def _anew(value: list[Any], proofs: list[str], master: MasterKey) -> dict[str, str]:
    """By the proofs that are digested by an earlier master key: the current key's, where they were shown."""
    given = {str(notice.get("clientState")) for notice in value if isinstance(notice, Mapping)}
    return {
        known: digest(master, shown)
        for known in proofs
        if outdated(master, known)
        for shown in given
        if shows(master, STATE, shown, known)
    }


async def _kept(work: Work, chosen: Connection, notices: Notices, anew: Mapping[str, str]) -> None:
    work.bookkeeping("news is kept; what follows from it has its own audit rows")
    name = door_name(chosen)
    for before, after in anew.items():
        await work.tx.run(
            "UPDATE sb_listener SET proof = REPLACE(proof, ?, ?) WHERE name = ?", before, after, name
        )
    await keep_again(work, chosen.id, name, notices.people)
    # A notice does not say when it happened: it is as old as its arrival.
    at = work.now if notices.people else None
    await note_heard(work, name, KIND, connection_id=chosen.id, event=at, events=len(notices.people))
    for subscription, event in notices.lifecycle:
        await _lifecycle(work, chosen, subscription, event)


async def _lifecycle(work: Work, chosen: Connection, subscription: str, event: str) -> None:
    """What Graph says of the subscription itself: renew it, make a new one, or ask for what was missed."""
    name = door_name(chosen)
    known = await listener(work.tx, name, lock=work.tx.for_update)
    if known is None or known.remote_id != subscription:
        return
    if event in ("missed", "subscriptionRemoved"):
        await note_gap(work, name, f"Entra says {event}: who changed meanwhile is asked for by delta")
        await hurry(work, graph_delta.door_name(chosen))
    if event == "missed":
        return
    gone = event == "subscriptionRemoved"
    await work.tx.run(
        "UPDATE sb_listener SET expires = NULL, remote_id = ? WHERE name = ?",
        "" if gone else subscription,
        name,
    )
    await hurry(work, name)
