"""Streams as the transmitter keeps them: configuration and status (SSF 1.0 section 8.1). One for each client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.kit.store import Store
from scim_bridge.sandbox.ssf.sets import EVENTS, uri_of

KIND = "stream"
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
STATUSES = ("enabled", "paused", "disabled")
SUPPORTED = tuple(uri_of(name) for name in EVENTS if EVENTS[name] != "ssf")


class Wrong(Exception):
    """A request about streams that is answered with this status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Streams:
    """The streams of one store. `issuer` is also where they are polled."""

    def __init__(self, store: Store, issuer: str) -> None:
        self._store = store
        self._issuer = issuer

    def all(self) -> list[dict[str, Any]]:
        """Every stream, oldest first."""
        return [value for _, value in self._store.all(KIND)]

    def of(self, client: str, stream_id: Any) -> dict[str, Any]:
        """A client's stream by its id; Wrong when it has none of that id."""
        found = self._store.get(KIND, stream_id) if isinstance(stream_id, str) else None
        if found is None or found["client"] != client:
            raise Wrong(404, "There is no such stream.")
        return found

    def create(self, client: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a client's stream; Wrong 409 when it has one."""
        if any(one["client"] == client for one in self.all()):
            raise Wrong(409, "This client has a stream.")
        stream_id = f"stream-{len(self.all()) + 1}-{client}"
        made = {"stream_id": stream_id, "client": client, "status": "enabled", "reason": ""}
        return self._put(self._configured(made, {"events_requested": list(SUPPORTED), **body}))

    def change(self, client: str, body: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
        """Change what the receiver supplies; with `whole`, what is not said is taken out."""
        known = self.of(client, body.get("stream_id"))
        base = {"events_requested": list(SUPPORTED)} if whole else {}
        return self._put(self._configured(known, {**base, **body}))

    def set_status(self, stream: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Set a stream's status; Wrong for one that is none."""
        if body.get("status") not in STATUSES:
            raise Wrong(400, f"'status' is one of {', '.join(STATUSES)}.")
        return self._put({**stream, "status": body["status"], "reason": str(body.get("reason", ""))})

    def remove(self, stream: Mapping[str, Any]) -> None:
        """Forget a stream."""
        self._store.delete(KIND, str(stream["stream_id"]))

    def _put(self, stream: dict[str, Any]) -> dict[str, Any]:
        self._store.put(KIND, stream["stream_id"], stream)
        return stream

    def _configured(self, stream: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        delivery = body.get("delivery", stream.get("delivery", {"method": POLL}))
        if not isinstance(delivery, Mapping) or delivery.get("method") not in (PUSH, POLL):
            raise Wrong(400, "'delivery.method' is none that is supported.")
        delivery = dict(delivery)
        if delivery["method"] == POLL:
            delivery = {"method": POLL, "endpoint_url": f"{self._issuer}/ssf/poll/{stream['stream_id']}"}
        elif not str(delivery.get("endpoint_url", "")).startswith("https://127.0.0.1"):
            raise Wrong(400, "'delivery.endpoint_url' is an https address of this machine.")
        requested = body.get("events_requested", stream.get("events_requested"))
        if not isinstance(requested, list) or not all(isinstance(one, str) for one in requested):
            raise Wrong(400, "'events_requested' is a list of URIs.")
        return {
            **stream,
            "delivery": delivery,
            "events_requested": requested,
            "description": str(body.get("description", stream.get("description", ""))),
        }

    def shown(self, stream: Mapping[str, Any]) -> dict[str, Any]:
        """A stream's configuration as it is answered."""
        audience = stream["delivery"].get("endpoint_url") if stream["delivery"]["method"] == PUSH else None
        return {
            "stream_id": stream["stream_id"],
            "iss": self._issuer,
            "aud": [audience or f"{self._issuer}/receivers/{stream['client']}"],
            "events_supported": list(SUPPORTED),
            "events_requested": stream["events_requested"],
            "events_delivered": [uri for uri in SUPPORTED if uri in stream["events_requested"]],
            "delivery": {k: v for k, v in stream["delivery"].items() if k != "authorization_header"},
            "min_verification_interval": 0,
            "description": stream["description"],
        }


def status_of(stream: Mapping[str, Any]) -> dict[str, Any]:
    """A stream's status as it is answered."""
    told = {"stream_id": stream["stream_id"], "status": stream["status"]}
    return {**told, "reason": stream["reason"]} if stream["reason"] else told
