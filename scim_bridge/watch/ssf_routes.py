"""The transmitter's doors (SSF 1.0 sections 7 and 8): metadata, streams, status, subjects, verification, polls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Invalid, NotFound
from scim_bridge.kernel.web import endpoint, json_response, read_json
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_names import agent_id_named
from scim_bridge.registry.event_types import POLL_METHOD, PUSH_METHOD
from scim_bridge.registry.model import fold
from scim_bridge.registry.tokens import SSF_MANAGE, SSF_READ
from scim_bridge.watch import ssf_streams as kept
from scim_bridge.watch.ssf_caller import receiver
from scim_bridge.watch.ssf_keys import jwks
from scim_bridge.watch.ssf_model import (
    DISABLED,
    PUSH,
    STATUSES,
    Stream,
    configuration,
    contradicts,
    read_asked,
)
from scim_bridge.watch.ssf_poll import Polling, read_poll
from scim_bridge.watch.ssf_subjects import names_in

WELL_KNOWN = "/.well-known/ssf-configuration"
MAX_BYTES = 65_536
LONGEST_STATE = 500


class TransmitterSettings(Protocol):
    """The settings this door reads."""

    @property
    def default_subjects(self) -> str:
        """ALL or NONE."""

    @property
    def verify_seconds(self) -> int:
        """Seconds between verifications of one stream."""


class TooOften(BridgeError):
    """A verification was asked for a moment ago."""

    status = 429


def routes(ctx: Context, settings: TransmitterSettings) -> Sequence[BaseRoute]:
    """Where the transmitter is."""
    door = Door(ctx, settings)
    return [
        Route(WELL_KNOWN, endpoint(door.metadata)),
        Route("/ssf/jwks.json", endpoint(door.keys)),
        Route("/ssf/streams", endpoint(door.create), methods=["POST"]),
        Route("/ssf/streams", endpoint(door.read), methods=["GET"]),
        Route("/ssf/streams", endpoint(door.update), methods=["PATCH", "PUT"]),
        Route("/ssf/streams", endpoint(door.delete), methods=["DELETE"]),
        Route("/ssf/status", endpoint(door.status), methods=["GET"]),
        Route("/ssf/status", endpoint(door.set_status), methods=["POST"]),
        Route("/ssf/subjects/add", endpoint(door.add_subject), methods=["POST"]),
        Route("/ssf/subjects/remove", endpoint(door.remove_subject), methods=["POST"]),
        Route("/ssf/verify", endpoint(door.verify), methods=["POST"]),
        Route("/ssf/poll/{stream_id}", endpoint(door.poll), methods=["POST"]),
    ]


class Door:
    """Answers receivers. A stream of somebody else does not exist for them."""

    def __init__(self, ctx: Context, settings: TransmitterSettings) -> None:
        self._ctx = ctx
        self._settings = settings
        self._polling = Polling(ctx)

    async def metadata(self, _request: Request) -> Response:
        """GET: the transmitter's configuration metadata (SSF 1.0 section 7.1)."""
        base = self._ctx.public_url
        return json_response(
            {
                "spec_version": "1_0",
                "issuer": base,
                "jwks_uri": f"{base}/ssf/jwks.json",
                "delivery_methods_supported": [PUSH_METHOD, POLL_METHOD],
                "configuration_endpoint": f"{base}/ssf/streams",
                "status_endpoint": f"{base}/ssf/status",
                "add_subject_endpoint": f"{base}/ssf/subjects/add",
                "remove_subject_endpoint": f"{base}/ssf/subjects/remove",
                "verification_endpoint": f"{base}/ssf/verify",
                "authorization_schemes": [
                    {"spec_urn": "urn:ietf:rfc:6749"},
                    {"spec_urn": "urn:ietf:rfc:6750"},
                ],
                "default_subjects": self._settings.default_subjects,
            },
            headers={"cache-control": "public, max-age=300"},
        )

    async def keys(self, _request: Request) -> Response:
        """GET: the keys that sign events (RFC 7517)."""
        found = await jwks(self._ctx.store.reads, self._ctx.store.clock.now())
        return json_response(found, headers={"cache-control": "public, max-age=300"})

    def _said(self, found: Stream) -> dict[str, Any]:
        return configuration(found, self._ctx.public_url, self._settings.verify_seconds)

    async def create(self, request: Request) -> Response:
        """POST: a new stream, 201 with its configuration."""
        caller = await receiver(self._ctx, request, SSF_MANAGE)
        asked = read_asked(await read_json(request, MAX_BYTES))

        async def body(work: Work) -> Stream:
            return await kept.create(work, self._ctx, asked, caller.owner, self._settings.default_subjects)

        return json_response(self._said(await self._ctx.store.transact(caller.actor, body)), 201)

    async def read(self, request: Request) -> Response:
        """GET ?stream_id=: one stream's configuration; without the id a list of one's own."""
        caller = await receiver(self._ctx, request, SSF_READ)
        reads, wanted = self._ctx.store.reads, request.query_params.get("stream_id")
        if wanted is not None:
            return json_response(self._said(await kept.stream(reads, wanted, caller.owner)))
        return json_response([self._said(one) for one in await kept.streams(reads, caller.owner)])

    async def update(self, request: Request) -> Response:
        """PATCH changes what is said, PUT replaces all that is the receiver's; 200 with the configuration."""
        caller = await receiver(self._ctx, request, SSF_MANAGE)
        said = await read_json(request, MAX_BYTES)
        found = await self._named(said, caller.owner)
        wrong = contradicts(said, self._said(found))
        if wrong is not None:
            raise Invalid(
                "stream-configuration", f"{wrong} is not the receiver's to change.", "Leave it out."
            )
        asked = read_asked(said)

        async def body(work: Work) -> Stream:
            return await kept.change(work, self._ctx, found, asked, whole=request.method == "PUT")

        return json_response(self._said(await self._ctx.store.transact(caller.actor, body)))

    async def delete(self, request: Request) -> Response:
        """DELETE ?stream_id=: 204, and nothing more is told."""
        caller = await receiver(self._ctx, request, SSF_MANAGE)
        found = await self._named(request.query_params, caller.owner)
        await self._ctx.store.transact(caller.actor, lambda work: kept.delete(work, found))
        return Response(status_code=204)

    async def status(self, request: Request) -> Response:
        """GET ?stream_id=: {stream_id, status, reason?}."""
        caller = await receiver(self._ctx, request, SSF_READ)
        return json_response(_status(await self._named(request.query_params, caller.owner)))

    async def set_status(self, request: Request) -> Response:
        """POST {stream_id, status, reason?}: 200 with the status it has now."""
        caller = await receiver(self._ctx, request, SSF_MANAGE)
        said = await read_json(request, MAX_BYTES)
        found = await self._named(said, caller.owner)
        status, reason = said.get("status"), said.get("reason", "")
        if status not in STATUSES:
            raise Invalid("stream-status", "status is none.", f"Use one of {', '.join(STATUSES)}.")
        if not isinstance(reason, str) or not (reason == "" or reason.isprintable()):
            raise Invalid("stream-status", "reason is no short text on one line.", "Leave it out.")

        async def body(work: Work) -> Stream:
            return await kept.set_status(
                work, self._ctx.public_url, found, str(status), reason, by_receiver=True
            )

        return json_response(_status(await self._ctx.store.transact(caller.actor, body)))

    async def add_subject(self, request: Request) -> Response:
        """POST {stream_id, subject, verified?}: 200, empty."""
        await self._subject(request, included=True)
        return Response(status_code=200, headers={"cache-control": "no-store"})

    async def remove_subject(self, request: Request) -> Response:
        """POST {stream_id, subject}: 204."""
        await self._subject(request, included=False)
        return Response(status_code=204)

    async def _subject(self, request: Request, *, included: bool) -> None:
        """A subject nobody here knows is answered alike (SSF 1.0 section 9.1): who asks learns nothing."""
        caller = await receiver(self._ctx, request, SSF_MANAGE)
        said = await read_json(request, MAX_BYTES)
        found = await self._named(said, caller.owner)
        kind, name = names_in(said.get("subject"), self._ctx.public_url)
        agent_id = await _agent(self._ctx, caller.owner, kind, name)
        if agent_id is None:
            return
        await self._ctx.store.transact(
            caller.actor, lambda work: kept.include(work, found, agent_id, included=included)
        )

    async def verify(self, request: Request) -> Response:
        """POST {stream_id, state?}: 204, and the event comes on the stream."""
        caller = await receiver(self._ctx, request, SSF_MANAGE)
        said = await read_json(request, MAX_BYTES)
        found = await self._named(said, caller.owner)
        state = said.get("state")
        if state is not None and (not isinstance(state, str) or not 0 < len(state) <= LONGEST_STATE):
            raise Invalid(
                "verification-state", "state is no short text.", f"At most {LONGEST_STATE} characters."
            )
        if found.status == DISABLED:
            raise Invalid("stream-disabled", "Nothing is sent on a disabled stream.", "Enable it first.")
        self._not_too_often(found)
        await self._ctx.store.transact(
            caller.actor, lambda work: kept.verify(work, self._ctx.public_url, found, state)
        )
        return Response(status_code=204)

    def _not_too_often(self, found: Stream) -> None:
        if found.verified is None:
            return
        ready = found.verified + self._settings.verify_seconds * SECOND
        wait = ready - self._ctx.store.clock.now()
        if wait > 0:
            raise TooOften(
                "verification-often",
                "A verification was asked for a moment ago.",
                "See min_verification_interval.",
                retry_after=-(-wait // SECOND),
            )

    async def poll(self, request: Request) -> Response:
        """POST: a poll (RFC 8936 section 2)."""
        caller = await receiver(self._ctx, request, SSF_READ)
        found = await kept.stream(self._ctx.store.reads, request.path_params["stream_id"], caller.owner)
        if found.method == PUSH:
            raise NotFound("stream-pushed", "This stream is pushed; there is nothing to fetch.")
        asked = read_poll(await read_json(request, MAX_BYTES))
        return json_response(await self._polling.answer(caller.actor, found, asked))

    async def _named(self, said: Any, owner: str) -> Stream:
        wanted = said.get("stream_id")
        if not isinstance(wanted, str) or not wanted:
            raise Invalid("stream-id", "stream_id is missing.", "Name the stream.")
        return await kept.stream(self._ctx.store.reads, wanted, owner)


def _status(found: Stream) -> dict[str, str]:
    made = {"stream_id": found.id, "status": found.status}
    return {**made, "reason": found.reason} if found.reason else made


async def _agent(ctx: Context, owner: str, kind: str, name: str) -> str | None:
    """The live agent a receiver means: by our id, by what its connection calls it, or by name or address."""
    reads = ctx.store.reads
    if kind == "id":
        row = await reads.one(
            "SELECT r.id FROM sb_resource r LEFT JOIN sb_external e ON e.resource_id = r.id AND e.connection_id = ?"
            " WHERE r.kind = 'agent' AND r.deleted IS NULL AND (r.id = ? OR e.external_id = ?)",
            owner,
            name,
            name,
        )
        return None if row is None else str(row["id"])
    found = await agent_id_named(reads, name)
    if found is not None:
        return found
    rows = await reads.all(
        "SELECT r.id FROM sb_attr a JOIN sb_resource r ON r.id = a.resource_id"
        " WHERE a.name = 'emails.value' AND a.key = ? AND r.kind = 'agent' AND r.deleted IS NULL LIMIT 2",
        fold(name),
    )
    return rows[0]["id"] if len(rows) == 1 else None
