"""Waiting for the first call of an IdP, in a command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scim_bridge.app import Bridge
from scim_bridge.connecting.steps import Standing, standing

LOOK = 0.5


async def by_now(bridge: Bridge, name: str) -> Standing:
    """How far the connection is by now."""
    store = bridge.ctx.store
    return await standing(store.reads, name, store.clock.now())


async def first_call(bridge: Bridge, name: str, seconds: float, tick: Callable[[], None]) -> bool:
    """Wait until the IdP has called; False when it did not in that time. `tick` hears that we still wait."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not (await by_now(bridge, name)).heard:
        if loop.time() >= until:
            return False
        tick()
        await asyncio.sleep(LOOK)
    return True
