"""A load generator that costs less than what it measures: raw HTTP/1.1 over keep-alive, no parsing but the length.

Bounded in count and time, and only ever aimed at this machine.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.bench.machine import on_client_core

LENGTH = b"content-length:"
CHUNKED = b"transfer-encoding: chunked"
LAST_CHUNK = b"\r\n0\r\n\r\n"
LIMIT = 2_000_000
BODILESS = (204, 304)


@dataclass(slots=True)
class Result:
    """What one run saw. Times in seconds; `last` is the body that came last."""

    requests: int
    seconds: float
    statuses: dict[int, int]
    last: bytes
    times: list[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def quantile(self, share: float) -> float:
        """The time below which this share of the requests was answered."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def request(
    method: str, path: str, *, token: str = "", body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
) -> bytes:
    """One request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append("Content-Type: application/scim+json")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Answers:
    """Cuts a stream of bytes into answers: status and body, one at a time, for one request is open at a time."""

    __slots__ = ("_body_at", "_buffer", "_need")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = -1
        self._body_at = 0

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Take bytes; the answer when it is complete."""
        buffer = self._buffer
        buffer += data
        if self._need < 0 and not self._head():
            return None
        if self._need == 0:
            if not buffer.endswith(LAST_CHUNK):
                return None
        elif len(buffer) < self._need:
            return None
        status, body = int(buffer[9:12]), bytes(buffer[self._body_at :])
        buffer.clear()
        self._need = -1
        return status, body

    def _head(self) -> bool:
        """Read how long the answer is; 0 stands for one whose end is its last chunk."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        self._body_at = end + 4
        at = head.find(LENGTH)
        if at >= 0:
            self._need = end + 4 + int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])
        elif CHUNKED in head and int(head[9:12]) not in BODILESS:
            self._need = 0
        else:
            self._need = end + 4
        return True


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._answers = Answers()
        self._sent = 0.0
        self._waiting = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._run.opened(self)

    def send(self) -> None:
        """Send the next request, or end."""
        assert self._transport is not None
        following = self._run.next()
        if following is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._waiting = True
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        answer = self._answers.feed(data)
        if answer is not None:
            self._waiting = False
            self._run.answered(*answer, time.perf_counter() - self._sent)
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.gone(self._waiting)


class _Run:
    """What the connections of one run share. The clock starts when all of them are open."""

    def __init__(self, requests: Iterator[bytes], seconds: float, limit: int, clients: int) -> None:
        self._requests = requests
        self._seconds = seconds
        self._left = min(limit, LIMIT)
        self._clients = clients
        self._open: list[_Connection] = []
        self._ended = 0
        self.began = 0.0
        self.statuses: dict[int, int] = {}
        self.times: list[float] = []
        self.last = b""
        self.done = asyncio.Event()

    def opened(self, connection: _Connection) -> None:
        """One more connection is open; with the last one all begin."""
        self._open.append(connection)
        if len(self._open) == self._clients:
            self.began = time.perf_counter()
            for each in self._open:
                each.send()

    def next(self) -> bytes | None:
        """The next request, or None when time or count is used up."""
        if self._left <= 0 or time.perf_counter() - self.began >= self._seconds:
            return None
        self._left -= 1
        return next(self._requests, None)

    def answered(self, status: int, body: bytes, took: float) -> None:
        """Note one answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.times.append(took)
        self.last = body

    def gone(self, waiting: bool) -> None:
        """One connection has ended; an answer that never came counts as status 0."""
        if waiting:
            self.statuses[0] = self.statuses.get(0, 0) + 1
        self._ended += 1
        if self._ended == self._clients:
            self.done.set()


async def drive(
    port: int, requests: Iterable[bytes], *, clients: int = 16, seconds: float = 2.0, limit: int = LIMIT
) -> Result:
    """Send requests over `clients` connections to 127.0.0.1 until the time or the requests are used up.

    Each connection waits for an answer before it sends again; what is under way when time is up is finished.
    """
    run = _Run(iter(requests), seconds, limit, clients)
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
    async with asyncio.timeout(seconds + 120):
        await run.done.wait()
    return Result(len(run.times), time.perf_counter() - run.began, run.statuses, run.last, run.times)


class _Pulse(asyncio.Protocol):
    """One connection that sends on a beat, whether answers are late or not, and counts from the beat."""

    def __init__(self, requests: Sequence[bytes], every: float, seconds: float) -> None:
        self._requests = itertools.cycle(requests)
        self._every = every
        self._seconds = seconds
        self._due: list[float] = []
        self._answers = Answers()
        self._busy = False
        self._ended = False
        self.statuses: dict[int, int] = {}
        self.times: list[float] = []
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._began = time.perf_counter()
        self._beats = 0
        self._beat()

    def _beat(self) -> None:
        due = self._began + self._beats * self._every
        self._beats += 1
        self._due.append(due)
        self._send()
        following = self._began + self._beats * self._every
        if following - self._began < self._seconds:
            self._loop.call_later(max(0.0, following - time.perf_counter()), self._beat)
        else:
            self._ended = True

    def _send(self) -> None:
        if self._due and not self._busy:
            self._busy = True
            self._transport.write(next(self._requests))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        answer = self._answers.feed(data)
        if answer is None:
            return
        self.statuses[answer[0]] = self.statuses.get(answer[0], 0) + 1
        self.times.append(time.perf_counter() - self._due.pop(0))
        self._busy = False
        self._send()
        if self._ended and not self._due:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set()


async def pulse(port: int, requests: Sequence[bytes], *, every: float, seconds: float) -> Result:
    """Requests on a beat of `every` seconds over one connection; a late answer makes the next ones late too.

    Times count from the beat, so a server that stands still for a second is seen by all beats of that second.
    """
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    _, probe = await loop.create_connection(lambda: _Pulse(requests, every, seconds), "127.0.0.1", port)
    async with asyncio.timeout(seconds + 120):
        await probe.done.wait()
    return Result(len(probe.times), time.perf_counter() - began, probe.statuses, b"", probe.times)


def run(*loads: Awaitable[Result]) -> list[Result]:
    """Run coroutines of `drive` and `pulse` at the same time, on an event loop and a core of their own."""
    import uvloop

    async def together() -> list[Result]:
        return list(await asyncio.gather(*loads))

    gc.disable()
    try:
        with on_client_core(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(together())
    finally:
        gc.enable()


def measure(
    port: int, requests: Iterable[bytes], *, clients: int = 16, seconds: float = 2.0, limit: int = LIMIT
) -> Result:
    """`drive` alone."""
    return run(drive(port, requests, clients=clients, seconds=seconds, limit=limit))[0]


def forever(requests: Iterable[bytes]) -> Iterator[bytes]:
    """The same requests again and again."""
    return itertools.cycle(list(requests))
