"""One SCIM request and its answer, below Starlette: parsed once, limits checked before anything is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from scim_bridge.kernel.errors import BridgeError, Invalid
from scim_bridge.scim.errors import body_of, invalid_syntax, invalid_value

MEDIA_TYPE = b"application/scim+json; charset=utf-8"
CONTENT = (b"content-type", MEDIA_TYPE)
NOT_KEPT = (b"cache-control", b"no-store")
READABLE = ("application/scim+json", "application/json", "text/json")
MAX_QUERY_BYTES = 32_768
MAX_QUERY_FIELDS = 64

Headers = tuple[tuple[bytes, bytes], ...]
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class UnsupportedMedia(Invalid):
    """The body is in a format SCIM does not have (RFC 7644 section 3.8)."""

    status = 415


class BodyTooLarge(Invalid):
    """The body is larger than the server reads."""

    status = 413


class QueryTooLong(Invalid):
    """The query of the URL is longer than the server reads (RFC 9110 section 15.5.15)."""

    status = 414


class WrongMethod(BridgeError):
    """The address exists and does not know this method; `allow` are those it knows."""

    status = 405

    def __init__(self, method: str, allow: tuple[str, ...]) -> None:
        super().__init__("method", f"{method[:20]} is not known at this address.", f"Use {', '.join(allow)}.")
        self.allow = allow


class NotImplementedHere(BridgeError):
    """SCIM knows this and this server does not do it (RFC 7644 section 3.12)."""

    status = 501


class Asked(NamedTuple):
    """One request: what is addressed, how, and with which conditions. Query names are in lower case.

    `content` is a body that is parsed already: an operation of a Bulk request.
    """

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes
    if_match: str | None = None
    if_none_match: str | None = None
    content: dict[str, Any] | None = None


class Answered(NamedTuple):
    """One answer; `headers` beside the content type. `more` follows the body, piece by piece, when it is long."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    more: AsyncIterator[bytes] | None = None


def token_of(header: str) -> str | None:
    """The access token of an Authorization header; bare ones too, as Okta's header mode sends them."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.casefold() == "bearer":
        return rest.strip() or None
    return scheme if scheme and not rest else None


HEARD = frozenset(
    (b"authorization", b"if-match", b"if-none-match", b"content-type", b"content-length", b"content-encoding")
)


def headers_of(scope: Any) -> dict[bytes, str]:
    """The headers this door listens to, by lower-case name; of a repeated one the last counts."""
    return {name: value.decode("latin-1") for name, value in scope["headers"] if name in HEARD}


def parts_of(scope: Any) -> tuple[str, ...]:
    """The path below the mount, split before it is decoded; a trailing slash means nothing."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    path = raw.split(b"?", 1)[0].decode("latin-1")
    root = scope.get("root_path", "")
    if not path.startswith(root):
        path = quote(scope["path"])
    below = path.removeprefix(root)
    parts = tuple(part for part in below.split("/") if part)
    return tuple(unquote(part) for part in parts) if "%" in below else parts


def query_of(scope: Any) -> Mapping[str, str]:
    """Query parameters by lower-case name, of a repeated one the last. Refused when there is too much of it."""
    raw = scope.get("query_string", b"")
    if not raw:
        return NOTHING
    if len(raw) > MAX_QUERY_BYTES:
        raise QueryTooLong(
            "query-too-long", f"The query is longer than {MAX_QUERY_BYTES} bytes.", "Use POST …/.search."
        )
    pairs = raw.decode("utf-8", "replace").split("&")
    if len(pairs) > MAX_QUERY_FIELDS:
        raise invalid_value(f"The query has more than {MAX_QUERY_FIELDS} parameters.", "Use POST …/.search.")
    found: dict[str, str] = {}
    for pair in pairs:
        if pair:
            name, _, value = pair.partition("=")
            found[unquoted(name).casefold()] = unquoted(value)
    if any("\0" in value for value in found.values()):
        raise invalid_value("The query contains a NUL character.", "Remove it.")
    return found


def unquoted(text: str) -> str:
    """A name or value of a query as it was meant (application/x-www-form-urlencoded)."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        # Filters are full of these two, and decoding escapes one by one costs more than reading the filter.
        text = text.replace("%20", " ").replace("%22", '"')
        if "%" in text:
            text = unquote(text)
    return text


def check_media(headers: Mapping[bytes, str]) -> None:
    """UnsupportedMedia when a body of another format than JSON is announced."""
    coding = headers.get(b"content-encoding", "").strip().casefold()
    if coding not in ("", "identity"):
        raise UnsupportedMedia(
            "content-encoding", f"Bodies coded as {coding[:60]!r} are not read here.", "Send it as it is."
        )
    kind = headers.get(b"content-type", "").split(";")[0].strip().casefold()
    if kind and kind not in READABLE:
        raise UnsupportedMedia(
            "media-type", f"Bodies of type {kind[:60]!r} are not read here.", "Send application/scim+json."
        )


async def body_from(receive: Any, headers: Mapping[bytes, str], limit: int) -> bytes:
    """The whole body; BodyTooLarge before reading on when it is longer than `limit` bytes."""
    refusal = BodyTooLarge("body-too-large", f"The body is larger than {limit} bytes.", "Send less at once.")
    declared = headers.get(b"content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 15 or int(declared) > limit):
        raise refusal
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise invalid_syntax("The body ended early.", "Send it again.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise refusal
    return bytes(body)


def refusal(error: BridgeError) -> Answered:
    """An error as SCIM says it, with the headers its status asks for."""
    headers: list[tuple[bytes, bytes]] = []
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="scim-bridge"'))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", ", ".join(error.allow).encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, error.retry_after)).encode()))
    return Answered(error.status, body_of(error), tuple(headers))


async def send_answer(send: Any, answer: Answered, *, bare: bool = False) -> None:
    """Put an answer on the wire; a `bare` one without its body (RFC 9110 section 9.3.2)."""
    status, body, given, more = answer
    headers: list[tuple[bytes, bytes]] = [NOT_KEPT, *given]
    if status not in (204, 304):
        headers.append(CONTENT)
        if more is None:
            headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if bare:
        body, more = b"", None
    if more is not None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        async for piece in more:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        body = b""
    await send({"type": "http.response.body", "body": body})
