"""Promises of OpenTelemetry logs in protobuf: read as OTLP/JSON is, answered so, and nothing breaks the reader."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.watch import otlp_wire
from scim_bridge.watch.activity_model import Rejected
from tests.conftest import run_with_store
from tests.watch.activity import Sender, with_sender
from tests.watch.otlp_samples import FILE, ours, theirs

SAMPLES: list[dict[str, Any]] = json.loads(FILE.read_text())
PROTOBUF = "application/x-protobuf"


def number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(tag: int, content: bytes | int) -> bytes:
    """One field by protobuf's encoding: bytes with their length, or a number."""
    if isinstance(content, int):
        return number(tag << 3) + number(content)
    return number(tag << 3 | 2) + number(len(content)) + content


def text(key: str, value: str) -> bytes:
    return field(1, key.encode()) + field(2, field(1, value.encode()))


def export(clock: ManualClock, *records: bytes, service: str = "refunds") -> bytes:
    """An export of records from one service."""
    around = field(1, field(1, text("service.name", service)))
    scope = b"".join(field(2, record) for record in records)
    return field(1, around + field(2, scope))


def record(clock: ManualClock, *attributes: bytes) -> bytes:
    at = number(1 << 3 | 1) + (clock.now() * 1000).to_bytes(8, "little")
    return at + b"".join(field(6, one) for one in attributes)


def test_what_opentelemetrys_own_library_writes_is_read_as_its_json_is() -> None:
    assert len(SAMPLES) > 20 and sum(len(theirs(sample["json"])) for sample in SAMPLES) > 50
    for sample in SAMPLES:
        assert ours(bytes.fromhex(sample["protobuf"])) == theirs(sample["json"])


@given(st.data())
@settings(max_examples=150)
def test_no_bytes_break_the_reader(data: st.DataObject) -> None:
    raw = bytearray.fromhex(data.draw(st.sampled_from(SAMPLES))["protobuf"])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        ours(bytes(raw))
    except Rejected as error:
        assert error.code in ("otlp-protobuf", "otlp-logs")


@pytest.mark.parametrize(
    "raw",
    [
        field(1, field(1, field(1, b"") * 70_000)),
        field(1, field(2, b"") * 70_000),
        field(1, b"") * 70_000,
        field(9, 1) * 70_000,
        b"\x0a\x7f",
        b"\x0a" + b"\xff" * 10,
        b"\x0b\x0c",
        b"\x00\x00",
    ],
)
def test_what_is_more_than_anybody_means_or_no_message_is_refused_early(raw: bytes) -> None:
    with pytest.raises(otlp_wire.Malformed):
        list(otlp_wire.places(raw))


def test_an_export_in_protobuf_is_kept_once_and_answered_in_protobuf(sqlite_url, clock) -> None:
    async def body(sender: Sender) -> None:
        tool = record(
            clock,
            text("gen_ai.operation.name", "execute_tool"),
            text("gen_ai.tool.name", "search"),
            text("gen_ai.agent.id", sender.agents["triage"]),
            field(1, b"gen_ai.usage.input_tokens") + field(2, field(3, 120)),
            field(1, b"http.response.status_code") + field(2, field(3, 403)),
        )
        chat = record(clock, text("gen_ai.operation.name", "chat"), text("error.type", "timeout"))
        packed = gzip.compress(export(clock, tool, chat))
        for _ in range(2):
            answer = await sender.post(packed, "/v1/logs", content_type=PROTOBUF, content_encoding="gzip")
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-type"] == PROTOBUF
        kept = {row["agent_id"]: row for row in await sender.store.reads.all("SELECT * FROM sb_activity")}
        used, said = kept[sender.agents["triage"]], kept[sender.agents["refunds"]]
        assert (used["action"], used["tool"], used["outcome"], used["cost"]) == (
            "execute_tool",
            "search",
            "denied",
            120,
        )
        assert (said["action"], said["outcome"]) == ("chat", "error")

        nameless, broken = record(clock, text("a", "b")), b"\x0a\x7f"
        mixed = await sender.post(export(clock, chat, nameless, broken), "/v1/logs", content_type=PROTOBUF)
        assert (
            mixed.status_code == 200
            and mixed.content.startswith(b"\x0a")
            and b"\x08\x02\x12" in mixed.content
        )
        for word in (b"action-missing", b"otlp-protobuf: "):
            assert word in mixed.content
        huge = record(clock, text("gen_ai.operation.name", "chat"), *[text("k", "v")] * 1000)
        assert (
            b"more fields"
            in (await sender.post(export(clock, huge), "/v1/logs", content_type=PROTOBUF)).content
        )

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_a_refusal_of_protobuf_is_a_status_in_protobuf(sqlite_url, clock) -> None:
    async def body(sender: Sender) -> None:
        async def refused(raw: bytes, **headers: str) -> tuple[int, bytes]:
            answer = await sender.post(raw, "/v1/logs", **{"content_type": PROTOBUF, **headers})
            assert answer.headers["content-type"] == PROTOBUF
            return answer.status_code, answer.content

        status, said = await refused(b"\x0a\x7f")
        assert status == 400 and said.startswith(b"\x08\x03\x12") and b"ExportLogsServiceRequest" in said
        many = export(clock, *[b""] * 10_001)
        assert (await refused(many))[0] == 400
        assert (await refused(b"x", content_encoding="gzip"))[0] == 400
        status, said = await refused(b"", authorization="Bearer sbr_none")
        assert status == 401 and said.startswith(b"\x08\x10\x12")
        other = await sender.post(b"{}", "/v1/logs", content_type="text/plain")
        assert other.status_code == 415 and PROTOBUF in other.json()["detail"]

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)
