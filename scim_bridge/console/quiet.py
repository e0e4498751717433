"""Reading for a page: one state for all of it, and never at the cost of those who provision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sqlite_batch import drive

T = TypeVar("T")


async def quietly(ctx: Context, body: Callable[[Reader], Coroutine[Any, Any, T]]) -> T:
    """Run the reads of `body` on one snapshot. On SQLite in a thread, for a search may have to scan.

    `body` may await only its own reads.
    """
    async with ctx.store.database.snapshot() as reader:
        if reader.backend == "sqlite":
            return await asyncio.to_thread(lambda: drive(body(reader)))
        return await body(reader)
