"""What arrived, and what was done about it: a durable log by webhook-id, and counts computed from it.

An event acts in the same transaction that marks its id as acted upon, so a second delivery, even after
kill -9 in between, finds the mark and acts no more. Every act is a row of its own: doubled acts would show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from scim_bridge.sandbox.kit.clock import iso
from scim_bridge.sandbox.kit.store import Store

DELIVERY = "delivery"
ACT = "act"


class Deliveries:
    """The log of one platform."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, webhook_id: str, door: str, event: Mapping[str, Any], act: Callable[[str], None]) -> bool:
        """Log one genuine delivery and act on it unless its id was acted upon; True when it acted.

        `act` gets the instant as text and does its writing inside the same transaction.
        """
        with self._store.transaction():
            at = iso(self._store.clock.now())
            known = self._store.get(DELIVERY, webhook_id)
            if known is None:
                known = {
                    "webhook_id": webhook_id,
                    "door": door,
                    "type": event.get("type"),
                    "first": at,
                    "times": 0,
                }
            self._store.put(DELIVERY, webhook_id, {**known, "times": int(known["times"]) + 1, "last": at})
            if int(known["times"]) > 0:
                return False
            self._store.put(ACT, str(uuid4()), {"webhook_id": webhook_id, "door": door, "at": at})
            act(at)
            return True

    def report(self) -> dict[str, Any]:
        """How many ids acted, how many of them more than once, how many deliveries were repeats, and all of them."""
        deliveries = [value for _, value in self._store.all(DELIVERY)]
        acts = Counter(str(value["webhook_id"]) for _, value in self._store.all(ACT))
        return {
            "acted": len(acts),
            "acted_twice": sum(count > 1 for count in acts.values()),
            "repeated": sum(int(one["times"]) - 1 for one in deliveries),
            "deliveries": [{**one, "acted": acts.get(str(one["webhook_id"]), 0)} for one in deliveries],
        }
