"""The body of a request with activity: read up to a limit, unpacked when it is packed, as JSON or as lines."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.web import TooLarge, WrongMedia

LARGEST = 8 * 1024 * 1024
# A packed body may be several, one behind the other (RFC 1952 section 2.2); each costs a copy of what follows.
MOST_MEMBERS = 1_000
MOST_EVENTS = 10_000
# Blank lines are passed over, and cost time like others.
MOST_LINES = 2 * MOST_EVENTS
# Commas and opening brackets: a value of three bytes is a hundred in memory. Of the densest export anybody means,
# attributes of forty bytes, 8 MiB hold half as many.
MOST_MARKS = 1_500_000


async def read_packed(request: Request, most: int = LARGEST) -> bytes:
    """The whole body, gzip undone; TooLarge as soon as either is more than `most` bytes."""
    # A header that comes twice is one with both (RFC 9110 section 5.3); x-gzip is gzip (section 8.4.1.3).
    coding = ", ".join(request.headers.getlist("content-encoding")).strip().casefold().removeprefix("x-")
    if coding not in ("", "identity", "gzip"):
        raise WrongMedia(
            "content-encoding",
            f"Bodies coded as {coding[:60]!r} are not read here.",
            "Send it plain or as gzip.",
        )
    refusal = TooLarge(
        "body-too-large", f"The body is larger than {most} bytes.", "Send fewer events at once."
    )
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > most:
        raise refusal
    body = bytearray()
    unpack = _Gzip() if coding == "gzip" else None
    try:
        async for chunk in request.stream():
            # One byte more than allowed tells that it is too large, without unpacking a bomb.
            body += chunk if unpack is None else unpack.unpacked(chunk, most + 1 - len(body))
            if len(body) > most:
                raise refusal
    except ClientDisconnect as error:
        raise Invalid("body-incomplete", "The body ended early.", "Send it again.") from error
    except zlib.error as error:
        raise Invalid(
            "gzip-invalid", "The body is not gzip, as its header says.", "Send it again."
        ) from error
    if unpack is not None and not unpack.whole:
        raise Invalid("gzip-invalid", "The packed body ends early.", "Send it again.")
    return bytes(body)


class _Gzip:
    """Unpacks a stream of gzip members; none is passed over, so that no event in it is."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._members = 1

    def unpacked(self, chunk: bytes, most: int) -> bytes:
        """What the chunk holds, `most` bytes of it at most: the caller refuses what fills them."""
        out = bytearray()
        while chunk and len(out) < most:
            if self._member.eof:
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise zlib.error("too many members")
                self._member = zlib.decompressobj(wbits=31)
            out += self._member.decompress(chunk, most - len(out))
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return bytes(out)

    @property
    def whole(self) -> bool:
        """Whether the last member has ended."""
        return self._member.eof


def too_many() -> Invalid:
    """More events than are taken at once."""
    return Invalid("too-many-events", f"More than {MOST_EVENTS} events at once.", "Send fewer at once.")


def _sparse(body: bytes) -> None:
    if sum(body.count(mark) for mark in (b",", b"{", b"[")) > MOST_MARKS:
        raise Invalid(
            "too-many-values", "The body holds more values than anybody means.", "Send fewer at once."
        )


def json_of(body: bytes) -> Any:
    """The body as JSON; Invalid when it is none, or holds more values than anybody means."""
    _sparse(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid("json-invalid", f"The body is not JSON ({error}).", "Send JSON in UTF-8.") from error


def lines_of(body: bytes) -> list[Any]:
    """The body as JSON Lines; a line that is no JSON is None, so that the others are taken. Invalid: too many."""
    if body.count(b"\n") > MOST_LINES:
        raise too_many()
    _sparse(body)
    found: list[Any] = []
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            found.append(None)
    return found
