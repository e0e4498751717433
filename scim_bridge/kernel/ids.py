"""Identifiers: UUIDv7 text, ordered by the time they were made (RFC 9562 section 5.7)."""

from __future__ import annotations

import os
import threading
from typing import Protocol

from scim_bridge.kernel.clock import Clock


class Ids(Protocol):
    """Something that makes identifiers."""

    def new(self) -> str:
        """A new identifier, never given before."""


class UuidV7:
    """UUIDv7 identifiers that grow even within one millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0
        self._drawn = b""
        self._owner = 0

    def _random(self) -> bytes:
        """Eight random bytes, drawn from the system sixty-four ids at a time; never those of a parent process."""
        if not self._drawn or self._owner != os.getpid():
            self._drawn, self._owner = os.urandom(512), os.getpid()
        taken, self._drawn = self._drawn[:8], self._drawn[8:]
        return taken

    def new(self) -> str:
        """A new UUIDv7 in its 36-character text form."""
        with self._lock:
            # 48 bits of milliseconds and 12 of sub-millisecond order; a clock that stands still
            # or steps back must not break the order within this process.
            stamp = max((self._clock.now() << 12) // 1000, self._last + 1)
            self._last = stamp
            random = self._random()
        millis, fraction = (stamp >> 12) & 0xFFFF_FFFF_FFFF, stamp & 0xFFF
        tail = int.from_bytes(random) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        text = f"{millis:012x}7{fraction:03x}{tail:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class SequentialIds:
    """Readable identifiers for tests: id-000001, id-000002, ..."""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix = prefix
        self._count = 0

    def new(self) -> str:
        """The next identifier in order."""
        self._count += 1
        return f"{self._prefix}-{self._count:06d}"
