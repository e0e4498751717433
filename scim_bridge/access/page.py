"""Pages of a search: how many are asked for, where one begins, and that the search stayed the same.

A token is a place in the list and a digest of the question; it is no secret and grants nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.kernel.errors import Invalid

DEFAULT = 100
MOST = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for: at most `limit` results after the place `after` (empty: from the start)."""

    after: str
    limit: int
    digest: str

    def token(self, after: str | None) -> str:
        """The token for the page after a place; empty for None, the end of the list."""
        if after is None:
            return ""
        return base64.urlsafe_b64encode(orjson.dumps([after, self.limit, self.digest])).decode().rstrip("=")

    def answer(self, results: Sequence[Mapping[str, Any]], after: str | None) -> dict[str, Any]:
        """A search's answer: the results, and the token of the page that follows (AuthZEN "Paginated Responses")."""
        return {"page": {"next_token": self.token(after), "count": len(results)}, "results": list(results)}


def read_page(body: Mapping[str, Any], sought: str) -> Page:
    """The page a search asks for; Invalid when its token is of another search, or none of ours."""
    asked = body.get("page")
    if asked is None:
        asked = {}
    if not isinstance(asked, dict):
        raise _wrong("page is not an object.", "Leave it out, or send an object.")
    limit = asked.get("limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise _wrong("page.limit is not a whole number from 0 on.", "Send a number, or leave it out.")
    asked_for = {name: body.get(name) for name in ("subject", "action", "resource", "context")}
    text = orjson.dumps([sought, asked_for, asked.get("properties")], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(text).hexdigest()[:32]
    token = asked.get("token")
    if token is None or token == "":
        return Page("", min(DEFAULT if limit is None else limit, MOST), digest)
    after, first_limit = _opened(token, digest)
    if limit is not None and min(limit, MOST) != first_limit:
        raise _changed()
    return Page(after, first_limit, digest)


def _opened(token: Any, digest: str) -> tuple[str, int]:
    try:
        raw = base64.urlsafe_b64decode(str(token) + "=" * (-len(str(token)) % 4))
        after, limit, of = orjson.loads(raw)
    except (binascii.Error, ValueError, TypeError) as error:
        raise _wrong("page.token is not one of ours.", "Send next_token of the answer before.") from error
    if not isinstance(after, str) or type(limit) is not int or not 0 <= limit <= MOST or "\0" in after:
        raise _wrong("page.token is not one of ours.", "Send next_token of the answer before.")
    if of != digest:
        raise _changed()
    return after, limit


def _changed() -> Invalid:
    return _wrong(
        "The search is not the one page.token was given for.",
        "Send the same subject, action, resource, context and limit, or begin without a token.",
    )


def _wrong(message: str, fix: str) -> Invalid:
    return Invalid("page-invalid", message, fix)
