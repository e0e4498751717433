"""How a store's refusal is told: a stable code, whether it may pass, and never a word the store sent.

What a store answers may repeat what it was sent. So its text is dropped, and the library's exception
with it (`from None`): a traceback would print it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from scim_bridge.credentials.model import DeliveryFailed

T = TypeVar("T")

# Somebody else wrote at the same moment: read again and write again, so often.
ATTEMPTS = 4
# Too early, too often, busy: the same call may succeed later.
PASSING = frozenset({408, 412, 425, 429})


class Overtaken(DeliveryFailed):
    """Somebody else wrote between our reading and our writing."""

    def __init__(self, store: str) -> None:
        super().__init__(
            "store-overtaken",
            f"Others keep writing to the same place in store {store!r}.",
            "Give the credential a place of its own.",
            transient=True,
        )


def away(store: str, what: str) -> DeliveryFailed:
    """The store did not answer, or not as a store does: later it may."""
    return DeliveryFailed(
        "store-away", f"Store {store!r} {what}.", "Check that it runs and is reachable.", transient=True
    )


def refused(store: str, what: str, fix: str) -> DeliveryFailed:
    """The store will say the same next time."""
    return DeliveryFailed("store-refused", f"Store {store!r} {what}.", fix, transient=False)


def misplaced(store: str, what: str, fix: str) -> DeliveryFailed:
    """The place a credential should go to cannot be one in this store."""
    return DeliveryFailed("store-place", f"In store {store!r} {what}.", fix, transient=False)


def by_status(store: str, status: int, fix: str) -> DeliveryFailed:
    """What an HTTP status that is no success means."""
    if status >= 500 or status in PASSING:
        return away(store, f"answered {status}")
    if 300 <= status < 400:
        return refused(store, f"answered {status}, and redirects are not followed", "Set its own address.")
    return refused(store, f"answered {status}", fix)


async def unhurried(attempt: Callable[[], Awaitable[T]]) -> T:
    """Read and write until nobody comes in between; Overtaken after the last attempt."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except Overtaken:
            continue
    return await attempt()
