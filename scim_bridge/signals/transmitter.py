"""Talking to a transmitter of security events: its metadata, our stream there, its status, verification (SSF 1.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from scim_bridge.kernel.errors import Conflict, Invalid
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.signals.streams import PUSH, Stream, checked_address
from scim_bridge.signals.transmitter_calls import MAX_BYTES, Calls, TransmitterRefused, read

WELL_KNOWN = "/.well-known/ssf-configuration"
METHODS = {"push": "urn:ietf:rfc:8935", "poll": "urn:ietf:rfc:8936"}
# Members of the metadata by what we use them for (SSF 1.0 section 7.1).
METADATA = {
    "keys": "jwks_uri",
    "configuration": "configuration_endpoint",
    "status": "status_endpoint",
    "verification": "verification_endpoint",
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a transmitter publishes of itself: its issuer, its addresses by use, how it delivers."""

    issuer: str
    endpoints: Mapping[str, str]
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Configured:
    """A stream as the transmitter made it."""

    stream_id: str
    audiences: tuple[str, ...]
    poll_url: str
    events: tuple[str, ...]


def well_known(address: str) -> tuple[str, str]:
    """(issuer, address of its metadata) from either of the two (SSF 1.0 section 7.2)."""
    checked_address("the transmitter", address)
    parts = urlsplit(address)
    path = parts.path.removeprefix(WELL_KNOWN) if parts.path.startswith(WELL_KNOWN) else parts.path
    issuer = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    metadata = urlunsplit((parts.scheme, parts.netloc, WELL_KNOWN + path.rstrip("/"), "", ""))
    return issuer, metadata


async def discover(outbound: Outbound, address: str) -> Metadata:
    """What the transmitter at this address publishes; TransmitterRefused when it is another's."""
    issuer, url = well_known(address)
    answer = await outbound.send("GET", url, headers={"accept": "application/json"}, max_bytes=MAX_BYTES)
    said = read(answer, (200,), "its configuration")
    if not isinstance(said.get("issuer"), str) or said["issuer"].rstrip("/") != issuer.rstrip("/"):
        raise TransmitterRefused(
            "transmitter-answer",
            f"The configuration at {url} is not of {issuer}.",
            "Give the issuer's address.",
        )
    endpoints = {use: said[member] for use, member in METADATA.items() if isinstance(said.get(member), str)}
    for use, found in endpoints.items():
        checked_address(use, found)
    offered = said.get("delivery_methods_supported")
    methods = tuple(one for one in offered if isinstance(one, str)) if isinstance(offered, list) else ()
    return Metadata(said["issuer"], endpoints, methods)


async def create(
    calls: Calls,
    found: Metadata,
    method: str,
    secrets: Mapping[str, str],
    token_url: str,
    events: Sequence[str],
    endpoint: str,
    authorization: str,
    own: str = "",
) -> Configured:
    """A stream for us at the transmitter; Conflict when it has one for these credentials that is not ours.

    Ours is the one with the id `own`, and one that an attempt whose answer was lost has left.
    """
    url = found.endpoints.get("configuration")
    if url is None:
        raise Invalid(
            "stream-by-hand",
            "This transmitter lets nobody make streams.",
            "Set it up there, then --issuer here.",
        )
    if found.methods and METHODS[method] not in found.methods:
        raise Invalid(
            "stream-method",
            f"This transmitter does not deliver by {method}.",
            f"It says {', '.join(found.methods)}.",
        )
    delivery: dict[str, str] = {"method": METHODS[method]}
    if method == PUSH:
        delivery |= {"endpoint_url": endpoint, "authorization_header": authorization}
    described = f"scim-bridge {endpoint}"
    asked = {"delivery": delivery, "events_requested": list(events), "description": described}
    answer = await calls.json("POST", url, secrets, token_url, asked)
    if answer.status == 409:
        known = await _known(calls, url, secrets, token_url)
        if not _ours(known, endpoint, described, own):
            raise Conflict(
                "stream-exists",
                "The transmitter has a stream for these credentials, and it is not this connection's.",
                "Remove that one there, or use other credentials.",
            )
        change = {**asked, "stream_id": known.get("stream_id")}
        answer = await calls.json("PATCH", url, secrets, token_url, change)
    return configured(read(answer, (200, 201, 202), "a stream"), method)


