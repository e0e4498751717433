"""Sandboxes for tests: served over HTTPS from a thread of this process, or called without a network."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from scim_bridge.sandbox.kit.clock import Clock
from scim_bridge.sandbox.kit.server import (
    Build,
    Sandbox,
    address,
    application,
    listen,
    open_sandbox,
    server,
)

CONTROL_TOKEN = "control-token-of-the-tests"


@dataclass(frozen=True)
class Running:
    """A sandbox that listens. `control` is a client of its control API (base URL ends in /sandbox)."""

    url: str
    ca_file: str
    control: httpx2.Client
    sandbox: Sandbox

    def client(self, **headers: str) -> httpx2.Client:
        """A new client of the vendor's own API, trusting the sandbox's CA; close it."""
        return httpx2.Client(
            base_url=self.url, verify=trust(self.ca_file), trust_env=False, headers=headers, timeout=30
        )


def trust(ca_file: str) -> ssl.SSLContext:
    """A TLS context that trusts this CA only."""
    return ssl.create_default_context(cafile=ca_file)


@contextlib.contextmanager
def running(
    name: str, build: Build, data: Path, clock: Clock | None = None, port: int = 0
) -> Iterator[Running]:
    """Serve a sandbox from a thread until the block ends. `data` is a directory such as tmp_path."""
    opened = listen(port)
    sandbox = open_sandbox(name, data, address(opened), clock)
    ready = threading.Event()
    serving = server(sandbox, application(sandbox, build(sandbox), CONTROL_TOKEN), ready.set)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [opened]}, name=f"sandbox-{name}")
    thread.start()
    try:
        assert ready.wait(20), f"the {name} sandbox did not start"
        ca_file = str(sandbox.ca.ca_file)
        with httpx2.Client(
            base_url=f"{sandbox.base_url}/sandbox",
            verify=trust(ca_file),
            trust_env=False,
            headers={"authorization": f"Bearer {CONTROL_TOKEN}"},
            timeout=60,
        ) as control:
            yield Running(sandbox.base_url, ca_file, control, sandbox)
    finally:
        serving.should_exit = True
        thread.join(20)
        opened.close()
        sandbox.close()
    assert not thread.is_alive(), f"the {name} sandbox did not stop"
