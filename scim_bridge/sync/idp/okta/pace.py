"""Keeps calls under Okta's rate limits by the headers of earlier answers, so that none is refused.

A share of every window is left for the org's other clients; a stop may use it, nothing else may.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.rate import RESERVE_PERCENT, is_urgent

# Longer than this nobody waits inside a call: the effect is tried again later instead.
PATIENCE = 3.0


@dataclass(slots=True)
class Window:
    """One window of a limit: how many calls are left in it, and when it ends on our monotonic clock."""

    limit: int = 0
    remaining: int = 1
    ends: float = 0.0
    flying: int = 0

    def room(self, reserve: int) -> bool:
        """True when one more call would leave `reserve` percent of the window untouched."""
        return (self.remaining - self.flying) * 100 > self.limit * reserve


def endpoint_of(method: str, path: str) -> str:
    """The endpoint a call belongs to, ids left out."""
    parts = [part if part.isalpha() or part == "v1" else "*" for part in path.strip("/").split("/")]
    return f"{method} {'/'.join(parts)}"


class Pace:
    """Lets calls pass while their window has room. `patience` in seconds, `reserve` in percent.

    Which endpoints share a window is not told by Okta but seen: they answer with the same limit that
    ends at the same second. What other processes and other clients take is seen in the same headers.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience: float = PATIENCE,
        reserve: int = RESERVE_PERCENT,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._patience = patience
        self._reserve = reserve
        self._of: dict[str, Window] = {}
        self._windows: dict[tuple[int, int], Window] = {}

    async def enter(self, endpoint: str) -> Window:
        """Wait for room; IdpError (transient, with the pause) when that takes longer than patience."""
        reserve = 0 if is_urgent() else self._reserve
        while True:
            window = self._of.setdefault(endpoint, Window())
            wait = window.ends - self._now()
            if wait <= 0 or window.room(reserve):
                window.flying += 1
                return window
            if wait > self._patience:
                raise IdpError(
                    "okta-paced",
                    f"Okta's rate limit for {endpoint} leaves no room for {wait:.0f} s.",
                    transient=True,
                    retry_after=int(wait) + 1,
                )
            await self._sleep(wait)

    def leave(self, endpoint: str, entered: Window, headers: Mapping[str, str] | None) -> None:
        """Learn from an answer (None: there was none)."""
        entered.flying -= 1
        if headers is None:
            return
        try:
            limit = int(headers["x-rate-limit-limit"])
            remaining = int(headers["x-rate-limit-remaining"])
            reset = int(headers["x-rate-limit-reset"])
            ahead = reset - parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return
        if limit <= 0:
            return
        window = self._windows.get((limit, reset))
        if window is None:
            now = self._now()
            self._windows = {key: kept for key, kept in self._windows.items() if kept.ends > now}
            # The Date header has whole seconds: one more, or we come a moment early.
            window = Window(limit, remaining, now + ahead + 1)
            self._windows[limit, reset] = window
        # Answers may overtake each other: within one window only the smallest rest is true.
        window.remaining = min(window.remaining, remaining)
        self._of[endpoint] = window
