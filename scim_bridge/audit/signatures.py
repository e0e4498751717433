"""Signatures of checkpoints, checked ahead of the walk by the other cores: there is one for every few rows.

A server seals twice a second, so a chain of a million rows holds some hundred thousand checkpoints, and each
signature costs more than ten rows. Every one is checked all the same: what the walk is told is what it would
have found itself, in the same order.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any

from scim_bridge.audit.model import CHECKPOINT_TYPE
from scim_bridge.kernel.crypto import Tampered, verify

# Lines that are read ahead at once; with fewer signatures in them than FEW, a process costs more than it saves.
CHUNK = 4_000
FEW = 200
IN_FLIGHT = 4

Item = tuple[int, dict[str, Any]]
Keys = Mapping[str, dict[str, Any]]
Stated = Mapping[str, Any] | Tampered


def stated(statement: str, keys: Keys) -> Stated:
    """What a checkpoint's statement signs, or why it does not count."""
    try:
        return verify(statement, dict(keys), CHECKPOINT_TYPE)
    except Tampered as error:
        return error


def _many(statements: Sequence[str], keys: Keys) -> list[Mapping[str, Any] | str]:
    found = [stated(one, keys) for one in statements]
    return [one.message if isinstance(one, Tampered) else one for one in found]


def ahead(
    items: Iterator[Item], keys: Keys
) -> Generator[tuple[int, dict[str, Any], Stated | None], None, None]:
    """Each line with what its statement signs, None for lines without one; a few chunks are read ahead."""
    pool: ProcessPoolExecutor | None = None
    waiting: deque[tuple[list[Item], list[str], Future[list[Any]] | None]] = deque()
    try:
        while chunk := list(islice(items, CHUNK)):
            signed = [item["statement"] for _, item in chunk if _signs(item)]
            future = None
            if len(signed) >= FEW:
                pool = pool or ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn"))
                future = _begun(pool, signed, keys)
            waiting.append((chunk, signed, future))
            if len(waiting) >= IN_FLIGHT:
                yield from _told(*waiting.popleft(), keys)
        while waiting:
            yield from _told(*waiting.popleft(), keys)
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _signs(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "checkpoint" and isinstance(item.get("statement"), str)


def _begun(pool: ProcessPoolExecutor, signed: list[str], keys: Keys) -> Future[list[Any]] | None:
    try:
        return pool.submit(_many, signed, dict(keys))
    except (OSError, BrokenProcessPool):
        # No more processes to be had: this one does it.
        return None


def _told(
    chunk: list[Item], signed: list[str], future: Future[list[Any]] | None, keys: Keys
) -> Iterator[tuple[int, dict[str, Any], Stated | None]]:
    found: Iterator[Any]
    try:
        found = iter(future.result()) if future is not None else (stated(one, keys) for one in signed)
    except (OSError, BrokenProcessPool):
        found = (stated(one, keys) for one in signed)
    for number, item in chunk:
        said = next(found) if _signs(item) else None
        yield number, item, Tampered("signature", said) if isinstance(said, str) else said
