"""How far an effect is that takes a while: kept beside it, for a page in whichever process to show."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from scim_bridge.kernel.work import SYSTEM, Store, Work

# Telling costs a write; a reader looks no more often than this.
EVERY = 1.0


class Progress:
    """Told as often as one likes; kept about once a second, and gone with the effect's result."""

    def __init__(self, store: Store, effect_id: str) -> None:
        self._store = store
        self._effect_id = effect_id
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None

    def tell(self, told: Mapping[str, Any]) -> None:
        """Keep this soon, if the last telling is long enough ago."""
        now = asyncio.get_running_loop().time()
        if now < self._next or (self._task is not None and not self._task.done()):
            return
        self._next = now + EVERY
        self._task = asyncio.ensure_future(self._keep(orjson.dumps({"progress": dict(told)}).decode()))

    async def _keep(self, text: str) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("how far an effect is")
            await work.tx.run(
                "UPDATE sb_effect SET result = ? WHERE id = ? AND state IN ('pending', 'handed')",
                text,
                self._effect_id,
            )

        await self._store.transact(SYSTEM, body)

    async def close(self) -> None:
        """Wait for what is being kept; a failure to keep it is no failure of the effect."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
