"""The way out to a connection's transmitter: the bridge's own, and where it has a `ca_file` with that trusted too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound import Outbound


@asynccontextmanager
async def way_out(ctx: Context, ca_file: str) -> AsyncIterator[Outbound]:
    """How a transmitter is called; Refused when `ca_file` (empty: none) holds no certificates.

    Opened anew each time, so that an authority that was renewed on disk is trusted from then on.
    """
    if not ca_file:
        yield ctx.outbound
        return
    try:
        # Reading every authority takes longer than others should wait.
        own = await asyncio.to_thread(ctx.outbound.trusting, ca_file)
    except OSError as error:
        raise Refused(
            "stream-ca-file", f"ca_file {ca_file} holds no certificates that can be read.", "Give a PEM file."
        ) from error
    try:
        yield own
    finally:
        await own.aclose()
