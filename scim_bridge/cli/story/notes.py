"""What the story remembers between two starts: steps done, ports, and the demo's own secrets."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from scim_bridge.kernel.errors import Refused

FILE = "story.json"


class Notes:
    """A small JSON file (0600), written whole and renamed, so kill -9 leaves the old or the new."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file = directory / FILE
        self._values: dict[str, Any] = {}
        if self._file.exists():
            self._values = json.loads(self._file.read_text())

    @classmethod
    def open(cls, directory: Path) -> Notes:
        """Go on with the story of a directory, finished or not, or begin one."""
        notes = cls(directory)
        if directory.exists() and any(directory.iterdir()) and not notes._file.exists():
            raise Refused(
                "demo-directory", f"{directory} is not a demo's directory.", "Give --data another one."
            )
        directory.mkdir(parents=True, exist_ok=True)
        if notes.get("finished") is None:
            notes.put("finished", False)
        return notes

    def afresh(self) -> Notes:
        """Throw this story away, with everything in its directory, and begin another one there."""
        shutil.rmtree(self.directory)
        return Notes.open(self.directory)

    def get(self, key: str) -> Any:
        """A remembered value, or None."""
        return self._values.get(key)

    def put(self, key: str, value: Any) -> None:
        """Remember a value for good."""
        self._values[key] = value
        fresh = self._file.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._values, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._file)

    def secret(self, name: str) -> str:
        """A random secret of this demo, the same at every start."""
        if self.get(f"secret:{name}") is None:
            self.put(f"secret:{name}", secrets.token_urlsafe(32))
        return str(self.get(f"secret:{name}"))

    def webhook_secret(self, name: str) -> str:
        """A Standard Webhooks secret of this demo, the same at every start."""
        if self.get(f"secret:{name}") is None:
            self.put(f"secret:{name}", "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
        return str(self.get(f"secret:{name}"))
