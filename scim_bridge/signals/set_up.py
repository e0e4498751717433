"""Setting a stream up: by what its transmitter says of itself and makes for us, or by hand."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import connection
from scim_bridge.registry.signal import DELETED, LEFT
from scim_bridge.signals import transmitter
from scim_bridge.signals.ssf_events import MEANINGS, REQUESTED, short
from scim_bridge.signals.stream_state import ask_verification, set_status
from scim_bridge.signals.streams import (
    PUSH,
    Stream,
    checked_address,
    put_stream,
    remove_stream,
    stream,
    stream_secrets,
    streams,
)
from scim_bridge.signals.transmitter_calls import Calls
from scim_bridge.signals.way_out import way_out


@dataclass(frozen=True, slots=True)
class SetUp:
    """A stream that was set up. `warning`: what it will not do. `header` is for a push set up by hand: shown once."""

    stream: Stream
    events: tuple[str, ...] = ()
    warning: str = ""
    header: str = ""


def endpoint_url(ctx: Context, connection_name: str) -> str:
    """Where a transmitter pushes events of this connection to."""
    return f"{ctx.public_url}/signals/ssf/{connection_name}"


async def by_transmitter(
    ctx: Context, actor: Actor, asked: Stream, address: str, secrets: Mapping[str, str] | None
) -> SetUp:
    """Find a transmitter, make our stream there, and keep it. The transmitter is asked before anything is kept."""
    owner = await connection(ctx.store.reads, asked.connection)
    known = await stream_secrets(ctx.store.reads, ctx.master, owner.id) if secrets is None else secrets
    token_url = asked.endpoints.get("token", "")
    if token_url:
        checked_address("token", token_url)
    header = f"Bearer {random.token_urlsafe(32)}"
    url = endpoint_url(ctx, owner.name)
    before = [one for one in await streams(ctx.store.reads) if one.connection_id == owner.id]
    async with way_out(ctx, str(owner.settings.get("ca_file") or "")) as outbound:
        found = await transmitter.discover(outbound, address)
        own = before[0].stream_id if before and before[0].issuer == found.issuer else ""
        calls = Calls(ctx.store.clock, outbound)
        made = await transmitter.create(
            calls, found, asked.method, known, token_url, REQUESTED, url, header, own
        )
    endpoints = {**found.endpoints, **asked.endpoints}
    if made.poll_url:
        endpoints["poll"] = made.poll_url
    complete = replace(
        asked,
        connection=owner.name,
        connection_id=owner.id,
        issuer=found.issuer,
        audiences=asked.audiences or made.audiences,
        endpoints=endpoints,
        stream_id=made.stream_id,
    )
    pushed = header if asked.method == PUSH else None
    kept = await ctx.store.transact(
        actor, lambda work: put_stream(work, ctx.master, complete, secrets, pushed)
    )
    return SetUp(kept, tuple(map(short, made.events)), _warning(made.events))


def _warning(events: tuple[str, ...]) -> str:
    if not events or any(uri in MEANINGS and MEANINGS[uri].kind in (LEFT, DELETED) for uri in events):
        return ""
    return "This transmitter tells of no account that is disabled or deleted: who leaves must come by another door."


async def by_hand(
    ctx: Context, actor: Actor, asked: Stream, secrets: Mapping[str, str] | None, *, open_to_all: bool = False
) -> SetUp:
    """Keep a stream that was made at its transmitter by somebody. A pushed one gets a header to be sent along.

    `open_to_all` asks no header: for transmitters that cannot send one. The signature proves each event anyway.
    """
    header = f"Bearer {random.token_urlsafe(32)}" if asked.method == PUSH and not open_to_all else ""
    complete = replace(asked, audiences=asked.audiences or (endpoint_url(ctx, asked.connection),))
    kept = await ctx.store.transact(
        actor, lambda work: put_stream(work, ctx.master, complete, secrets, header or None)
    )
    return SetUp(kept, header=header)


async def verify(ctx: Context, actor: Actor, name: str) -> Stream:
    """Have the transmitter send a verification event; it has arrived once `verified` is later than `verify_asked`."""
    found = await stream(ctx.store.reads, name)
    state = await ctx.store.transact(actor, lambda work: ask_verification(work, found))
    secrets = await stream_secrets(ctx.store.reads, ctx.master, found.connection_id)
    async with way_out(ctx, found.ca_file) as outbound:
        await transmitter.verify(Calls(ctx.store.clock, outbound), found, secrets, state)
    return await stream(ctx.store.reads, name)


async def ask_status(
    ctx: Context, actor: Actor, name: str, change: Mapping[str, str] | None = None
) -> Stream:
    """The stream with the status its transmitter says it has, after changing it when `change` says how."""
    found = await stream(ctx.store.reads, name)
    secrets = await stream_secrets(ctx.store.reads, ctx.master, found.connection_id)
    async with way_out(ctx, found.ca_file) as outbound:
        calls = Calls(ctx.store.clock, outbound)
        status, reason = await transmitter.status(calls, found, secrets, change)
    await ctx.store.transact(actor, lambda work: set_status(work, found, status, reason))
    return await stream(ctx.store.reads, name)


async def remove(ctx: Context, actor: Actor, name: str) -> tuple[Stream, str]:
    """Remove a stream here, and at its transmitter when we made it there; what that said against it, if anything.

    Here it ends whatever the transmitter says.
    """
    found = await stream(ctx.store.reads, name)
    secrets = await stream_secrets(ctx.store.reads, ctx.master, found.connection_id)
    trouble = ""
    if found.stream_id:
        try:
            async with way_out(ctx, found.ca_file) as outbound:
                await transmitter.delete(Calls(ctx.store.clock, outbound), found, secrets)
        except BridgeError as error:
            trouble = error.text()

    async def body(work: Work) -> Stream:
        return await remove_stream(work, found.connection)

    return await ctx.store.transact(actor, body), trouble
