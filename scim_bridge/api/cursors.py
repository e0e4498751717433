"""Cursors of lists: sealed, for one operation and one query. A cursor says where a page begins, and grants nothing.

It holds the key that rows are ordered by, so that whatever comes or goes meanwhile, everybody who stays is seen once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from scim_bridge.kernel.crypto import MasterKey, Tampered
from scim_bridge.kernel.errors import Invalid


class Cursors:
    """The cursors of one operation for one query (its parameters without limit and cursor)."""

    def __init__(self, master: MasterKey, operation: str, query: Mapping[str, Any]) -> None:
        asked = sorted((name, value) for name, value in query.items() if name not in ("limit", "cursor"))
        self._master = master
        self._place = f"api-cursor:{operation}:{hashlib.sha256(orjson.dumps(asked)).hexdigest()[:32]}"

    def seal(self, key: Sequence[Any]) -> str:
        """The text of a cursor, of unreserved characters only."""
        sealed = self._master.seal(self._place, orjson.dumps(list(key)))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str) -> list[Any]:
        """The key a cursor holds; Invalid, with one message for all that was not made here for this query."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return list(orjson.loads(self._master.unseal(self._place, raw)))
        except (binascii.Error, ValueError, Tampered) as error:
            raise Invalid(
                "cursor",
                "This cursor is none that was given for this query.",
                "Begin at the first page, and send the other parameters as they were.",
            ) from error
