"""A receiver's stream as a value, and what a receiver may ask of it (SSF 1.0 section 8.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.event_types import CAEP, OKTA, POLL_METHOD, PUSH_METHOD, RISC, SCIM

PUSH, POLL = "push", "poll"
ENABLED, PAUSED, DISABLED = "enabled", "paused", "disabled"
STATUSES = (ENABLED, PAUSED, DISABLED)
# The drafts before SSF 1.0 had addresses of their own for the two ways of delivery.
_OLD = "https://schemas.openid.net/secevent/risc/delivery-method/"
METHODS = {PUSH_METHOD: PUSH, POLL_METHOD: POLL, f"{_OLD}push": PUSH, f"{_OLD}poll": POLL}
URNS = {PUSH: PUSH_METHOD, POLL: POLL_METHOD}
# How an agent is named: the identifier formats of RFC 9493 and SSF 1.0 section 3, and Okta's own shape.
ISS_SUB, EMAIL, OPAQUE, ACCOUNT, COMPLEX, OKTA_FORM = (
    "iss_sub",
    "email",
    "opaque",
    "account",
    "complex",
    "okta",
)
FORMS = (ISS_SUB, EMAIL, OPAQUE, ACCOUNT, COMPLEX, OKTA_FORM)
LONGEST = 500
MOST_EVENTS = 100
MOST_STREAMS = 10

NOTICES = tuple(f"{SCIM}prov:{verb}:notice" for verb in ("create", "patch"))
FULL = tuple(f"{SCIM}prov:{verb}:full" for verb in ("create", "put"))
STATES = tuple(f"{SCIM}prov:{verb}" for verb in ("delete", "activate", "deactivate"))
ACCOUNTS = tuple(
    f"{RISC}{name}"
    for name in ("account-disabled", "account-enabled", "account-purged", "credential-compromise")
)
SESSIONS = tuple(f"{CAEP}{name}" for name in ("session-revoked", "credential-change"))
RISK = f"{OKTA}user-risk-change"
SCIM_EVENTS = (*NOTICES, *FULL, *STATES)
SUPPORTED = (*ACCOUNTS, *SESSIONS, *SCIM_EVENTS)
# What Okta's receiver takes of that, and a level of risk that only it knows.
OKTA_SUPPORTED = (f"{CAEP}session-revoked", RISK)


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. Instants in microseconds; `owner` is a connection's id, or empty for the installation's own."""

    id: str
    owner: str = ""
    description: str = ""
    method: str = POLL
    endpoint: str = ""
    audiences: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    form: str = ISS_SUB
    status: str = ENABLED
    reason: str = ""
    cursor: int = 0
    position: int = 0
    round: int = 0
    default_subjects: str = "ALL"
    created: int = 0
    verified: int | None = None
    delivered: int = 0
    delivered_at: int | None = None

    @property
    def supported(self) -> tuple[str, ...]:
        """What could be told on it."""
        return OKTA_SUPPORTED if self.form == OKTA_FORM else SUPPORTED

    @property
    def told(self) -> tuple[str, ...]:
        """What is told on it: what was asked for and can be told; without a wish all but whole documents."""
        if not self.requested:
            return tuple(one for one in self.supported if one not in FULL)
        return tuple(one for one in self.supported if one in self.requested)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a receiver supplies; None is not said. `authorization` is the header its endpoint wants."""

    method: str | None = None
    endpoint: str | None = None
    authorization: str | None = None
    events: tuple[str, ...] | None = None
    description: str | None = None
    form: str | None = None


def read_asked(body: Mapping[str, Any]) -> Asked:
    """What a receiver supplies of a stream's configuration; Invalid names the member that is wrong.

    Members that are the transmitter's are checked by `contradicts`; unknown ones are passed over.
    """
    method = endpoint = authorization = None
    delivery = body.get("delivery")
    if delivery is not None:
        # A list or an object cannot even be looked up.
        said = delivery.get("method") if isinstance(delivery, dict) else None
        if not isinstance(said, str) or said not in METHODS:
            raise _wrong("delivery", f"Its method is {PUSH_METHOD} or {POLL_METHOD}.")
        method = METHODS[said]
        if method == PUSH:
            endpoint = checked_endpoint(delivery.get("endpoint_url"))
            authorization = _header(delivery.get("authorization_header"))
    events = body.get("events_requested")
    if events is not None:
        right = isinstance(events, list) and len(events) <= MOST_EVENTS
        if not right or not all(_text(one) for one in events):
            raise _wrong("events_requested", "It is a list of event types.")
        events = tuple(dict.fromkeys(events))
    description, form = body.get("description"), body.get("format")
    if description is not None and not (description == "" or _text(description)):
        raise _wrong("description", "It is a short text on one line.")
    if form is not None and form not in FORMS:
        raise _wrong("format", f"It is one of {', '.join(FORMS)}.")
    return Asked(method, endpoint, authorization, events, description, form)


def applied(stream: Stream, asked: Asked, *, whole: bool = False) -> Stream:
    """The stream as asked for. `whole`: what is not said goes back to what a new stream has (PUT)."""
    before = Stream(stream.id) if whole else stream
    method = asked.method if asked.method is not None else before.method
    return replace(
        stream,
        method=method,
        endpoint=(asked.endpoint if asked.endpoint is not None else before.endpoint)
        if method == PUSH
        else "",
        requested=asked.events if asked.events is not None else before.requested,
        description=asked.description if asked.description is not None else before.description,
        form=asked.form if asked.form is not None else before.form,
    )


def checked_endpoint(url: object) -> str:
    """An address to push to; Invalid otherwise. Whether it may be called is judged when it is."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and len(url) <= LONGEST and url.isprintable() else None
        right = parts is not None and parts.scheme in ("https", "http") and bool(parts.hostname)
        if parts is None or not right or parts.username or parts.fragment or parts.port == 0:
            raise ValueError
    except ValueError as error:
        raise _wrong("delivery.endpoint_url", "It is an https address.") from error
    return str(url)


def _header(value: object) -> str:
    if value is None:
        return ""
    if not _text(value) or not str(value).isascii():
        raise _wrong("delivery.authorization_header", "It is one header's value.")
    return str(value)


def _text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()


def _wrong(member: str, fix: str) -> Invalid:
    return Invalid("stream-configuration", f"{member} is not what it should be.", fix)


def configuration(stream: Stream, issuer: str, verify_seconds: int) -> dict[str, Any]:
    """The stream's configuration as it is answered (SSF 1.0 section 8.1.1); never the receiver's header."""
    delivery = {"method": URNS[stream.method], "endpoint_url": stream.endpoint or poll_url(issuer, stream.id)}
    made: dict[str, Any] = {
        "stream_id": stream.id,
        "iss": issuer,
        "aud": list(stream.audiences) if len(stream.audiences) > 1 else stream.audiences[0],
        "events_supported": list(stream.supported),
        "events_requested": list(stream.requested),
        "events_delivered": list(stream.told),
        "delivery": delivery,
        "min_verification_interval": verify_seconds,
        "format": stream.form,
    }
    if stream.description:
        made["description"] = stream.description
    return {name: value for name, value in made.items() if value != []}


def poll_url(issuer: str, stream_id: str) -> str:
    """Where a stream's events are fetched."""
    return f"{issuer}/ssf/poll/{stream_id}"


def contradicts(body: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    """The member that is the transmitter's and is sent back changed (SSF 1.0 section 8.1.1.3); None when none is."""
    own = ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval")
    return next((name for name in own if name in body and body[name] != said.get(name)), None)
