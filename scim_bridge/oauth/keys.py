"""Issuers' signing keys: fetched by a periodic duty, never in a request, and kept through an outage.

A request that meets a key id nobody knows asks for a fetch and is told to come again: the duty looks
every second or two. Asking is throttled by the time of the last fetch, so it cannot be used as a flood.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson
import structlog
from joserfc.errors import JoseError

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.oauth.assertion import PublicKey, public_key
from scim_bridge.oauth.model import ALGORITHM, OAuthError

log = structlog.get_logger("scim_bridge.oauth")

# A key the issuer took back is believed for an hour at most, and for three days while it cannot be asked.
REFRESH = HOUR
KEEP_IN_OUTAGE = 3 * DAY
ASK_AGAIN = MINUTE
LEASE = MINUTE
FIRST_PAUSE = 5 * SECOND
LONGEST_PAUSE = 10 * MINUTE
COME_AGAIN = 5
MAX_BYTES = 262_144
MOST_KEYS = 100
KEY_BITS = range(2048, 8193)

Keys = dict[str, PublicKey]


@dataclass(frozen=True, slots=True)
class Cached:
    """The keys of one address as last fetched."""

    keys: Keys
    fetched: int | None
    failures: int
    last_error: str | None
    next_at: int = 0


async def cached(reader: Reader, url: str) -> Cached:
    """What is known of an address."""
    row = await reader.one(
        "SELECT keys, fetched, failures, last_error, next_at FROM sb_oauth_keys WHERE url = ?", url
    )
    if row is None:
        return Cached({}, None, 0, None)
    known = orjson.loads(row["keys"])
    return Cached(known, row["fetched"], row["failures"], row["last_error"], row["next_at"])


async def key_for(ctx: Context, url: str, kid: str) -> PublicKey:
    """The key with this id; OAuthError when the issuer has no such key, or nobody can tell yet (503)."""
    known = await cached(ctx.store.reads, url)
    now = ctx.store.clock.now()
    age = None if known.fetched is None else now - known.fetched
    if kid in known.keys and age is not None and age <= KEEP_IN_OUTAGE:
        return known.keys[kid]
    if age is not None and age < ASK_AGAIN and not known.failures:
        raise OAuthError(
            "invalid_client", "The assertion is signed with an unknown key.", why="assertion-key-unknown"
        )
    if known.next_at > now and not known.failures:
        await _ask(ctx, url)
    raise OAuthError(
        "temporarily_unavailable",
        "The keys of the issuer are being fetched.",
        "Send the same request again.",
        why="keys-awaited",
        retry_after=COME_AGAIN,
    )


async def _ask(ctx: Context, url: str) -> None:
    """Have the duty fetch now, unless it did a moment ago or is trying already."""

    async def body(work: Work) -> None:
        work.bookkeeping("keys are wanted")
        await work.tx.run(
            "UPDATE sb_oauth_keys SET next_at = ? WHERE url = ? AND next_at > ? AND failures = 0"
            " AND (fetched IS NULL OR fetched <= ?)",
            work.now,
            url,
            work.now,
            work.now - ASK_AGAIN,
        )

    await ctx.store.transact(SYSTEM, body)


async def watch(work: Work, url: str) -> None:
    """Have the keys of an address fetched at once and kept fresh from now on."""
    await work.tx.run(
        "INSERT INTO sb_oauth_keys (url, keys, next_at, failures) VALUES (?, '{}', ?, 0)"
        " ON CONFLICT (url) DO NOTHING",
        url,
        work.now,
    )


async def unwatch(work: Work) -> None:
    """Forget the keys of addresses no trust names any more."""
    await work.tx.run(
        "DELETE FROM sb_oauth_keys WHERE NOT EXISTS (SELECT 1 FROM sb_oauth_trust t"
        " WHERE t.keys_url = sb_oauth_keys.url AND t.removed IS NULL)"
    )


def checked_url(url: str, hosts: Iterable[str]) -> str:
    """The address of keys when it may be called: https, on an allowed host; Invalid otherwise."""
    try:
        parts = urlsplit(url)
        place = {parts.hostname, f"{parts.hostname}:{parts.port}"} if parts.port else {parts.hostname}
    except ValueError as error:
        raise Invalid("keys-url", "The address of the keys is no URL.", "Write https://host/path.") from error
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment:
        raise Invalid("keys-url", f"{url[:200]!r} is no https address.", "Write https://host/path.")
    if not place & {host.casefold() for host in hosts}:
        raise Invalid(
            "keys-host", f"Keys are not fetched from {parts.hostname}.", "Add the host to oauth.keys_hosts."
        )
    return url


async def refresh(ctx: Context, hosts: tuple[str, ...]) -> int:
    """Fetch the keys that are due; how many addresses were asked. Of several replicas one asks each."""
    now = ctx.store.clock.now()
    rows = await ctx.store.reads.all(
        "SELECT url, next_at FROM sb_oauth_keys WHERE next_at <= ? ORDER BY next_at, url LIMIT 20", now
    )
    return sum([await refresh_one(ctx, row["url"], row["next_at"], hosts) for row in rows])


async def refresh_one(ctx: Context, url: str, due: int, hosts: tuple[str, ...]) -> bool:
    """Fetch the keys of one address; False when another process took this turn. Keeps the old when it fails."""

    async def lease(work: Work) -> int:
        work.bookkeeping("a fetch of keys begins")
        return await work.tx.run(
            "UPDATE sb_oauth_keys SET next_at = ? WHERE url = ? AND next_at = ?", work.now + LEASE, url, due
        )

    if not await ctx.store.transact(SYSTEM, lease):
        return False
    try:
        found = await _fetched(ctx, checked_url(url, hosts))
    except (OutboundError, Invalid) as error:
        reason = error.text()
        failures = await ctx.store.transact(SYSTEM, lambda work: _failed(work, url, reason))
        # One failure is nothing yet: the keys known before serve on, and it is tried again in seconds.
        tell = log.info if failures == 1 else log.warning
        tell("oauth.keys_failed", action="oauth.keys_failed", url=url, reason=reason, failures=failures)
    else:
        await ctx.store.transact(SYSTEM, lambda work: _keep(work, url, found))
    return True


async def _fetched(ctx: Context, url: str) -> Keys:
    answer = await ctx.outbound.send("GET", url, headers={"accept": "application/json"}, max_bytes=MAX_BYTES)
    if answer.status != 200:
        raise Invalid("keys-answer", f"The issuer answered {answer.status} instead of its keys.")
    return usable_keys(answer.body)


def usable_keys(body: bytes) -> Keys:
    """The RSA signing keys of a JWKS (RFC 7517) by key id; Invalid when there is none among them.

    Other keys are passed over. A set without any would end every exchange, so it is not believed.
    """
    try:
        listed = orjson.loads(body)["keys"][:MOST_KEYS]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Invalid("keys-answer", "The issuer's answer is no set of keys.") from error
    found: Keys = {}
    for key in listed:
        if not isinstance(key, dict) or key.get("kty") != "RSA":
            continue
        if key.get("use", "sig") != "sig" or key.get("alg", ALGORITHM) != ALGORITHM:
            continue
        kid, n, e = key.get("kid"), key.get("n"), key.get("e")
        if isinstance(kid, str) and kid and isinstance(n, str) and isinstance(e, str) and _strong(n, e):
            found.setdefault(kid, {"n": n, "e": e})
    if not found:
        raise Invalid("keys-answer", "The issuer's answer holds no usable RSA key.")
    return found


def _strong(n: str, e: str) -> bool:
    try:
        return public_key({"n": n, "e": e}).raw_value.key_size in KEY_BITS
    except (JoseError, ValueError, TypeError):
        return False


async def _keep(work: Work, url: str, found: Keys) -> None:
    known = await cached(work.tx, url)
    await work.tx.run(
        "UPDATE sb_oauth_keys SET keys = ?, fetched = ?, next_at = ?, failures = 0, last_error = NULL"
        " WHERE url = ?",
        orjson.dumps(found).decode(),
        work.now,
        work.now + REFRESH,
        url,
    )
    if found == known.keys:
        work.bookkeeping("keys were fetched")
        return
    added, gone = sorted(found.keys() - known.keys.keys()), sorted(known.keys.keys() - found.keys())
    replaced = sorted(kid for kid in found.keys() & known.keys.keys() if found[kid] != known.keys[kid])
    detail = {"url": url, "added": added, "removed": gone, "replaced": replaced}
    await record(work, "oauth.keys_changed", "issuer", None, detail)


async def _failed(work: Work, url: str, reason: str) -> int:
    work.bookkeeping("keys could not be fetched")
    known = await cached(work.tx, url)
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(known.failures, 20))
    await work.tx.run(
        "UPDATE sb_oauth_keys SET failures = failures + 1, next_at = ?, last_error = ? WHERE url = ?",
        work.now + pause,
        reason[:500],
        url,
    )
    return known.failures + 1


def told(known: Cached) -> str:
    """The state of an address's keys in words, for lists."""
    when = "" if known.fetched is None else f"{len(known.keys)} keys, fetched {iso(known.fetched)}"
    trouble = "" if known.last_error is None else f"last try failed: {known.last_error}"
    return "; ".join(filter(None, (when, trouble))) or "not fetched yet"
