"""What a server process asks of the C library's allocator."""

from __future__ import annotations

import ctypes

# glibc's mallopt(3) parameter; other C libraries have no such thing.
M_ARENA_MAX = -8


def few_arenas(most: int = 2) -> bool:
    """Let threads share so many heaps; True when the C library takes it. To be called before the threads are made.

    glibc gives each thread a heap of its own and keeps what was once used in it: with the job engine's
    threads that was 8 of 160 MB. Python's own lock makes sharing cost nothing.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, most))
    except (AttributeError, OSError):
        return False
