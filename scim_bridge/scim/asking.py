"""What a list request asks for: from the query of a GET or the body of a search, checked and clamped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from scim_bridge.scim.door import Call
from scim_bridge.scim.errors import ScimError, invalid_filter, invalid_value

MAX_FILTER = 8192
# Larger numbers than any store holds; they must not reach the database, which has 64 bits.
MAX_INDEX = 2**53
# Python's own reading also takes 1_0, +1 and the digits of every script.
_WHOLE = re.compile(r"-?[0-9]+")
SEARCHED = ("filter", "startindex", "count", "sortby", "sortorder", "cursor")


class ListRequest(NamedTuple):
    """A page of what: `start` counts from 1; `size` is what the server is going to give at most.

    `cursor` is None when the page is asked for by its number, and empty for the first page by cursor.
    `said` is the count the client named itself.
    """

    filter: str | None
    start: int
    size: int
    sort_by: str | None
    sort_order: str | None
    cursor: str | None
    said: int | None


def list_request(call: Call) -> ListRequest:
    """The page a call asks for (RFC 7644 section 3.4.2.4): startIndex below 1 is 1, count below 0 is 0.

    ScimError: invalidFilter when the filter is too long, invalidValue for what is no number or for a page
    asked for in both ways, invalidCount when a strict client asks for more by cursor than there is.
    """
    settings, query = call.door.settings, call.asked.query
    text = query.get("filter")
    if text is not None and len(text) > MAX_FILTER:
        raise invalid_filter(f"The filter is longer than {MAX_FILTER} characters.", "Ask for less at once.")
    if text is not None and not text.strip():
        text = None if call.tolerant else ""
    start, said, cursor = _number(call, "startIndex"), _number(call, "count"), query.get("cursor")
    if cursor is not None:
        if start is not None:
            raise invalid_value("startIndex and cursor exclude each other.", "Send one of them (RFC 9865).")
        if said is not None and not call.tolerant and not 0 <= said <= settings.max_page_size:
            raise ScimError(
                "invalidCount", f"count is not within 0 and {settings.max_page_size}.", "Ask for fewer."
            )
    clamped = None if said is None else min(max(0, said), settings.max_page_size)
    return ListRequest(
        text,
        min(max(1, start or 1), MAX_INDEX),
        min(settings.page_size, settings.max_page_size) if clamped is None else clamped,
        query.get("sortby"),
        query.get("sortorder"),
        cursor,
        clamped,
    )


def _number(call: Call, name: str) -> int | None:
    text = call.asked.query.get(name.casefold())
    if text is None or not text.strip():
        return None
    if not _WHOLE.fullmatch(text.strip(" ")):
        raise invalid_value(f"{name} {text[:40]!r} is not a whole number.", "Send digits only.")
    return int(text[:20])


def from_body(call: Call) -> Call:
    """The call with the query parameters a SearchRequest stands for."""
    made: dict[str, str] = {}
    for key, value in call.body().items():
        name = key.casefold()
        if value is None:
            continue
        if name in ("attributes", "excludedattributes"):
            made[name] = _names(key, value)
        elif name in SEARCHED:
            made[name] = _scalar(key, value, text=name not in ("startindex", "count"))
    return call.with_query(made)


def _names(key: str, value: Any) -> str:
    names: Sequence[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise invalid_value(f"{key} is not a list of attribute names.", 'Send for example ["userName"].')
    return ",".join(names)


def _scalar(key: str, value: Any, *, text: bool) -> str:
    if text and isinstance(value, str):
        return value
    if not text and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise invalid_value(
        f"{key} is not a {'text' if text else 'whole number'}.", "See RFC 7644 section 3.4.3."
    )
