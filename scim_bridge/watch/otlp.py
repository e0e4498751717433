"""OpenTelemetry logs (in the form of OTLP/JSON) as activity, by the semantic conventions for generative AI."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from scim_bridge.kernel.clock import DAY
from scim_bridge.watch.activity_model import (
    DENIED,
    ERROR,
    LONGEST_RESOURCE,
    MOST_COST,
    OK,
    Event,
    Rejected,
    checked,
    key_of,
    outcome_of,
    plausible,
)

# SeverityNumber from which on a record is an error (OpenTelemetry log data model).
ERRORS = 17
REFUSALS = (401, 403)
# Of one record: OpenTelemetry's own limit is a quarter of it.
MOST_ATTRIBUTES = 512
# Of everything around records: resources with their attributes, and scopes.
MOST_AROUND = 60_000
AGENT = ("gen_ai.agent.id", "gen_ai.agent.name", "service.name")
ORIGIN = ("cloud.region", "client.address", "host.id")
RESOURCE = (
    "scim_bridge.resource",
    "gen_ai.data_source.id",
    "url.full",
    "server.address",
    "gen_ai.request.model",
)
TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
KINDS = {"execute_tool": "tool", "chat": "model", "text_completion": "model", "generate_content": "model"}
KINDS |= {"embeddings": "model", "invoke_agent": "session", "create_agent": "session", "retrieval": "data"}


def records(told: Any) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Every log record with the attributes of its resource; Rejected when this is no export of logs."""
    if not isinstance(told, Mapping) or not isinstance(told.get("resourceLogs", []), list):
        raise Rejected("otlp-logs", "This is no ExportLogsServiceRequest: resourceLogs must be a list.")
    count = 0
    for group in told.get("resourceLogs", []):
        resource = group.get("resource") if isinstance(group, Mapping) else None
        pairs = resource.get("attributes") if isinstance(resource, Mapping) else None
        scopes = _list(group, "scopeLogs")
        count += 1 + len(scopes) + (len(pairs) if isinstance(pairs, list) else 0)
        if count > MOST_AROUND:
            raise Rejected(
                "otlp-logs", f"More than {MOST_AROUND} resources, their attributes and scopes at once."
            )
        around = attributes(pairs)
        for scope in scopes:
            for record in _list(scope, "logRecords"):
                yield around, record


def _list(of: Any, name: str) -> list[Any]:
    found = of.get(name, []) if isinstance(of, Mapping) else None
    if not isinstance(found, list):
        raise Rejected("otlp-logs", f"This is no ExportLogsServiceRequest: {name} must be a list.")
    return found


def attributes(told: Any) -> dict[str, Any]:
    """OTLP's key values as a plain mapping; what is neither text, number nor truth is left out."""
    found: dict[str, Any] = {}
    for pair in told if isinstance(told, list) else ():
        if not isinstance(pair, Mapping) or not isinstance(pair.get("key"), str) or not pair["key"]:
            continue
        value = pair.get("value")
        if not isinstance(value, Mapping):
            continue
        if "intValue" in value:
            found[pair["key"]] = whole(value["intValue"])
        else:
            for kind in ("stringValue", "boolValue", "doubleValue"):
                if isinstance(value.get(kind), (str, bool, int, float)):
                    found[pair["key"]] = value[kind]
    return found


def whole(value: Any) -> int | None:
    """A 64-bit number, which OTLP writes as text."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def read_record(around: Mapping[str, Any], record: Any, now: int) -> Event:
    """One log record as an event; Rejected says what is missing.

    The agent is `gen_ai.agent.id`, else `gen_ai.agent.name`, else `service.name`, of the record or its
    resource; the action `gen_ai.operation.name`, else the event's name.
    """
    if not isinstance(record, Mapping):
        raise Rejected("otlp-logs", "A log record is a JSON object.")
    pairs = record.get("attributes")
    if isinstance(pairs, list) and len(pairs) > MOST_ATTRIBUTES:
        raise Rejected("otlp-logs", f"A log record has {MOST_ATTRIBUTES} attributes at most.")
    own = attributes(pairs)
    agent = _first(AGENT, own, around)
    if not agent:
        raise Rejected("agent-missing", "No gen_ai.agent.id, gen_ai.agent.name or service.name.")
    named = _first(("eventName",), record) or str(own.get("event.name") or "")
    operation = str(own.get("gen_ai.operation.name") or "")
    tool = _first(("gen_ai.tool.name",), own)
    action = operation or named or (f"use {tool}" if tool else "")
    if not action:
        raise Rejected("action-missing", "No gen_ai.operation.name, eventName or gen_ai.tool.name.")
    source = _first(("service.namespace", "service.name"), around) or "otlp"
    event_id = checked(str(own.get("log.record.uid") or _digest(record, agent)), "log.record.uid")
    return Event(
        key_of(source, event_id),
        checked(source, "service.name"),
        event_id,
        _time(record, now),
        checked(agent, "gen_ai.agent.id"),
        "tool" if tool else KINDS.get(operation, "other"),
        checked(action, "gen_ai.operation.name"),
        checked(_first(RESOURCE, own), "resource", LONGEST_RESOURCE),
        checked(tool, "gen_ai.tool.name"),
        _outcome(record, own),
        checked(_first(ORIGIN, own, around), "cloud.region"),
        sum(_tokens(own.get(name)) for name in TOKENS),
    )


def _first(names: tuple[str, ...], *places: Mapping[str, Any]) -> str:
    for name in names:
        for place in places:
            if isinstance(value := place.get(name), str) and value:
                return value
    return ""


def _digest(record: Mapping[str, Any], agent: str) -> str:
    """An id for a record that has none: the same record sent again has the same."""
    try:
        parts = [agent, *(str(record.get(n, "")) for n in ("timeUnixNano", "traceId", "spanId", "eventName"))]
        parts += [str(record.get("attributes")), str(record.get("body"))]
    except RecursionError:
        raise Rejected("otlp-logs", "The record is nested more deeply than anybody means.") from None
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=16).hexdigest()


def _time(record: Mapping[str, Any], now: int) -> int:
    nanos = whole(record.get("timeUnixNano")) or whole(record.get("observedTimeUnixNano"))
    if not nanos:
        return now
    if not 0 < nanos < 2 * 10**19 or nanos // 1000 > now + 400 * DAY:
        raise Rejected("time-invalid", "timeUnixNano is no instant in nanoseconds.")
    return plausible(nanos // 1000, now)


def _outcome(record: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    said = own.get("scim_bridge.outcome")
    if said is not None:
        return outcome_of(said)
    if own.get("http.response.status_code") in REFUSALS:
        return DENIED
    severity = record.get("severityNumber")
    failed = own.get("error.type") or (isinstance(severity, int) and severity >= ERRORS)
    return ERROR if failed else OK


def _tokens(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value <= MOST_COST else 0
