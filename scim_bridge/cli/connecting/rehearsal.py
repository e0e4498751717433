"""The other side of a rehearsed connection: a sandbox IdP and a bridge as processes, and the clicks of an admin."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scim_bridge.cli.story.notes import Notes
from scim_bridge.cli.story.parts import Parts
from scim_bridge.cli.story.play import example
from scim_bridge.cli.story.world import World
from scim_bridge.connecting import clicks
from scim_bridge.kernel.paths import SCIM_PATH


class Rehearsal:
    """A sandbox IdP and a bridge of their own, in a directory; what an admin would click is done here."""

    def __init__(self, kind: str, parts: Parts, world: World) -> None:
        self.kind = kind
        self._parts = parts
        self._world = world

    @property
    def base_url(self) -> str:
        """What the IdP is told."""
        return f"{self._world.bridge_tls}{SCIM_PATH}"

    @property
    def ca_file(self) -> str:
        """Whom both sides trust."""
        return self._world.ca_file

    @property
    def folder(self) -> Path:
        """Where it keeps everything."""
        return self._world.notes.directory

    def provision(self, token: str) -> str:
        """Enter address and token, test the connection, and bring the agents in; what came of it."""
        return asyncio.run(clicks.provision(self.kind, self._control, self.base_url, token, self.ca_file))

    def credentials(self) -> tuple[dict[str, Any], Path]:
        """Settings of the way back, and the file with its credentials (0600)."""
        url = self._world.urls[self.kind]
        told, secrets = asyncio.run(clicks.credentials(self.kind, self._control, url, self.ca_file))
        return told, self._kept(secrets)

    async def _control(self, method: str, path: str, body: Any) -> Any:
        return self._world.control(self.kind, method, path, body)

    def _kept(self, content: dict[str, Any]) -> Path:
        file = self.folder / f"{self.kind}-credentials.json"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as open_file:
            json.dump(content, open_file)
        return file


@contextmanager
def rehearsing(kind: str, directory: Path) -> Iterator[Rehearsal]:
    """Both sides, running until the block ends, and this process's settings to work on the same database.

    A directory that was used goes on as it was left. Broken or Refused when a part does not start.
    """
    from scim_bridge.sandbox.kit.tls import ensure_ca

    notes = Notes.open(directory.absolute())
    parts = Parts(notes, (kind,))
    parts.wait_for_earlier_ones()
    ca = ensure_ca(notes.directory / "ca")
    try:
        urls = parts.start_sandboxes()
        trusted = notes.directory / "trusted.pem"
        trusted.write_text(ca.ca_file.read_text() + Path(notes.get(f"ca:{kind}")).read_text())
        told = _environment(notes, parts, trusted)
        world = World(notes, told, urls, str(trusted), parts.ended)
        with _as_environment(told):
            if not notes.get("imported"):
                world.cli("agents", "import", str(example().with_name("small.yaml")))
                notes.put("imported", True)
            cert, key = ca.issue(["127.0.0.1", "localhost"])
            world.bridge, world.bridge_tls = parts.start_bridge(told, cert, key)
            yield Rehearsal(kind, parts, world)
        world.close()
    finally:
        parts.stop()


def _environment(notes: Notes, parts: Parts, trusted: Path) -> dict[str, str]:
    return {
        "SCIM_BRIDGE_DATABASE_URL": f"sqlite:///{notes.directory / 'bridge.db'}",
        "SCIM_BRIDGE_SECRET_KEY": notes.secret("master"),
        "SCIM_BRIDGE_PUBLIC_URL": f"https://127.0.0.1:{parts.port('bridge-tls')}",
        "SCIM_BRIDGE_ALLOW_NETWORKS": "127.0.0.0/8",
        "SCIM_BRIDGE_CA_FILE": str(trusted),
        "SCIM_BRIDGE_LOG_FORMAT": "json",
    }


@contextmanager
def _as_environment(told: dict[str, str]) -> Iterator[None]:
    """The settings of the rehearsal and no others, for this process's own commands."""
    before = {name: value for name, value in os.environ.items() if name.startswith("SCIM_BRIDGE_")}
    try:
        for name in before:
            del os.environ[name]
        os.environ.update(told)
        yield
    finally:
        for name in told:
            os.environ.pop(name, None)
        os.environ.update(before)
