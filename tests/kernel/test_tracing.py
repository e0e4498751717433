"""Traces reach a real collector as one story, and where nobody asked for them nothing is done at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from scim_bridge.audit.record import effect_settled
from scim_bridge.kernel import telemetry, tracing
from scim_bridge.kernel.edge import Edge, unexpected
from scim_bridge.kernel.effects import Dead, Done, Effect, Effects, Outcome
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Actor, Store, Work
from tests.conftest import run_with_store

CAME_IN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = CAME_IN.split("-")[1]
SECRET = "sbr_not-to-be-told"
CALLER = Actor("connection", "c-1", "okta", "c-1", "r-1")


class _Peer(BaseHTTPRequestHandler):
    """A collector of traces, and a system that is called, in one."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((self.path.split("?")[0], dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(204 if self.path.startswith("/hook") else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def peer() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Peer)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A collector that traces go to while the test lasts."""
    with peer() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        tracing.begin({"OTEL_EXPORTER_OTLP_ENDPOINT": "set"}, "1.2.3")
        try:
            yield server
        finally:
            tracing.end()


def spans(server: Any) -> dict[str, Any]:
    """What the collector heard, by name; everything kept is sent first."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    tracing.end()
    found: dict[str, Any] = {}
    for path, _headers, body in server.heard:
        if path == "/v1/traces":
            told = ExportTraceServiceRequest.FromString(body)
            for resource in told.resource_spans:
                named = {one.key: one.value.string_value for one in resource.resource.attributes}
                assert (named["service.name"], named["service.version"]) == ("scim-bridge", "1.2.3")
                found |= {span.name: span for scope in resource.scope_spans for span in scope.spans}
    return found


def application(store: Store) -> Any:
    """One route that decides an effect, and one that breaks."""

    async def act(request: Request) -> Response:
        async def body(work: Work) -> None:
            work.bookkeeping("a test")
            await work.effect("hook", {"to": request.path_params["secret"]}, lane="x")

        await store.transact(CALLER, body)
        return PlainTextResponse("done")

    async def broken(_request: Request) -> Response:
        raise RuntimeError(SECRET)

    routes = [
        Route("/act/{secret}", act, methods=["POST"]),
        Route("/broken/{secret}", broken),
        Route("/healthz", act),
    ]
    return Edge({}, Starlette(routes=routes, exception_handlers={Exception: unexpected}))


def test_a_request_its_transaction_its_effect_and_the_call_it_makes_are_one_trace(
    database_url: str, clock: Any, collector: Any
) -> None:
    port = collector.server_port

    async def main(store: Store) -> None:
        outbound = Outbound(allow=[f"127.0.0.1:{port}"])

        async def hook(effect: Effect) -> Outcome:
            url = f"http://127.0.0.1:{port}/hook?key={SECRET}"
            answer = await outbound.send("POST", url, headers={"authorization": SECRET}, body=b"{}")
            return Done() if answer.status == 204 else Dead("no")

        transport = httpx2.ASGITransport(app=application(store), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            given = {"traceparent": CAME_IN, "x-request-id": "call-7", "authorization": f"Bearer {SECRET}"}
            assert (await client.post(f"/act/{SECRET}?q={SECRET}", headers=given)).status_code == 200
            assert (await client.get(f"/broken/{SECRET}")).status_code == 500
            await client.get("/healthz")
        row = await store.reads.one("SELECT id, trace FROM sb_effect")
        assert row["trace"].split("-")[1] == TRACE
        assert await Effects(store, {"hook": hook}, [effect_settled]).attempt(row["id"]) is None
        await outbound.aclose()

    run_with_store(database_url, clock, main)
    [(_, sent, _)] = [one for one in collector.heard if one[0] == "/hook"]
    found = spans(collector)
    request, made, effect, call = (
        found[name] for name in ("POST /act/{secret}", "transaction", "effect hook", "POST")
    )
    for one in (request, effect, call):
        assert one.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == CAME_IN.split("-")[2]
    assert made.trace_id.hex() == TRACE and made.parent_span_id in {request.span_id, effect.span_id}
    assert effect.parent_span_id != call.parent_span_id == effect.span_id
    assert sent["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    told = {one.key: one.value for one in request.attributes}
    assert told["scim_bridge.request_id"].string_value == "call-7"
    assert told["http.response.status_code"].int_value == 200
    broken = found["GET /broken/{secret}"]
    assert (
        broken.status.code == 2
        and {one.key: one.value.string_value for one in broken.attributes}["error.type"]
    )
    assert not any("healthz" in name for name in found)
    everything = b"".join(body for path, _, body in collector.heard if path == "/v1/traces")
    assert SECRET.encode() not in everything


def test_a_line_of_the_log_names_request_and_trace(
    collector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracing.span("work", carried=CAME_IN):
        assert telemetry.stamped(None, "info", {"event": "x"})["trace_id"] == TRACE
        telemetry._json({"event": "scim.call"})
    assert orjson.loads(capsys.readouterr().err)["trace_id"] == TRACE
    assert "trace_id" not in telemetry.stamped(None, "info", {"event": "x"})


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_where_nobody_asks_for_traces_nothing_is_kept_and_nothing_is_sent(environ: dict[str, str]) -> None:
    tracing.begin(environ, "1")
    assert not tracing.on()
    assert tracing.span("x") is tracing.OFF is tracing.request([(b"traceparent", CAME_IN.encode())], "GET")
    assert tracing.headers() == tracing.ids() == {} and tracing.carried() is None


def test_without_the_extra_it_starts_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter"):
        monkeypatch.setitem(sys.modules, name, None)
    tracing.begin({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, "1")
    assert not tracing.on()


@pytest.mark.parametrize("given", ["", "00-zz-1-1", "x" * 500, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(collector: Any, given: str) -> None:
    with tracing.request([(b"traceparent", given.encode()), (b"tracestate", b"=,=")], "GET"):
        found = tracing.carried()
    assert found is not None and found.split("-")[1] not in (TRACE, "0" * 32)


def test_nothing_of_opentelemetry_is_loaded_before_it_is_wanted() -> None:
    source = (Path(tracing.__file__)).read_text().split("\ndef ")[0].split("\nclass ")[0]
    assert "opentelemetry." not in source and "import opentelemetry" not in source
