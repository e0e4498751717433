"""Noting what a connection's IdP did for the first time: once for each kind of call, and never in its way."""

from __future__ import annotations

from contextlib import suppress

from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Store
from scim_bridge.registry.first_calls import PROOF, kind_of, note_first
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.exchange import Asked

# Connections times kinds: far more than any installation has.
MOST = 10_000


class Firsts:
    """What this process has noted; a call of a kind that it knows costs one look into a set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: set[tuple[str, str]] = set()

    async def note(self, caller: Caller, asked: Asked, template: str) -> None:
        """Keep that this call was answered, if it is the first of its kind; a failure is tried with the next one."""
        kind = kind_of(asked.method, template, filtered="filter" in asked.query)
        if kind is None or (caller.connection.id, kind) in self._noted or caller.grant.label == PROOF:
            return
        with suppress(BridgeError):
            await self._store.transact(
                caller.actor, lambda work: note_first(work, caller.connection.id, kind)
            )
            if len(self._noted) >= MOST:
                self._noted.clear()
            self._noted.add((caller.connection.id, kind))
