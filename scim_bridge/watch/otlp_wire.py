"""OpenTelemetry logs in protobuf: the four messages of an export, read by their field numbers. Pure.

Source: opentelemetry-proto 1.x (collector/logs/v1, logs/v1, common/v1) and protobuf's encoding. A record is handed
on as OTLP/JSON would write it, so whatever reads it reads one form; it is unpacked only when its turn comes, for a
field of two bytes on the wire is hundreds in memory. What is longer than anybody means is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from scim_bridge.watch.activity_model import Rejected
from scim_bridge.watch.otlp import MOST_AROUND, attributes

PROTOBUF = ("application/x-protobuf", "application/protobuf")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Of one record: 128 attributes with their parts, OpenTelemetry's own limit, are a quarter of it.
MOST_FIELDS = 2_000

Field = tuple[int, int, int, int]
Place = tuple[int, int]


class Malformed(Rejected):
    """Bytes that are no message of this kind."""

    def __init__(self, why: str) -> None:
        super().__init__("otlp-protobuf", f"This is no ExportLogsServiceRequest in protobuf: {why}.")


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            break
    raise Malformed("a number has no end")


def _fields(data: bytes, at: int, end: int, left: list[int]) -> Iterator[Field]:
    """(number, wire type, value, 0), or for bytes (number, BYTES, where they begin, where they end).

    `left` counts down over a message and all that is in it.
    """
    while at < end:
        left[0] -= 1
        if left[0] < 0:
            raise Malformed("it has more fields than anybody means")
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise Malformed(f"there is no field {number}")
        if kind == BYTES:
            size, at = _varint(data, at, end)
            if size > end - at:
                raise Malformed("a message ends early")
            yield number, kind, at, at + size
            at += size
        elif kind == VARINT:
            value, at = _varint(data, at, end)
            yield number, kind, value, 0
        elif kind in (FIXED64, FIXED32):
            after = at + (8 if kind == FIXED64 else 4)
            if after > end:
                raise Malformed("a number ends early")
            yield number, kind, int.from_bytes(data[at:after], "little"), 0
            at = after
        else:
            raise Malformed(f"it has a field of type {kind}")


def _text(data: bytes, begin: int, end: int) -> str:
    try:
        return data[begin:end].decode()
    except UnicodeDecodeError:
        raise Malformed("a text is not UTF-8") from None


def places(data: bytes) -> Iterator[tuple[dict[str, Any], Place]]:
    """Every log record's place in the bytes, with the attributes of its resource; Malformed when these are none."""
    # The list of records itself is counted too.
    left = [MOST_AROUND]
    for number, kind, begin, end in _fields(data, 0, len(data), left):
        if (number, kind) != (1, BYTES):
            continue
        around: list[dict[str, Any]] = []
        scopes: list[Place] = []
        for inner, its, first, last in _fields(data, begin, end, left):
            if (inner, its) == (1, BYTES):
                around += _resource(data, first, last, left)
            elif (inner, its) == (2, BYTES):
                scopes.append((first, last))
        resource = attributes(around)
        for scope in scopes:
            for inner, its, first, last in _fields(data, *scope, left):
                if (inner, its) == (2, BYTES):
                    yield resource, (first, last)


def _resource(data: bytes, begin: int, end: int, left: list[int]) -> list[dict[str, Any]]:
    return [
        _pair(data, first, last, left)
        for number, kind, first, last in _fields(data, begin, end, left)
        if (number, kind) == (1, BYTES)
    ]


def _pair(data: bytes, begin: int, end: int, left: list[int]) -> dict[str, Any]:
    key = ""
    value: dict[str, Any] = {}
    for number, kind, first, last in _fields(data, begin, end, left):
        if (number, kind) == (1, BYTES):
            key = _text(data, first, last)
        elif (number, kind) == (2, BYTES):
            value = _value(data, first, last, left)
    return {"key": key, "value": value}


def _value(data: bytes, begin: int, end: int, left: list[int]) -> dict[str, Any]:
    """An AnyValue as OTLP/JSON writes it. What holds other values is only known again, by its bytes."""
    found: dict[str, Any] = {}
    for number, kind, first, last in _fields(data, begin, end, left):
        if (number, kind) == (1, BYTES):
            found = {"stringValue": _text(data, first, last)}
        elif (number, kind) == (2, VARINT):
            found = {"boolValue": first != 0}
        elif (number, kind) == (3, VARINT):
            found = {"intValue": str(first - (1 << 64) if first >> 63 else first)}
        elif (number, kind) == (4, FIXED64):
            found = {"doubleValue": struct.unpack("<d", first.to_bytes(8, "little"))[0]}
        elif kind == BYTES and number in (5, 6, 7):
            found = {"otherValue": data[first:last].hex()}
    return found


def record(data: bytes, place: Place) -> dict[str, Any]:
    """The log record at a place, as OTLP/JSON writes it; Malformed when there is none."""
    found: dict[str, Any] = {}
    pairs: list[dict[str, Any]] = []
    left = [MOST_FIELDS]
    for number, kind, first, last in _fields(data, *place, left):
        if kind == BYTES:
            if number == 6:
                pairs.append(_pair(data, first, last, left))
            elif number == 5:
                found["body"] = _value(data, first, last, left)
            elif number in (9, 10):
                found["traceId" if number == 9 else "spanId"] = data[first:last].hex()
            elif number == 12:
                found["eventName"] = _text(data, first, last)
        elif kind == FIXED64 and number in (1, 11):
            found["timeUnixNano" if number == 1 else "observedTimeUnixNano"] = str(first)
        elif kind == VARINT and number == 2:
            found["severityNumber"] = first - (1 << 64) if first >> 63 else first
    if pairs:
        found["attributes"] = pairs
    return found


def _written(number: int, content: bytes | int) -> bytes:
    """One field, as bytes or as a number that is not negative."""
    if isinstance(content, int):
        return _number(number << 3 | VARINT) + _number(content)
    return _number(number << 3 | BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def response(rejected: int, message: str) -> bytes:
    """An ExportLogsServiceResponse; empty when everything was taken."""
    if not rejected:
        return b""
    return _written(1, _written(1, rejected) + _written(2, message.encode()))


def status(code: int, message: str) -> bytes:
    """A google.rpc.Status, which is what OTLP/HTTP answers refusals with."""
    return (_written(1, code) if code else b"") + _written(2, message.encode())
