"""Exports of logs in protobuf beside the same in OTLP/JSON, made by OpenTelemetry's own library and kept here.

`python -m tests.watch.otlp_samples` makes otlp_samples.json anew and compares a thousand random exports with what we
read; it needs opentelemetry-proto, which nothing else here does.
"""

from __future__ import annotations

import json
import random
from importlib import import_module
from pathlib import Path
from typing import Any

from scim_bridge.watch import otlp, otlp_wire

FILE = Path(__file__).with_name("otlp_samples.json")
NOW = 1_795_000_000_000_000_000
WORDS = (
    "gen_ai.agent.id",
    "gen_ai.operation.name",
    "gen_ai.tool.name",
    "service.name",
    "é ü 漢字",
    "",
    "x" * 200,
)


def random_value(rng: random.Random, any_value: Any, depth: int = 0) -> Any:
    """An AnyValue of any kind, nested a little."""
    common = import_module("opentelemetry.proto.common.v1.common_pb2")
    kind = rng.randrange(8 if depth < 3 else 5)
    if kind == 0:
        any_value.string_value = rng.choice(WORDS)
    elif kind == 1:
        any_value.bool_value = rng.random() < 0.5
    elif kind == 2:
        any_value.int_value = rng.choice((0, 1, -1, 150, 2**63 - 1, -(2**63), rng.getrandbits(40)))
    elif kind == 3:
        any_value.double_value = rng.choice((0.0, -1.5, 1e300, rng.random()))
    elif kind == 4:
        any_value.bytes_value = rng.randbytes(rng.randrange(6))
    elif kind == 5:
        any_value.array_value.SetInParent()
        for _ in range(rng.randrange(3)):
            random_value(rng, any_value.array_value.values.add(), depth + 1)
    elif kind == 6:
        any_value.kvlist_value.SetInParent()
        for _ in range(rng.randrange(3)):
            pair = any_value.kvlist_value.values.add()
            pair.key = rng.choice(WORDS)
            random_value(rng, pair.value, depth + 1)
    return common


def random_export(rng: random.Random) -> Any:
    """An ExportLogsServiceRequest with whatever may be in one."""
    service = import_module("opentelemetry.proto.collector.logs.v1.logs_service_pb2")
    made = service.ExportLogsServiceRequest()
    for _ in range(rng.randrange(1, 3)):
        group = made.resource_logs.add(schema_url=rng.choice(("", "https://opentelemetry.io/schemas/1.37.0")))
        for _ in range(rng.randrange(3)):
            pair = group.resource.attributes.add(key=rng.choice(WORDS))
            random_value(rng, pair.value)
        for _ in range(rng.randrange(3)):
            scope = group.scope_logs.add(schema_url="s")
            scope.scope.name = "test"
            for _ in range(rng.randrange(4)):
                one = scope.log_records.add(
                    time_unix_nano=rng.choice((0, NOW, 2**64 - 1)),
                    observed_time_unix_nano=rng.choice((0, NOW)),
                    severity_number=rng.choice((0, 9, 17, 24)),
                    severity_text="INFO",
                    event_name=rng.choice(("", "gen_ai.client.inference.operation.details")),
                    trace_id=rng.randbytes(rng.choice((0, 16))),
                    span_id=rng.randbytes(rng.choice((0, 8))),
                    flags=rng.choice((0, 1)),
                    dropped_attributes_count=rng.choice((0, 3)),
                )
                if rng.random() < 0.5:
                    random_value(rng, one.body)
                for _ in range(rng.randrange(5)):
                    pair = one.attributes.add(key=rng.choice(WORDS))
                    random_value(rng, pair.value)
    return made


def as_json(export: Any) -> dict[str, Any]:
    """The export as OTLP/JSON writes it: ids in hexadecimal, enums as numbers."""
    json_format = import_module("google.protobuf.json_format")
    told: dict[str, Any] = json_format.MessageToDict(export, use_integers_for_enums=True)
    for group, theirs in zip(told.get("resourceLogs", ()), export.resource_logs, strict=True):
        for scope, its in zip(group.get("scopeLogs", ()), theirs.scope_logs, strict=True):
            for record, its_own in zip(scope.get("logRecords", ()), its.log_records, strict=True):
                for name, raw in (("traceId", its_own.trace_id), ("spanId", its_own.span_id)):
                    if name in record:
                        record[name] = raw.hex()
    return told


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """What is read of a record: its attributes as a mapping, and the members we know."""
    known = ("timeUnixNano", "observedTimeUnixNano", "severityNumber", "eventName", "traceId", "spanId")
    found = {name: record[name] for name in known if record.get(name) not in (None, "", "0", 0)}
    return found | {"attributes": otlp.attributes(record.get("attributes"))}


def ours(raw: bytes) -> list[Any]:
    """What we read of an export in protobuf."""
    return [[around, plain(otlp_wire.record(raw, place))] for around, place in otlp_wire.places(raw)]


def theirs(told: dict[str, Any]) -> list[Any]:
    """What we read of the same in JSON."""
    return [[around, plain(record)] for around, record in otlp.records(told)]


def main() -> None:
    """Compare, then keep two dozen."""
    rng = random.Random(7)
    kept = []
    for number in range(1000):
        export = random_export(rng)
        raw, told = export.SerializeToString(), as_json(export)
        assert ours(raw) == theirs(told), (number, raw.hex(), told)
        if number % 42 == 0:
            kept.append({"protobuf": raw.hex(), "json": told})
    lines = [json.dumps(one, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for one in kept]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"1000 exports are read alike; {len(kept)} are kept in {FILE.name}")


if __name__ == "__main__":
    main()
