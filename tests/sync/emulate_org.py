"""The Okta emulator of the npm package `emulate`, fetched when a test asks for it, over HTTPS on 127.0.0.1.

Nobody here wrote it. What it has not (user types, schemas, linked objects) is left as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scim_bridge.sandbox.kit.tls import LocalCa, ensure_ca
from tests.sandbox.servers import trust

HERE = Path(__file__).parent / "emulate"
TOKEN = "an-api-token-of-the-tests"
FETCH_SECONDS = 20
START_SECONDS = 300


def _tools() -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(
            "emulate@0.11.2 is not run: Node.js with npm is missing (Debian: apt-get install nodejs npm)"
        )
    return node, npm


def installed(npm: str, folder: Path) -> Path:
    """The package with its pinned digests in a folder that is kept between runs; skips when npm cannot get it."""
    lock = (HERE / "package-lock.json").read_text()
    marker = folder / "complete"
    if marker.is_file() and marker.read_text() == lock:
        return folder
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"emulate@0.11.2 is not run: npm did not fetch it within {FETCH_SECONDS} s")
    if done.returncode != 0:
        # A registry that cannot be reached is no fault of ours; a digest that does not match is.
        assert "EINTEGRITY" not in done.stderr, done.stderr[-500:]
        reason = done.stderr.strip().splitlines()
        pytest.skip(
            f"emulate@0.11.2 is not run: npm could not fetch it ({reason[0] if reason else 'no word'})"
        )
    marker.write_text(lock)
    return folder


@dataclass(frozen=True)
class Emulated:
    """A running emulator, and a client of its own that asks it what it holds."""

    url: str
    ca_file: Path
    client: httpx2.Client

    def ask(self, path: str) -> Any:
        """What it says to a plain GET."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add_user(self, login: str) -> str:
        """A person with an account; the id."""
        profile = {"login": login, "email": login, "firstName": login.split("@")[0], "lastName": "Person"}
        answer = self.client.post("/api/v1/users", json={"profile": profile})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


@contextlib.contextmanager
def emulated(cache: Path, data: Path) -> Iterator[Emulated]:
    """The emulator as long as a test needs it."""
    node, npm = _tools()
    folder = installed(npm, cache)
    shutil.copy(HERE / "launch.mjs", folder)
    authority = ensure_ca(data)
    cert, key = authority.issue(["127.0.0.1"])
    process = subprocess.Popen(
        [node, "launch.mjs", str(cert), str(key), TOKEN],
        cwd=folder,
        env={"PATH": os.environ.get("PATH", "")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield from _running(process, authority)
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _running(process: subprocess.Popen[str], authority: LocalCa) -> Iterator[Emulated]:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    assert ready, f"the emulator did not listen within {START_SECONDS} s"
    url = str(json.loads(process.stdout.readline())["url"])
    headers = {"Authorization": f"SSWS {TOKEN}"}
    with httpx2.Client(
        base_url=url, headers=headers, verify=trust(str(authority.ca_file)), trust_env=False
    ) as client:
        yield Emulated(url, authority.ca_file, client)
