"""Cursors (RFC 9865): sealed, for one connection and one query, good for an hour.

A cursor says where a page begins by the values rows are ordered by. So whatever comes or goes meanwhile,
everybody who stays is seen once. It grants nothing: each page is asked for with a token of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Hashable
from typing import Any, NamedTuple

import orjson

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.crypto import MasterKey, Tampered
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.limits import CURSOR_SECONDS
from scim_bridge.scim.selecting import Key

LONGEST = 4096


class Place(NamedTuple):
    """Where a page begins: behind this key (None: at the beginning), or `backwards` before it, in list `part`."""

    key: Key | None
    backwards: bool = False
    part: int = 0


class Cursors:
    """The cursors of one connection for one query."""

    def __init__(self, master: MasterKey, connection_id: str, query: Hashable) -> None:
        self._master = master
        self._place = f"cursor:{connection_id}"
        self._query = hashlib.sha256(repr(query).encode()).hexdigest()[:32]

    def seal(self, place: Place, count: int, now: int) -> str:
        """The text of a cursor, of unreserved characters only."""
        until = now + CURSOR_SECONDS * SECOND
        plain = orjson.dumps([until, self._query, count, place.part, place.backwards, place.key])
        return base64.urlsafe_b64encode(self._master.seal(self._place, plain)).rstrip(b"=").decode()

    def open(self, text: str, count: int | None, now: int) -> tuple[Place, int]:
        """Where a cursor points, and the size of pages it was made for.

        ScimError invalidCursor (one text for all that was not made here, for this connection and query),
        expiredCursor, or invalidCount when `count` is another one.
        """
        until, query, made_for, part, backwards, key = self._opened(text)
        if query != self._query:
            raise invalid_cursor()
        if not until - CURSOR_SECONDS * SECOND <= now < until:
            raise ScimError("expiredCursor", "This cursor is no longer good.", "Begin at the first page.")
        if count is not None and count != made_for:
            raise ScimError(
                "invalidCount",
                f"This cursor is for pages of {made_for}, not {count}.",
                "Keep count as it was.",
            )
        return Place(None if key is None else tuple(key), backwards, part), made_for

    def _opened(self, text: str) -> tuple[int, str, int, int, bool, list[Any] | None]:
        if len(text) > LONGEST:
            raise invalid_cursor()
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            found = orjson.loads(self._master.unseal(self._place, raw))
        except (binascii.Error, ValueError, Tampered) as error:
            raise invalid_cursor() from error
        return tuple(found)


def invalid_cursor() -> ScimError:
    """The one refusal of every cursor that leads nowhere here."""
    return ScimError(
        "invalidCursor",
        "This cursor is none that was given for this query.",
        "Begin at the first page, and send the other parameters as they were.",
    )
