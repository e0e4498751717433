"""One connection of a client: uvicorn's protocol on httptools, with limits for those who send slowly or endlessly.

Nobody waits by a timer of their own: once a second one look at all connections finds those that stand still,
so a request costs nothing more. What is refused here never reached a door, and is answered in its language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from scim_bridge.kernel.errors import BridgeError, Invalid

log = structlog.get_logger("scim_bridge.http")

# httptools reads no longer ones; a door may refuse shorter ones with more to say.
MAX_URL: Final = 49_152
# Headers that are about the upgrade which is not made (RFC 9110 section 7.8).
_OF_UPGRADE: Final = (b"connection", b"upgrade", b"http2-settings")

Refused = Callable[[bytes, BridgeError], tuple[str, bytes]]
"""Media type and body of a refusal, by the address that was asked for as far as it is known."""


class TooSlow(Invalid):
    """The request did not come in time (RFC 9110 section 15.5.9)."""

    status = 408


class UrlTooLong(Invalid):
    """The address is longer than the server reads (RFC 9110 section 15.5.15)."""

    status = 414


class HeadersTooLarge(Invalid):
    """The headers are larger than the server reads (RFC 6585 section 5)."""

    status = 431


@dataclass(frozen=True, slots=True)
class Limits:
    """`head` and `body`: seconds for the headers, and for the whole body. `head_bytes` for all headers.

    `look`: seconds between two looks at the connections.
    """

    head: float = 20
    body: float = 60
    head_bytes: int = 65_536
    look: float = 1


DEFAULTS: Final = Limits()


class Connection(HttpToolsProtocol):
    """A client's connection. `refused` gives refusals the form of the door they were meant for."""

    def __init__(self, *args: Any, limits: Limits = DEFAULTS, refused: Refused, **more: Any) -> None:
        super().__init__(*args, **more)
        self.limits = limits
        self._form = refused
        self._refusal: BridgeError | None = None
        # What came of headers that are not complete, and how much of it.
        self._chunk = b""
        self._head = 0
        # What was going on at the last look, and for how long.
        self._watched: Any = None
        self._stood = 0.0

    def connection_made(self, transport: Any) -> None:
        """Be looked at from now on."""
        super().connection_made(transport)
        state: Any = self.server_state
        if not getattr(state, "looked_at", False):
            state.looked_at = True
            self.loop.call_later(self.limits.look, look, self.loop, state, self.limits.look)

    def data_received(self, data: bytes) -> None:
        """Read on; a request that asks for another protocol is answered in this one."""
        self._unset_keepalive_if_required()
        self._chunk = data
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._without_upgrade(data[stopped.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or Invalid("http", f"This is not HTTP ({type(error).__name__[10:]})."))
            return
        scope: Any = self.scope
        if scope is None or "method" in scope:
            self._head = 0
            return
        self._head += len(data)
        if self._head > self.limits.head_bytes:
            self._refuse(self._too_large())

    def on_headers_complete(self) -> None:
        """Begin the request, unless its head is not one to be answered."""
        if self._head + len(self._chunk) > self.limits.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.limits.head_bytes:
                raise self._stop(self._too_large())
        if len(self.url) > MAX_URL:
            raise self._stop(self._too_large())
        hosts = 0
        for name, _ in self.headers:
            if name == b"host":
                hosts += 1
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            # RFC 9112 section 3.2.
            raise self._stop(Invalid("host", "A request has one Host header.", "Send one, and not more."))
        super().on_headers_complete()

    def _too_large(self) -> BridgeError:
        if len(self.url) > min(MAX_URL, self.limits.head_bytes // 2):
            return UrlTooLong("url-too-long", f"The URL is longer than {MAX_URL} bytes.", "Use POST ….")
        most = self.limits.head_bytes
        return HeadersTooLarge(
            "headers-too-large", f"The headers are larger than {most} bytes.", "Send less."
        )

    def _stop(self, refusal: BridgeError) -> BridgeError:
        """What ends the parser's work; it is told when the parser has let go."""
        self._refusal = refusal
        return refusal

    def _refuse(self, refusal: BridgeError) -> None:
        """Say why, and close. Nothing is said into an answer that has begun."""
        if self.transport.is_closing():
            return
        log.info("http.refused", action="http.refused", reason=refusal.code, status=refusal.status)
        cycle: Any = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if busy:
            cycle.disconnected = True
            cycle.message_event.set()
        if not (busy and cycle.response_started):
            kind, body = self._form(getattr(self, "url", b""), refusal)
            head = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[refusal.status] + head.encode() + body)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Not used: refusals have a form."""
        self._refuse(Invalid("http", msg))

    def _should_upgrade(self) -> bool:
        # The parser stops after such headers; they come again without that wish.
        return True

    def _without_upgrade(self, rest: bytes) -> None:
        """Read the request once more as what it is without its wish for another protocol.

        The parser takes what follows such headers for that protocol's; clients that would like HTTP/2 (Java's
        does, by default) send a body there.
        """
        kept = [(name, value) for name, value in self.headers if name not in _OF_UPGRADE]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            kept.append((b"connection", b"close"))
        lines = [b"%s: %s\r\n" % header for header in kept]
        request = b"%s %s HTTP/1.1\r\n%s\r\n" % (self.parser.get_method(), self.url, b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(request + rest)

    def waits_for(self) -> tuple[Any, float]:
        """What the client owes us, and the seconds it has for it; None when it is not the client's turn."""
        scope: Any = self.scope
        cycle: Any = self.cycle
        if self.flow.write_paused:
            return self.flow, self.limits.body
        if scope is None or "method" not in scope:
            # Between two requests uvicorn's own timer runs.
            return scope or self, self.limits.head
        if cycle is None or (cycle.more_body and not cycle.response_complete):
            return scope, self.limits.body
        if cycle.response_complete and self.timeout_keep_alive_task is None:
            # The answer is out, and still the rest of a body comes that nobody reads.
            return cycle, self.limits.body
        return None, 0.0

    def looked_at(self, seconds: float) -> None:
        """Give up when the client has owed us the same thing for too long; `seconds` since the last look."""
        owed, patience = self.waits_for()
        if owed is None or owed is not self._watched:
            self._watched, self._stood = owed, 0.0
            return
        self._stood += seconds
        if self._stood < patience or self.transport.is_closing():
            return
        if owed is self.flow:
            self.transport.abort()
        elif owed is self or (self.cycle is not None and self.cycle.response_complete and owed is self.cycle):
            self.transport.close()
        else:
            self._refuse(TooSlow("too-slow", "The request did not come in time.", "Send it at once."))


def look(loop: asyncio.AbstractEventLoop, state: Any, seconds: float) -> None:
    """Look at every connection of a server, and again after so many seconds as long as there are some."""
    for connection in list(state.connections):
        if isinstance(connection, Connection):
            connection.looked_at(seconds)
    state.looked_at = bool(state.connections)
    if state.looked_at:
        loop.call_later(seconds, look, loop, state, seconds)
