"""Okta's ids: a prefix that tells the kind and seventeen characters; later ones sort after earlier ones."""

from __future__ import annotations

import secrets

from scim_bridge.sandbox.kit.clock import Clock

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
USER = "00u"
GROUP = "00g"
USER_TYPE = "oty"
SCHEMA = "osc"
APP = "0oa"
LINKED_OBJECT = "ldk"
TOKEN = "00T"
AI_AGENT = "wlp"
OPERATION = "op-"
AGENT_KEY = "pks"
ERROR = "oae"
_INSTANT, _CHANCE = 9, 8


def _written(number: int, places: int) -> str:
    digits = []
    for _ in range(places):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


class Ids:
    """Makes ids; strictly increasing within one process even when the clock stands still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def new(self, prefix: str) -> str:
        """A new id with a prefix."""
        self._last = max(self._clock.now(), self._last + 1)
        chance = "".join(secrets.choice(ALPHABET) for _ in range(_CHANCE))
        return prefix + _written(self._last, _INSTANT) + chance