def _ours(known: Mapping[str, Any], endpoint: str, described: str, own: str) -> bool:
    delivery = known.get("delivery")
    pushed = delivery.get("endpoint_url") if isinstance(delivery, dict) else None
    mine = bool(own) and known.get("stream_id") == own
    return mine or pushed == endpoint or known.get("description") == described


async def _known(calls: Calls, url: str, secrets: Mapping[str, str], token_url: str) -> dict[str, Any]:
    return read(await calls.json("GET", url, secrets, token_url), (200,), "its streams")


def configured(said: Mapping[str, Any], method: str) -> Configured:
    """A stream's configuration as answered (SSF 1.0 section 8.1.1)."""
    stream_id, audience, delivery = said.get("stream_id"), said.get("aud"), said.get("delivery")
    audiences = [audience] if isinstance(audience, str) else audience
    poll_url = delivery.get("endpoint_url", "") if isinstance(delivery, dict) and method != PUSH else ""
    right = isinstance(stream_id, str) and isinstance(audiences, list) and isinstance(poll_url, str)
    if not right or not all(isinstance(one, str) for one in audiences or [None]):
        raise TransmitterRefused("transmitter-answer", "The answer is no configuration of a stream.")
    delivered = said.get("events_delivered")
    events = tuple(one for one in delivered if isinstance(one, str)) if isinstance(delivered, list) else ()
    return Configured(str(stream_id), tuple(audiences or ()), poll_url, events)


async def status(
    calls: Calls, found: Stream, secrets: Mapping[str, str], change: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """(status, reason) of the stream as the transmitter says, after changing it when `change` says how."""
    url = _endpoint(found, "status")
    if change is None:
        answer = await calls.json("GET", _with_id(url, found), secrets, found.endpoints.get("token", ""))
    else:
        body = {"stream_id": found.stream_id, **change}
        answer = await calls.json("POST", url, secrets, found.endpoints.get("token", ""), body)
    said = read(answer, (200, 202), "the stream's status")
    told, reason = said.get("status", (change or {}).get("status")), said.get("reason", "")
    if not isinstance(told, str) or not isinstance(reason, str):
        raise TransmitterRefused("transmitter-answer", "The answer holds no status.")
    return told, reason


async def verify(calls: Calls, found: Stream, secrets: Mapping[str, str], state: str) -> None:
    """Have the transmitter send a verification event with this state (SSF 1.0 section 8.1.4)."""
    body = {"stream_id": found.stream_id, "state": state}
    url = _endpoint(found, "verification")
    answer = await calls.json("POST", url, secrets, found.endpoints.get("token", ""), body)
    read(answer, (200, 202, 204), "a verification")


async def delete(calls: Calls, found: Stream, secrets: Mapping[str, str]) -> None:
    """Remove our stream at the transmitter; one that is gone already is removed."""
    url = _with_id(_endpoint(found, "configuration"), found)
    answer = await calls.json("DELETE", url, secrets, found.endpoints.get("token", ""))
    read(answer, (200, 204, 404), "the end of the stream")


def _endpoint(found: Stream, use: str) -> str:
    url = found.endpoints.get(use)
    if not url or not found.stream_id:
        raise Invalid(
            "stream-by-hand",
            f"This stream was set up by hand: nothing is known to ask for its {use}.",
            "Look at the transmitter, or set it up with --transmitter.",
        )
    return url


def _with_id(url: str, found: Stream) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'stream_id': found.stream_id})}"
