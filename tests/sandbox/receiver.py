"""A plain HTTP receiver of webhooks for tests: remembers every delivery, answers as scripted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    """Deliveries as (headers in lower case, body); `answers` are used up first, then 204."""

    url: str
    deliveries: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each delivery."""
        return [headers.get("webhook-id", "") for headers, _ in self.deliveries]


@contextlib.contextmanager
def receiver(port: int = 0) -> Iterator[Received]:
    """Listen on 127.0.0.1 until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            found.deliveries.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.send_header("content-length", "0")
            self.end_headers()
            found.arrived.set()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    found = Received(f"http://127.0.0.1:{server.server_port}/signals/hr/demo")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
