"""Where a rehearsal is played: a sandbox as a process of its own, and a door of this very bridge for it alone.

Both listen on this machine only. The sandbox ends with the process that started it. Its state stays in the data
directory, so that the next rehearsal goes on with the same tenant.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.paths import SCIM_PATH

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
READY_SECONDS = 60
CONTROL_SECONDS = 120.0
OURS = "SCIM_BRIDGE_"


@dataclass(slots=True)
class Scene:
    """A running sandbox, and the address of our door that it calls."""

    kind: str
    url: str
    ca_file: str
    base_url: str
    process: subprocess.Popen[bytes]
    token: str = field(repr=False)
    outbound: Outbound

    async def control(self, method: str, path: str, body: Any) -> Any:
        """Steer the sandbox; Refused when it says that it could not."""
        answer = await self.outbound.send(
            method,
            f"{self.url}/sandbox{path}",
            headers={"authorization": f"Bearer {self.token}", "content-type": "application/json"},
            body=json.dumps(body).encode(),
            timeout=CONTROL_SECONDS,
            max_bytes=16_000_000,
        )
        parsed = json.loads(answer.body) if answer.body else {}
        if answer.status >= 400 or (isinstance(parsed, dict) and parsed.get("ok") is False):
            why = parsed.get("error") if isinstance(parsed, dict) else ""
            raise Refused("rehearsal", f"The sandbox could not do {path}: {str(why or answer.status)[:400]}.")
        return parsed


class Stage:
    """The scenes of one process. `app` is this bridge as an ASGI application; None in a command: nothing is played."""

    def __init__(self, folder: Path, reach: Callable[[str], None]) -> None:
        self.app: Any = None
        self._folder = folder
        self._reach = reach
        self._scenes: dict[str, Scene] = {}
        self._doors: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []
        self._plain = ""
        self._lock = asyncio.Lock()

    async def scene(self, kind: str) -> Scene:
        """The sandbox of this kind, started when it does not run. Refused when it does not start."""
        async with self._lock:
            known = self._scenes.get(kind)
            if known is not None and known.process.poll() is None:
                return known
            made = await self._start(kind)
            self._scenes[kind] = made
            return made

    async def door(self) -> str:
        """The address of this bridge for itself: to be proved without whatever stands in front of it."""
        async with self._lock:
            if not self._plain:
                self._plain = f"http://{await self._listen()}"
            return self._plain

    async def _start(self, kind: str) -> Scene:
        folder = self._folder / kind
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = secrets.token_urlsafe(32)
        process = _spawned(kind, folder, token)
        try:
            ready = await asyncio.wait_for(asyncio.to_thread(_ready, process), READY_SECONDS)
        except (TimeoutError, ValueError) as error:
            process.kill()
            await asyncio.to_thread(process.wait)
            raise Refused(
                "rehearsal-start", f"The {kind} sandbox did not start.", f"See {folder / 'sandbox.log'}."
            ) from error
        place = await self._listen(ssl_certfile=ready["tls_cert"], ssl_keyfile=ready["tls_key"])
        own = str(ready["url"]).removeprefix("https://")
        self._reach(own)
        out = Outbound(allow=(own,), ca_file=ready["ca_file"])
        return Scene(kind, ready["url"], ready["ca_file"], f"https://{place}{SCIM_PATH}", process, token, out)

    async def _listen(self, **tls: Any) -> str:
        """Serve this bridge on a free port of this machine; its host:port."""
        import uvicorn

        own = socket.socket()
        own.bind((HOST, 0))
        own.listen(128)
        config = uvicorn.Config(
            self.app, lifespan="off", log_config=None, access_log=False, server_header=False, ws="none", **tls
        )
        server = uvicorn.Server(config)
        # Not `serve`: it would take the signals of the process for itself.
        task = asyncio.ensure_future(server._serve([own]))
        self._doors.append((server, task))
        return f"{HOST}:{own.getsockname()[1]}"

    async def close(self) -> None:
        """End the sandboxes and close the doors."""
        for scene in self._scenes.values():
            if scene.process.stdin is not None:
                scene.process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(scene.process.wait, 5)
            if scene.process.poll() is None:
                scene.process.kill()
            if scene.process.stdout is not None:
                scene.process.stdout.close()
            await scene.outbound.aclose()
        self._scenes.clear()
        for server, _ in self._doors:
            server.should_exit = True
        await asyncio.gather(*(task for _, task in self._doors), return_exceptions=True)
        self._doors.clear()


def _spawned(kind: str, folder: Path, token: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"scim_bridge.sandbox.{kind}", "--exit-with-parent"]
    command += ["--port", str(_port(folder)), "--data", str(folder)]
    # A sandbox is told nothing of ours: no key, no database.
    told = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    with open(folder / "sandbox.log", "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**told, "SANDBOX_CONTROL_TOKEN": token},
        )


def _port(folder: Path) -> int:
    """The port it had, while nobody else has it: what is connected to it goes on."""
    file = folder / "port"
    kept = file.read_text() if file.exists() else ""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(kept) if kept.isdigit() else 0))
        except OSError:
            probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    file.write_text(str(port))
    return port


def _ready(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and told.get("ready"):
                return told
    raise ValueError("it ended")
