"""Logs as events with names, and counters for Prometheus. Secrets never reach either."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from scim_bridge.kernel import tracing
from scim_bridge.kernel.clock import iso

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "scim_bridge_requests", "HTTP requests answered.", ["door", "method", "status"], registry=REGISTRY
)
SCIM_REQUESTS = Counter(
    "scim_bridge_scim_requests",
    "SCIM requests answered, by connection, its dialect, route and class of status (2xx).",
    ["connection", "dialect", "route", "method", "status"],
    registry=REGISTRY,
)
LATENCY = Histogram(
    "scim_bridge_request_seconds",
    "Time to answer.",
    ["door"],
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
REWRITES = Counter(
    "scim_bridge_dialect_rewrites",
    "SCIM requests that needed a rewrite of their dialect.",
    ["connection", "rewrite"],
    registry=REGISTRY,
)
THROTTLED = Counter(
    "scim_bridge_throttled",
    "SCIM requests answered 429, by connection and reason: rate, wrong-token.",
    ["connection", "reason"],
    registry=REGISTRY,
)
EFFECTS = Gauge("scim_bridge_effects", "Outward calls by open state.", ["state"], registry=REGISTRY)
EFFECTS_LAG = Gauge(
    "scim_bridge_effects_lag_seconds",
    "How long the outward call that waits longest has been due; 0 when none waits.",
    registry=REGISTRY,
)
AUDIT_UNSEALED = Gauge("scim_bridge_audit_unsealed", "Audit rows that wait for the seal.", registry=REGISTRY)
RESOURCES = Gauge("scim_bridge_resources", "Live resources by kind.", ["kind"], registry=REGISTRY)
DOOR_SILENT = Gauge(
    "scim_bridge_door_silent_seconds",
    "Seconds since a door for news heard something, or asked and was answered.",
    ["door"],
    registry=REGISTRY,
)
DOOR_LAG = Gauge(
    "scim_bridge_door_lag_seconds",
    "How long the newest event of a door took to be heard.",
    ["door"],
    registry=REGISTRY,
)
DOOR_TROUBLE = Gauge(
    "scim_bridge_door_trouble", "1 while a door for news cannot be heard.", ["door"], registry=REGISTRY
)

# The id of the request that is being answered; empty outside of one.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
SECRET_WORDS = ("authorization", "password", "secret", "token", "private_key", "cookie")
# Our own tokens and secrets by their form, webhook secrets, and what follows the name of a scheme.
SECRET_TEXT = re.compile(
    r"\b(?:sb[a-z]_[0-9A-Za-z]{20,}|whsec_[0-9A-Za-z+/=]{16,})|(?<=Bearer )[^\s\"',]{8,}"
)


def masked(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop the value of every key that names a secret, at any depth, and every secret of ours in a text."""
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def _masked(key: str, value: Any) -> Any:
    if any(word in key.casefold() for word in SECRET_WORDS):
        return "***"
    if isinstance(value, str):
        return SECRET_TEXT.sub("***", value)
    if isinstance(value, dict):
        return {name: _masked(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    return value


def stamped(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say of every line inside a request which one it was, and of which trace."""
    identity = REQUEST_ID.get()
    if identity:
        event.setdefault("request_id", identity)
    event.update(tracing.ids())
    return event


_calls = structlog.get_logger("scim_bridge.calls")
# How the lines of calls are written: None is as every other event, which takes longer than many a call.
_line: Callable[[dict[str, Any]], None] | None = None


def call_line(event: str, /, **fields: Any) -> None:
    """One line for one call, at level info; `fields` must hold no secret and be JSON."""
    if _line is None:
        _calls.info(event, **fields)
    else:
        _line({**fields, "event": event})


def _silent(_fields: dict[str, Any]) -> None:
    return


def _json(fields: dict[str, Any]) -> None:
    stamp = {"level": "info", "timestamp": iso(time.time_ns() // 1000)}
    print(orjson.dumps(fields | stamp | tracing.ids()).decode(), file=sys.stderr, flush=True)  # noqa: T201


def configure_logging(level: str, form: str) -> None:
    """Log to standard error: JSON lines, or text on a terminal ("auto" chooses)."""
    global _line
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    _line = _silent if getattr(logging, level.upper()) > logging.INFO else None if text else _json
    # The pretty traceback prints local variables, secrets among them; the plain one does not.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: Any = console if text else structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        stamped,
    ]
    if not text:
        shared.append(structlog.processors.format_exc_info)
    # Last: the text of a traceback is looked through as well.
    shared.append(masked)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # Looked up at each event: a standard error that was replaced and closed must not fail a caller.
        logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=shared,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # These log request bodies, tokens or one line per call at DEBUG and INFO.
    for name in ("okta", "okta-sdk-python", "msal", "httpx2", "httpcore2", "urllib3", "dbos", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.ERROR)
