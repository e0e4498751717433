"""The public keys of scanners: pinned in the settings, or fetched by a duty and kept; never in a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import structlog

from scim_bridge.credentials.leaks.github import Forged, read_keys
from scim_bridge.kernel.clock import HOUR, MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.work import SYSTEM, Work

log = structlog.get_logger("scim_bridge.leaks")

FACT = "leak-keys"
REFRESH = HOUR
ASK_AGAIN = MINUTE
PAUSE = 30 * SECOND
MAX_BYTES = 262_144


class KeysAwaited(StoreUnavailable):
    """A key nobody knows yet is being fetched: the scanner sends the same again."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What was fetched, when, and from when on to ask again."""

    url: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    fetched: int = 0
    next_at: int = 0
    error: str = ""


async def cached(reader: Reader, url: str) -> Cached:
    """What is known of an address; nothing of another one."""
    row = await reader.one("SELECT value FROM sb_fact WHERE name = ?", FACT)
    found = Cached(**orjson.loads(row["value"])) if row is not None else Cached()
    return found if found.url == url else Cached(url)


async def key_for(ctx: Context, url: str, pinned: Mapping[str, str], kid: str) -> str:
    """The key with this identifier; Forged when the scanner has none, KeysAwaited when nobody can tell yet."""
    if kid in pinned:
        return pinned[kid]
    if url:
        known = await cached(ctx.store.reads, url)
        if kid in known.keys:
            return known.keys[kid]
        now = ctx.store.clock.now()
        if known.fetched + ASK_AGAIN <= now:
            await _keep(ctx, Cached(url, known.keys, known.fetched, min(known.next_at, now), known.error))
            raise KeysAwaited("The keys of the scanner are being fetched.")
    raise Forged(
        "leak-key", "The message is signed with an unknown key.", "Set leaks.keys_url or public_keys."
    )


async def refresh(ctx: Context, url: str) -> int:
    """Fetch the keys when it is time; how many there are. A failure keeps those there were."""
    if not url:
        return 0
    known, now = await cached(ctx.store.reads, url), ctx.store.clock.now()
    if known.next_at > now:
        return 0
    try:
        answer = await ctx.outbound.send(
            "GET", url, headers={"accept": "application/json"}, max_bytes=MAX_BYTES
        )
        if answer.status != 200:
            raise OutboundError(
                "leak-keys", f"The address of the keys answered {answer.status}.", transient=True
            )
        keys = read_keys(answer.body)
    except BridgeError as error:
        if known.error != error.code:
            log.warning("leaks.keys_unavailable", action="leaks.keys_unavailable", reason=error.text())
        await _keep(ctx, Cached(url, known.keys, known.fetched, now + PAUSE, error.code))
        return 0
    await _keep(ctx, Cached(url, keys, now, now + REFRESH))
    return len(keys)


async def _keep(ctx: Context, found: Cached) -> None:
    value = orjson.dumps(found).decode()

    async def body(work: Work) -> None:
        work.bookkeeping("a scanner's public keys")
        await work.tx.run(
            "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed = excluded.changed",
            FACT,
            value,
            work.now,
        )

    await ctx.store.transact(SYSTEM, body)
