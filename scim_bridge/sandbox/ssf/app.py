"""The transmitter put together: metadata, keys, tokens, streams, delivery, and what steers them."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import control_route, json_answer
from scim_bridge.sandbox.kit.server import Sandbox
from scim_bridge.sandbox.ssf.control import Steering
from scim_bridge.sandbox.ssf.delivery import Delivery
from scim_bridge.sandbox.ssf.keys import Keys
from scim_bridge.sandbox.ssf.sets import claims, signed, uri_of
from scim_bridge.sandbox.ssf.streams import POLL, PUSH, Streams, Wrong, status_of

TOKEN_SECONDS = 600
CLIENT = "scim-bridge"

Handler = Callable[[Request, str], Awaitable[Response]]


class Transmitter:
    """The transmitter's own API (SSF 1.0 sections 7 and 8)."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.store = sandbox.store
        self.issuer = sandbox.base_url
        self.keys = Keys(self.store)
        self.streams = Streams(self.store, self.issuer)
        self.ca_files = [str(sandbox.ca.ca_file)]
        self.delivery = Delivery(self.store, self.streams, self.ca_files)
        sandbox.seed_with(self._seed)

    def _seed(self) -> None:
        if self.store.get("client", CLIENT) is None:
            self.store.put("client", CLIENT, {"client_secret": secrets.token_urlsafe(24)})

    async def metadata(self, _request: Request) -> Response:
        """SSF 1.0 section 7.1."""
        return json_answer(
            {
                "spec_version": "1_0",
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                "delivery_methods_supported": [PUSH, POLL],
                "configuration_endpoint": f"{self.issuer}/ssf/stream",
                "status_endpoint": f"{self.issuer}/ssf/status",
                "verification_endpoint": f"{self.issuer}/ssf/verify",
                "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
                "default_subjects": "ALL",
            }
        )

    async def jwks(self, _request: Request) -> Response:
        """The public keys."""
        return json_answer(self.keys.published())

    async def token(self, request: Request) -> Response:
        """Access tokens by client credentials (RFC 6749 section 4.4)."""
        form = dict(parse_qsl((await request.body()).decode(errors="replace")))
        known = self.store.get("client", form.get("client_id", ""))
        if known is None or not secrets.compare_digest(known["client_secret"], form.get("client_secret", "")):
            return json_answer({"error": "invalid_client"}, 401)
        token = secrets.token_urlsafe(24)
        until = self.store.clock.now() + TOKEN_SECONDS * SECOND
        self.store.put("token", token, {"client": form["client_id"], "until": until})
        return json_answer({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})

    def gated(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A handler behind the access token; what is Wrong is answered as such."""

        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            known = self.store.get("token", given) if given else None
            if known is None or known["until"] <= self.store.clock.now():
                return json_answer({"err": "authentication_failed", "description": "No valid token."}, 401)
            try:
                return await handler(request, known["client"])
            except Wrong as wrong:
                return json_answer({"err": "invalid_request", "description": str(wrong)}, wrong.status)

        return answer

    async def stream(self, request: Request, client: str) -> Response:
        """Create, read, update and delete a stream (SSF 1.0 section 8.1.1)."""
        if request.method == "POST":
            return json_answer(self.streams.shown(self.streams.create(client, await _body(request))), 201)
        if request.method in ("PUT", "PATCH"):
            whole = request.method == "PUT"
            return json_answer(
                self.streams.shown(self.streams.change(client, await _body(request), whole=whole))
            )
        stream_id = request.query_params.get("stream_id")
        if request.method == "DELETE":
            self.streams.remove(self.streams.of(client, stream_id))
            return Response(status_code=204)
        if stream_id is not None:
            return json_answer(self.streams.shown(self.streams.of(client, stream_id)))
        return json_answer([self.streams.shown(one) for one in self.streams.all() if one["client"] == client])

    async def status(self, request: Request, client: str) -> Response:
        """Read or set a stream's status (SSF 1.0 section 8.1.2)."""
        if request.method == "GET":
            return json_answer(status_of(self.streams.of(client, request.query_params.get("stream_id"))))
        body = await _body(request)
        return json_answer(
            status_of(self.streams.set_status(self.streams.of(client, body.get("stream_id")), body))
        )

    async def verify(self, request: Request, client: str) -> Response:
        """Send a verification event (SSF 1.0 section 8.1.4)."""
        body = await _body(request)
        stream = self.streams.of(client, body.get("stream_id"))
        state = {"state": body["state"]} if isinstance(body.get("state"), str) else {}
        self.about(stream, "verification", state)
        return Response(status_code=204)

    async def poll(self, request: Request, client: str) -> Response:
        """Answer a poll (RFC 8936)."""
        stream = self.streams.of(client, request.path_params["stream_id"])
        return json_answer(self.delivery.poll(stream, await _body(request)))

    def about(self, stream: dict[str, Any], event: str, payload: dict[str, Any]) -> None:
        """Queue an event about the stream itself."""
        jti = secrets.token_hex(12)
        subject = {"format": "opaque", "id": stream["stream_id"]}
        said = claims(
            self.issuer,
            self.streams.shown(stream)["aud"],
            jti,
            self.store.clock.now() // SECOND,
            uri_of(event),
            payload,
            subject,
        )
        self.delivery.add(stream, jti, signed(said, self.keys.current()), control=True)


async def _body(request: Request) -> dict[str, Any]:
    try:
        found = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Wrong(400, "The body is no JSON object.")
    return found


def build(sandbox: Sandbox) -> Sequence[BaseRoute]:
    """Every route of the transmitter."""
    there = Transmitter(sandbox)
    steering = Steering(there)
    sandbox.background.append(there.delivery.run)
    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return [
        Route("/.well-known/ssf-configuration", there.metadata),
        Route("/jwks", there.jwks),
        Route("/token", there.token, methods=["POST"]),
        Route("/ssf/stream", there.gated(there.stream), methods=every),
        Route("/ssf/status", there.gated(there.status), methods=["GET", "POST"]),
        Route("/ssf/verify", there.gated(there.verify), methods=["POST"]),
        Route("/ssf/poll/{stream_id}", there.gated(there.poll), methods=["POST"]),
        control_route("/client", steering.client, ["GET", "PUT"]),
        control_route("/events", steering.happen, ["POST"]),
        control_route("/sets", steering.sets, ["GET"]),
        control_route("/loses", steering.loses, ["POST"]),
        control_route("/again", steering.again, ["POST"]),
        control_route("/rotate", steering.rotate, ["POST"]),
        control_route("/streams", steering.streams, ["GET"]),
        control_route("/status", steering.status, ["POST"]),
    ]
