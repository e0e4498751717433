"""node-casbin, the one engine of decisions beside ours here: npm has it, and it runs without a service of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.peers.start import HERE, INSTALL_SECONDS, TOKEN, NotHere
from tests.bench.servers import Running, free_port, process

NPM = "casbin@5.51.1"


@contextmanager
def casbin(
    scratch: Path, policies: Sequence[Sequence[str]], members: Sequence[Sequence[str]]
) -> Iterator[Running]:
    """A server with these policies (group, action, type) and memberships (agent, group); NotHere without npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotHere("casbin: skipped, for node and npm are not here (Debian: apt-get install nodejs npm)")
    folder = _installed(npm, scratch)
    shutil.copy(HERE / "casbin.mjs", folder)
    (folder / "data.json").write_text(json.dumps({"policies": policies, "members": members}))
    port = free_port()
    command = [node, "casbin.mjs", str(port), "data.json", TOKEN]
    with process(
        "casbin", command, port, "/", {"NODE_ENV": "production"}, folder=folder, start=180
    ) as running:
        yield running


def _installed(npm: str, scratch: Path) -> Path:
    folder = scratch / "casbin"
    if (folder / "node_modules" / "casbin").is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", NPM]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotHere("casbin: skipped, for npm did not finish in time") from error
    if done.returncode != 0:
        raise NotHere(f"casbin: skipped, for npm could not install it: {done.stderr.strip()[-200:]}")
    return folder
