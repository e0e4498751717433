"""Traces by OpenTelemetry where they are switched on; where they are not, nothing is imported, kept or sent.

On is: the environment names a collector (OTEL_EXPORTER_OTLP_ENDPOINT, or …_TRACES_ENDPOINT) and the extra `traces` is
installed. A request, each transaction, each effect and each outward call is a span; a trace that comes in by
`traceparent` (W3C Trace Context) goes on here, in the effects that were decided, and in the calls they make.

Spans name routes, kinds and hosts: never a path, a query, a header, a body or the message of an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from types import TracebackType

log = structlog.get_logger("scim_bridge.traces")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# Asked every few seconds, and of no interest.
PROBES = frozenset(("/healthz", "/readyz", "/metrics"))
CARRIED = ("traceparent", "tracestate")
SERVER, CLIENT, CONSUMER, INTERNAL = "SERVER", "CLIENT", "CONSUMER", "INTERNAL"


class Off:
    """A span while traces are off: nothing."""

    __slots__ = ()

    def __enter__(self) -> Off:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        return

    def told(self, _attributes: Mapping[str, Any]) -> None:
        """Add attributes."""

    def failed(self, _kind: str) -> None:
        """Mark it as failed, by a word."""

    def named(self, _name: str) -> None:
        """Call it otherwise."""


OFF = Off()
_tracer: Any = None
_provider: Any = None


class On(Off):
    """A span that is kept: the current one inside its `with` block."""

    __slots__ = ("_span", "_started", "_token")

    def __init__(self, name: str, kind: str, parent: Any, attributes: Mapping[str, Any]) -> None:
        from opentelemetry.trace import SpanKind

        self._started = (name, getattr(SpanKind, kind), parent, dict(attributes))

    def __enter__(self) -> On:
        from opentelemetry import context, trace

        name, kind, parent, attributes = self._started
        self._span = _tracer.start_span(name, context=parent, kind=kind, attributes=attributes)
        self._token = context.attach(trace.set_span_in_context(self._span, parent))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        from opentelemetry import context

        if kind is not None:
            self.failed(kind.__name__)
        context.detach(self._token)
        self._span.end()

    def told(self, attributes: Mapping[str, Any]) -> None:
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def failed(self, kind: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def named(self, name: str) -> None:
        self._span.update_name(name)


def on() -> bool:
    """True while spans are kept."""
    return _tracer is not None


def within() -> bool:
    """True inside a span: what the process does by itself, twice a second, is in none."""
    return bool(ids())


def span(
    name: str,
    kind: str = INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    *,
    carried: str | None = None,
) -> Off:
    """A span for a `with` block. `carried` is the traceparent it goes on from, instead of the current span."""
    if _tracer is None:
        return OFF
    parent = None if carried is None else _extracted({"traceparent": carried})
    return On(name, kind, parent, attributes or {})


def request(headers: list[tuple[bytes, bytes]], method: str) -> Off:
    """The span of a request that came in with these headers."""
    if _tracer is None:
        return OFF
    given = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if name in (b"traceparent", b"tracestate")
    }
    return On(method, SERVER, _extracted(given), {"http.request.method": method})


def headers() -> dict[str, str]:
    """What a call that is made now carries; empty while traces are off."""
    if _tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carried)
    return {name: value for name, value in carried.items() if name in CARRIED}


def carried() -> str | None:
    """The traceparent of the current span, to go on from later and elsewhere; None while traces are off."""
    return headers().get("traceparent")


def ids() -> dict[str, str]:
    """How a log line names the current span: {"trace_id", "span_id"}; empty while there is none."""
    if _tracer is None:
        return {}
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

    found = get_current_span().get_span_context()
    if not found.is_valid:
        return {}
    return {"trace_id": format_trace_id(found.trace_id), "span_id": format_span_id(found.span_id)}


def _extracted(given: Mapping[str, str]) -> Any:
    """The context a peer's headers name; a new trace when they name none, whatever is in them."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(given, Context())


def wanted(environ: Mapping[str, str]) -> bool:
    """True when the environment asks for traces (the variables are OpenTelemetry's own)."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().casefold() != "otlp":
        return False
    return any(environ.get(name, "").strip() for name in ENDPOINTS)


def begin(environ: Mapping[str, str], version: str) -> None:
    """Keep and send spans from now on, when that is wanted and possible; a warning says why it is not possible."""
    global _tracer, _provider
    if _tracer is not None or not wanted(environ):
        return
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        _impossible(f"OTLP is sent as http/protobuf here, not as {protocol[:40]}")
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _impossible("the extra is not installed: pip install 'scim-bridge[traces]'")
        return
    named = {"service.name": environ.get("OTEL_SERVICE_NAME") or "scim-bridge", "service.version": version}
    _provider = TracerProvider(resource=Resource.create(named))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("scim_bridge", version)
    log.info("traces.on", action="traces.on")


def _impossible(reason: str) -> None:
    log.warning("traces.off", action="traces.off", reason=reason)


def end() -> None:
    """Send what is kept, and stop. Waits for the collector, a few seconds at most: call it off the event loop."""
    global _tracer, _provider
    provider, _tracer, _provider = _provider, None, None
    if provider is not None:
        provider.shutdown()
