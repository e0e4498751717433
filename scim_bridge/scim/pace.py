"""How fast connections may call, and how often an address may be wrong about its token (RFC 6585 section 4).

Okta and Entra both wait for what Retry-After says and send the request again.
"""

from __future__ import annotations

from scim_bridge.kernel.bucket import Buckets
from scim_bridge.kernel.clock import Clock
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.telemetry import THROTTLED
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.registry.connections import Connection
from scim_bridge.settings.scim import ScimSettings

WRONG_TOKENS_A_MINUTE = 60


class Pace:
    """The pace of one process."""

    def __init__(self, clock: Clock, settings: ScimSettings) -> None:
        self._rate = settings.rate
        self._buckets = Buckets(clock, settings.rate, settings.burst)
        self._wrong = Throttle(clock, WRONG_TOKENS_A_MINUTE, 60)

    def count(self, connection: Connection) -> None:
        """Count one request of a connection; TooManyRequests when it has to slow down."""
        wait = self._buckets.take(connection.id)
        if wait is None:
            return
        THROTTLED.labels(connection.name, "rate").inc()
        raise TooManyRequests(
            "rate-limit",
            f"Connection {connection.name!r} sends more than {self._rate} requests a second.",
            f"Try again in {wait} s.",
            retry_after=wait,
        )

    def refused(self, error: BridgeError, address: str | None) -> BridgeError:
        """What to answer to a caller that was not recognised: the same, or the demand to slow down.

        A missing token is no guess. A right one is let in however many wrong ones came from its address,
        which may be a proxy's.
        """
        if error.code != "token-invalid":
            return error
        key = address or "unknown"
        wait = self._wrong.wait(key)
        if wait is None:
            self._wrong.count(key)
            return error
        THROTTLED.labels("", "wrong-token").inc()
        return TooManyRequests(
            "wrong-tokens",
            "Too many requests with a wrong access token came from this address.",
            "Send a valid one: `tokens create` makes it.",
            retry_after=wait,
        )
