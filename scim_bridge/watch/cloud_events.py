"""CloudEvents 1.0 as activity: structured, in batches, or with its attributes in headers (binary mode)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from scim_bridge.watch.activity_model import Event, Rejected, read_event

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
# Of these the envelope's win: an event is known by its source and id.
ENVELOPE = ("id", "source", "time")


def read_cloud_event(told: Any, now: int) -> Event:
    """One CloudEvent as JSON. Its `data` says what the agent did, as an event of our own form would.

    Where that is silent: the extension `agent` or else `authid` names the agent, `type` is the action,
    `subject` the resource.
    """
    if not isinstance(told, Mapping):
        raise Rejected("event-object", "An event is a JSON object.")
    if told.get("specversion") != "1.0":
        raise Rejected("specversion", "specversion must be 1.0.")
    for name in ("id", "source", "type"):
        if not isinstance(told.get(name), str) or not told[name]:
            raise Rejected(f"{name}-missing", f"A CloudEvent needs {name}.")
    data = told.get("data")
    if data is not None and not isinstance(data, Mapping):
        raise Rejected("data-object", "data must be a JSON object.")
    said: dict[str, Any] = dict(data or {})
    said.setdefault("agent", told.get("agent") or told.get("authid"))
    said.setdefault("resource", told.get("subject"))
    if not said.get("action"):
        said["action"] = told["type"]
    for name in ENVELOPE:
        if told.get(name) is not None:
            said[name] = told[name]
    return read_event(said, "", now)


def from_headers(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The CloudEvent of a request in binary mode: attributes in `ce-` headers, data in the body."""
    found: dict[str, Any] = {
        name[3:]: unquote(value, errors="replace")
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    if body:
        try:
            found["data"] = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Rejected("data-json", f"The data is not JSON ({error}).") from error
    return found
