"""The doors for activity: POST /activity (our own form, CloudEvents) and POST /v1/logs (OpenTelemetry)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from time import perf_counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Invalid
from scim_bridge.kernel.web import JSON, WrongMedia, endpoint, json_response, problem_headers
from scim_bridge.registry.callers import api_caller
from scim_bridge.watch import cloud_events, otlp, otlp_wire
from scim_bridge.watch.activity_body import MOST_EVENTS, json_of, lines_of, read_packed, too_many
from scim_bridge.watch.activity_model import Event, Rejected, checked, read_event
from scim_bridge.watch.activity_store import Sighting
from scim_bridge.watch.agent_lookup import AgentLookup
from scim_bridge.watch.intake import Intake

SCOPE = "activity"
LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
# So many reasons are told one by one; beyond, only their number.
TOLD = 100
# After so many seconds of reading events others get their turn on the event loop.
TURN = 0.005
# The codes of google.rpc.Status for ours of HTTP.
RPC_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 429: 8, 503: 14}
RPC_UNKNOWN = 2

Read = Callable[[Any], Event]


class ActivityDoor:
    """Takes activity over HTTP."""

    def __init__(self, ctx: Context, intake: Intake) -> None:
        self._ctx = ctx
        self._intake = intake
        self._lookup = AgentLookup(ctx.store)

    async def activity(self, request: Request) -> Response:
        """POST events → 200 {accepted, duplicates, rejected, errors}; 422 with the same when none was taken."""
        await api_caller(self._ctx, request, SCOPE)
        now = self._ctx.store.clock.now()
        kind = request.headers.get("content-type", JSON).split(";", 1)[0].strip().casefold()
        body = await read_packed(request)
        told, read = _form(request, kind, body, now)
        answer = await self._taken(told, read)
        nothing = answer["rejected"] and not answer["accepted"] and not answer["duplicates"]
        return json_response(answer, 422 if nothing else 200)

    async def logs(self, request: Request) -> Response:
        """POST an OTLP export of logs → 200 with partialSuccess where records were not taken.

        In JSON or protobuf, and answered in the same; a refusal in protobuf is a google.rpc.Status.
        """
        kind = request.headers.get("content-type", JSON).split(";", 1)[0].strip().casefold()
        if kind not in otlp_wire.PROTOBUF:
            rejected, why = await self._logs(request, kind)
            partial = {"rejectedLogRecords": str(rejected), "errorMessage": why}
            return json_response({"partialSuccess": partial} if rejected else {})
        try:
            answer = otlp_wire.response(*await self._logs(request, kind))
        except BridgeError as error:
            said = otlp_wire.status(RPC_CODES.get(error.status, RPC_UNKNOWN), error.text())
            headers = problem_headers(error)
            return Response(said, error.status, media_type=otlp_wire.PROTOBUF[0], headers=headers)
        return Response(answer, media_type=otlp_wire.PROTOBUF[0], headers={"cache-control": "no-store"})

    async def _logs(self, request: Request, kind: str) -> tuple[int, str]:
        """Take an export; how many records were not taken, and why."""
        await api_caller(self._ctx, request, SCOPE)
        if kind != JSON and kind not in otlp_wire.PROTOBUF:
            raise WrongMedia(
                "media-type",
                f"OTLP of type {kind[:60]!r} is not read here.",
                f"Send {JSON} or {otlp_wire.PROTOBUF[0]}.",
            )
        now, body = self._ctx.store.clock.now(), await read_packed(request)
        found: Iterator[tuple[Mapping[str, Any], Any]]
        if kind == JSON:
            found = otlp.records(json_of(body))
            read: Read = lambda told: otlp.read_record(told[0], told[1], now)  # noqa: E731
        else:
            found = otlp_wire.places(body)
            read = lambda told: otlp.read_record(told[0], otlp_wire.record(body, told[1]), now)  # noqa: E731
        try:
            records = list(islice(found, MOST_EVENTS + 1))
        except Rejected as error:
            raise Invalid(error.code, error.message, "Send an ExportLogsServiceRequest.") from error
        answer = await self._taken(records, read)
        reasons = sorted({f"{error['code']}: {error['message']}" for error in answer["errors"]})
        return answer["rejected"], " ".join(reasons)[:1000]

    async def handshake(self, request: Request) -> Response:
        """OPTIONS: yes to a CloudEvents sender that asks whether it may send (its webhook specification, 4)."""
        origin = request.headers.get("webhook-request-origin", "")
        allowed = {"webhook-allowed-origin": origin} if origin.isprintable() and 0 < len(origin) < 256 else {}
        return Response(status_code=204, headers={"allow": "POST, OPTIONS", **allowed})

    async def _taken(self, told: Sequence[Any], read: Read) -> dict[str, Any]:
        if len(told) > MOST_EVENTS:
            raise too_many()
        events, refused = await _each(told, read)
        known = await self._lookup.ids({event.agent for _, event in events})
        seen: list[Sighting] = []
        for index, event in events:
            agent_id = known[event.agent]
            if agent_id is None:
                refused.append(
                    (
                        index,
                        event.event_id,
                        Rejected("agent-unknown", f"No agent is called {event.agent[:80]!r}."),
                    )
                )
            else:
                seen.append(Sighting(agent_id, event))
        taken = await self._intake.take(seen)
        errors = [
            {"index": index, "id": event_id, "code": error.code, "message": error.message}
            for index, event_id, error in sorted(refused, key=lambda one: one[0])[:TOLD]
        ]
        return {
            "accepted": taken.accepted,
            "duplicates": taken.duplicates,
            "rejected": len(refused),
            "errors": errors,
        }

    def routes(self) -> list[BaseRoute]:
        """Where the doors are."""
        return [
            Route("/activity", endpoint(self.activity), methods=["POST"]),
            Route("/activity", endpoint(self.handshake), methods=["OPTIONS"]),
            Route("/v1/logs", endpoint(self.logs), methods=["POST"]),
        ]


async def _each(
    told: Sequence[Any], read: Read
) -> tuple[list[tuple[int, Event]], list[tuple[int, str, Rejected]]]:
    began = perf_counter()
    events: list[tuple[int, Event]] = []
    refused: list[tuple[int, str, Rejected]] = []
    for index, one in enumerate(told):
        if perf_counter() - began > TURN:
            await asyncio.sleep(0)
            began = perf_counter()
        try:
            events.append((index, read(one)))
        except Rejected as error:
            refused.append((index, _id_in(one), error))
    return events, refused


def _id_in(told: Any) -> str:
    found = told.get("id") if isinstance(told, dict) else None
    return found[:100] if isinstance(found, str) and found.isprintable() else ""


def _form(request: Request, kind: str, body: bytes, now: int) -> tuple[Sequence[Any], Read]:
    """The events of a request, and how each is read."""
    source = _source(request.query_params.get("source", ""))
    if kind == cloud_events.BATCH:
        return _listed(json_of(body)), lambda told: cloud_events.read_cloud_event(told, now)
    if kind == cloud_events.ONE:
        return [json_of(body)], lambda told: cloud_events.read_cloud_event(told, now)
    if kind in LINES:
        return lines_of(body), lambda told: read_event(told, source, now)
    if kind != JSON:
        forms = ", ".join((JSON, LINES[0], cloud_events.ONE, cloud_events.BATCH))
        raise WrongMedia("media-type", f"Bodies of type {kind[:60]!r} are not read here.", f"Send {forms}.")
    if "ce-specversion" in request.headers:
        return [None], lambda _: _binary(request, body, now)
    found = json_of(body)
    if isinstance(found, dict) and "events" in found:
        source = _source(found.get("source", source))
        return _listed(found["events"]), lambda told: read_event(told, source, now)
    return (found if isinstance(found, list) else [found]), lambda told: read_event(told, source, now)


def _binary(request: Request, body: bytes, now: int) -> Event:
    return cloud_events.read_cloud_event(cloud_events.from_headers(request.headers, body), now)


def _listed(found: Any) -> Sequence[Any]:
    if not isinstance(found, list):
        raise Invalid("events-list", "The events are not a list.", "Send a JSON list of events.")
    return found


def _source(value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid("source-invalid", "source must be text.", "Name the sender, such as a host or a URL.")
    try:
        return checked(value, "source")
    except Rejected as error:
        raise Invalid(error.code, error.message, "Name the sender in fewer, printable characters.") from error
