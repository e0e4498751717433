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
from typing import Any, Generic, TypeVar

from scim_bridge.audit.model import CHECKPOINT_TYPE
from scim_bridge.kernel.crypto import Tampered, verify

# Items that are read ahead at once; with fewer signatures in them than FEW, a process costs more than it saves.
CHUNK = 4_000
FEW = 200
IN_FLIGHT = 4

T = TypeVar("T")
Keys = Mapping[str, dict[str, Any]]
Stated = Mapping[str, Any] | Tampered
Signed = tuple[T, str | None]
"""Something on its way to the walk, and the statement in it where it has one."""


def stated(statement: Any, keys: Keys) -> Stated:
    """What a checkpoint's statement signs, or why it does not count."""
    if not isinstance(statement, str):
        return Tampered("signature", "The statement is no text.")
    try:
        return verify(statement, dict(keys), CHECKPOINT_TYPE)
    except Tampered as error:
        return error


def _many(statements: Sequence[str], keys: Keys) -> list[Mapping[str, Any] | str]:
    found = [stated(one, keys) for one in statements]
    return [one.message if isinstance(one, Tampered) else one for one in found]


class Ahead(Generic[T]):
    """Has statements checked by other processes while a few chunks wait; close it at the end.

    The processes are started with the first chunk that is worth it.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = dict(keys)
        self._pool: ProcessPoolExecutor | None = None
        self._waiting: deque[tuple[list[Signed[T]], Future[list[Any]] | None]] = deque()

    def take(self, chunk: list[Signed[T]]) -> Iterator[tuple[T, Stated | None]]:
        """One chunk more; those that had to wait long enough, with what each statement signs."""
        statements = [statement for _, statement in chunk if statement is not None]
        self._waiting.append((chunk, self._begun(statements) if len(statements) >= FEW else None))
        if len(self._waiting) >= IN_FLIGHT:
            yield from self._told(*self._waiting.popleft())

    def rest(self) -> Iterator[tuple[T, Stated | None]]:
        """All that still waits."""
        while self._waiting:
            yield from self._told(*self._waiting.popleft())

    def close(self) -> None:
        """Let go of the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _begun(self, statements: list[str]) -> Future[list[Any]] | None:
        try:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn"))
            return self._pool.submit(_many, statements, self._keys)
        except (OSError, BrokenProcessPool):
            # No more processes to be had: this one does it.
            return None

    def _told(
        self, chunk: list[Signed[T]], future: Future[list[Any]] | None
    ) -> Iterator[tuple[T, Stated | None]]:
        statements = [statement for _, statement in chunk if statement is not None]
        found: Iterator[Any]
        try:
            found = iter(future.result() if future is not None else _many(statements, self._keys))
        except (OSError, BrokenProcessPool):
            found = iter(_many(statements, self._keys))
        for item, statement in chunk:
            said = None if statement is None else next(found)
            yield item, Tampered("signature", said) if isinstance(said, str) else said


def ahead(items: Iterator[Signed[T]], keys: Keys) -> Generator[tuple[T, Stated | None], None, None]:
    """Each item with what its statement signs, None for items without one; a few chunks are read ahead."""
    checking: Ahead[T] = Ahead(keys)
    try:
        while chunk := list(islice(items, CHUNK)):
            yield from checking.take(chunk)
        yield from checking.rest()
    finally:
        checking.close()
