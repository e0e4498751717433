"""What a server made of values that were sent to it, where that is something else: remembered, not fought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import SYSTEM, Work

Kept = dict[str, tuple[Any, Any]]
"""By attribute: what was sent, and what the server made of it."""


class Memory:
    """The differences of one connection, by the id of the user there."""

    def __init__(self, ctx: Context, connection_id: str) -> None:
        self._ctx = ctx
        self._connection_id = connection_id

    async def everything(self) -> dict[str, Kept]:
        """Of every user."""
        rows = await self._ctx.store.reads.all(
            "SELECT remote_id, name, sent, made FROM sb_sync_kept WHERE connection_id = ?",
            self._connection_id,
        )
        found: dict[str, Kept] = {}
        for row in rows:
            found.setdefault(row["remote_id"], {})[row["name"]] = _pair(row)
        return found

    async def of(self, remote_id: str) -> Kept:
        """Of one user."""
        rows = await self._ctx.store.reads.all(
            "SELECT name, sent, made FROM sb_sync_kept WHERE connection_id = ? AND remote_id = ?",
            self._connection_id,
            remote_id,
        )
        return {row["name"]: _pair(row) for row in rows}

    async def learn(
        self, remote_id: str, before: Mapping[str, Any], sent: Mapping[str, Any], made: Kept
    ) -> None:
        """Note what became of what was `sent`; `before` is what was known of the user."""
        if not made and not before.keys() & sent.keys():
            return

        async def body(work: Work) -> None:
            work.bookkeeping("what a SCIM server makes of what is written there")
            await work.tx.many(
                "DELETE FROM sb_sync_kept WHERE connection_id = ? AND remote_id = ? AND name = ?",
                [(self._connection_id, remote_id, name) for name in sent],
            )
            await work.tx.many(
                "INSERT INTO sb_sync_kept (connection_id, remote_id, name, sent, made) VALUES (?, ?, ?, ?, ?)",
                [
                    (self._connection_id, remote_id, name, _text(value), _text(there))
                    for name, (value, there) in made.items()
                ],
            )

        await self._ctx.store.transact(SYSTEM, body)


def _pair(row: Any) -> tuple[Any, Any]:
    return orjson.loads(row["sent"]), orjson.loads(row["made"])


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
