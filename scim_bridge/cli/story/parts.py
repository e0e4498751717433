"""The processes of the demo: the bridge and four sandboxes, each a real process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from scim_bridge.cli.story.notes import Notes
from scim_bridge.kernel.errors import Refused

SANDBOXES = ("okta", "entra", "hr", "platform")
# A part that ends is told at once: this is for one that still starts, on a machine which has better to do.
START_SECONDS = 300
# What a demo's parts need at most to end after it.
EARLIER_SECONDS = 20


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def usable(port: int) -> bool:
    """True when this process could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _runs(pid: int) -> bool:
    """True while this process is one of ours: a number may have been given to another program since."""
    try:
        return b"scim_bridge" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@dataclass
class Part:
    """One running process and where it listens."""

    name: str
    process: subprocess.Popen[bytes]
    url: str


class Parts:
    """Starts everything, and ends only what it started. `sandboxes` are those that are wanted."""

    def __init__(self, notes: Notes, sandboxes: tuple[str, ...] = SANDBOXES) -> None:
        self._notes = notes
        self._sandboxes = sandboxes
        self._running: list[Part] = []
        self.ca_file = ""

    def _spawn(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> Part:
        log = open(self._notes.directory / f"{name}.log", "ab")  # noqa: SIM115
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if name in SANDBOXES else log,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
        part = Part(name, process, "")
        self._running.append(part)
        self._notes.put("pids", self.pids())
        return part

    def wait_for_earlier_ones(self) -> None:
        """Let parts of a killed demo end first: they notice that it is gone, and hold ports and locks till then.

        Refused when they do not: then another demo runs in this directory.
        """
        earlier: dict[str, int] = self._notes.get("pids") or {}
        deadline = time.monotonic() + EARLIER_SECONDS
        while any(_runs(pid) for pid in earlier.values()):
            if time.monotonic() > deadline:
                raise Refused(
                    "demo-running",
                    f"A demo is running in {self._notes.directory}.",
                    "Stop it (Ctrl-C in its terminal), or give --data another directory.",
                )
            time.sleep(0.05)

    def port(self, name: str) -> int:
        """The port of a part, the same one after a restart when it is still free."""
        known = self._notes.get(f"port:{name}")
        port = known if isinstance(known, int) and usable(known) else free_port()
        self._notes.put(f"port:{name}", port)
        return port

    def start_sandboxes(self) -> dict[str, str]:
        """Start the sandboxes; their base URLs by name."""
        urls = {}
        for name in self._sandboxes:
            directory = self._notes.directory / name
            directory.mkdir(exist_ok=True)
            command = [sys.executable, "-m", f"scim_bridge.sandbox.{name}", "--port", str(self.port(name))]
            command += ["--data", str(directory), "--exit-with-parent"]
            self._spawn(name, command, {"SANDBOX_CONTROL_TOKEN": self._notes.secret("control")})
        for part in self._running:
            ready = self._ready_line(part)
            part.url = urls[part.name] = str(ready["url"])
            self._notes.put(f"ca:{part.name}", ready["ca_file"])
        return urls

    def _ready_line(self, part: Part) -> dict[str, Any]:
        assert part.process.stdout is not None
        for line in part.process.stdout:
            with contextlib.suppress(ValueError):
                parsed = json.loads(line)
                if isinstance(parsed, dict) and parsed.get("ready"):
                    return parsed
        raise Refused("demo-part", f"The {part.name} sandbox did not start.", self._log_hint(part.name))

    def _log_hint(self, name: str) -> str:
        return f"See {self._notes.directory / f'{name}.log'}."

    def start_bridge(self, environment: dict[str, str], cert: Path, key: Path) -> tuple[str, str]:
        """Start `scim-bridge serve`; its http and https addresses once it is ready."""
        port, tls_port = self.port("bridge"), self.port("bridge-tls")
        command = [sys.executable, "-m", "scim_bridge", "serve", "--host", "127.0.0.1", "--port", str(port)]
        command += [
            "--tls-cert",
            str(cert),
            "--tls-key",
            str(key),
            "--tls-port",
            str(tls_port),
            "--exit-with-parent",
        ]
        part = self._spawn("bridge", command, environment)
        part.url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if part.process.poll() is not None:
                raise Refused("demo-part", "The bridge did not start.", self._log_hint("bridge"))
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{part.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return part.url, f"https://127.0.0.1:{tls_port}"
            time.sleep(0.1)
        raise Refused("demo-part", "The bridge was not ready in time.", self._log_hint("bridge"))

    def ended(self, within: float = 0.0) -> str | None:
        """Which part ended though nobody stopped it, how, and where its log is; None while all run.

        `within`: seconds to wait for it, for a connection breaks a moment before its process is gone.
        """
        deadline = time.monotonic() + within
        while True:
            for part in self._running:
                code = part.process.poll()
                if code is not None:
                    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
                    name = part.name if part.name == "bridge" else f"{part.name} sandbox"
                    return f"The {name} ended ({how}). {self._log_hint(part.name)}"
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)

    def pids(self) -> dict[str, int]:
        """Process id by name."""
        return {part.name: part.process.pid for part in self._running}

    def stop(self) -> None:
        """End what was started: the bridge first, which ends what it is about while the others still answer."""
        sandboxes = [part for part in reversed(self._running) if part.name in SANDBOXES]
        self._end([part for part in self._running if part not in sandboxes])
        self._end(sandboxes)

    def _end(self, parts: list[Part]) -> None:
        for part in parts:
            with contextlib.suppress(OSError):
                assert part.process.stdin is not None
                part.process.stdin.close()
        for part in parts:
            try:
                part.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()
            if part.process.stdout is not None:
                part.process.stdout.close()
