"""Other SCIM servers, started for T11: each in a process of its own, filled before it answers."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.compare import Dishonest
from tests.bench.servers import Running, asgi, free_port, process
from tests.bench.traffic import Traffic

TOKEN = "peers-0123456789"
HERE = Path(__file__).resolve().parent
NPM = ("scimmy@1.3.5", "scimmy-routers@1.3.2", "express@4.22.1")
INSTALL_SECONDS = 300


class NotHere(Exception):
    """A peer cannot run on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that answers, with as many users as it could be filled with in the time."""

    name: str
    running: Running
    traffic: Traffic
    users: int

    def call(self, path: str) -> Any:
        """GET outside any measurement."""
        connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=600)
        try:
            connection.request(
                "GET", f"{self.traffic.base}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
            )
            answer = connection.getresponse()
            raw = answer.read()
            if answer.status != 200:
                raise Dishonest(f"{self.name}: GET {path} answered {answer.status} {raw[:300]!r}")
            return json.loads(raw)
        finally:
            connection.close()


@contextmanager
def peer(name: str, users: int, seconds: float, scratch: Path) -> Iterator[Peer]:
    """Start a peer filled with so many users, or as many as `seconds` allow; NotHere when it cannot run."""
    starters = {"scim2-server": _scim2, "scimmy": _scimmy}
    with starters[name](users, seconds, scratch) as found:
        total = found.call("/Users?startIndex=1&count=1")["totalResults"]
        yield Peer(found.name, found.running, found.traffic, int(total))


@contextmanager
def _scim2(users: int, seconds: float, _scratch: Path) -> Iterator[Peer]:
    env = {"BENCH_TOKEN": TOKEN, "BENCH_USERS": str(users), "BENCH_SECONDS": str(seconds)}
    app, path = "tests.bench.peers.scim2:app", "/v2/ServiceProviderConfig"
    with asgi("scim2-server", app, path, env, start=seconds + 300) as running:
        yield Peer("scim2-server", running, Traffic("/v2", TOKEN), 0)


@contextmanager
def _scimmy(users: int, seconds: float, scratch: Path) -> Iterator[Peer]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotHere("scimmy: skipped, for node and npm are not here (Debian: apt-get install nodejs npm)")
    folder = installed(npm, scratch)
    shutil.copy(HERE / "scimmy.mjs", folder)
    port = free_port()
    command = [node, "scimmy.mjs", str(port), str(users), TOKEN]
    env = {"NODE_ENV": "production"}
    with process(
        "scimmy", command, port, "/scim/v2/Users?count=1", env, folder=folder, start=seconds + 120
    ) as running:
        yield Peer("scimmy", running, Traffic("/scim/v2", TOKEN), 0)


def installed(npm: str, scratch: Path) -> Path:
    """A folder outside the repository with the packages in it; NotHere when npm cannot get them."""
    folder = scratch / "scimmy"
    if (folder / "node_modules" / "express").is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *NPM]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotHere("scimmy: skipped, for npm did not finish in time") from error
    if done.returncode != 0:
        raise NotHere(f"scimmy: skipped, for npm could not install it: {done.stderr.strip()[-200:]}")
    return folder
