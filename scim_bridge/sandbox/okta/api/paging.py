"""Pages of the core API: limit, an opaque `after`, and Link headers to follow as they are."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.sandbox.okta.api.gate import answer
from scim_bridge.sandbox.okta.errors import invalid

MAX = 200


def limit_of(request: Request, default: int = MAX, most: int = MAX) -> int:
    """The page size asked for, at most `most`; E0000001 when it is no positive number."""
    given = request.query_params.get("limit")
    if given is None:
        return default
    if not (given.isascii() and given.isdigit()) or int(given) < 1:
        raise invalid("limit", "limit: The limit must be a positive number")
    return min(int(given), most)


def page(
    request: Request,
    items: Sequence[dict[str, Any]],
    view: Callable[[dict[str, Any]], dict[str, Any]],
    base_url: str,
    limit: int,
    key: str = "id",
) -> Response:
    """One page of items in their order, after the one the cursor names."""
    start = _start(request, items, key)
    shown = items[start : start + limit]
    response = answer([view(item) for item in shown])
    cursor = cursor_of(str(shown[-1][key])) if start + limit < len(items) and shown else None
    link(response, request, base_url, cursor)
    return response


def link(response: Response, request: Request, base_url: str, cursor: str | None) -> None:
    """Add the Link headers: self, and next when there is more. Two headers, as Okta sends them."""
    asked = list(request.query_params.multi_items())
    here = f"{base_url}{request.url.path}"
    links = [("self", asked)]
    if cursor is not None:
        links.append(
            ("next", [*((k, v) for k, v in asked if k not in ("after", "since")), ("after", cursor)])
        )
    for relation, query in links:
        address = f"{here}?{urlencode(query)}" if query else here
        response.headers.append("link", f'<{address}>; rel="{relation}"')


def cursor_of(key: str) -> str:
    """An opaque cursor that stands after the item with this key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_of(cursor: str) -> str:
    """The key in a cursor; E0000001 when it is none of ours."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid("after", "after: The cursor is not valid") from None


def _start(request: Request, items: Sequence[dict[str, Any]], key: str) -> int:
    cursor = request.query_params.get("after")
    if not cursor:
        return 0
    wanted = key_of(cursor)
    for number, item in enumerate(items):
        if str(item[key]) == wanted:
            return number + 1
    # The item is gone; ids grow, so the next ones are those that sort after it.
    return sum(1 for item in _in_order(items, key) if item <= wanted)


def _in_order(items: Iterable[dict[str, Any]], key: str) -> Iterable[str]:
    return (str(item[key]) for item in items)
