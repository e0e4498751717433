"""The story's hands: the command line, each command a process, the sandboxes' controls, the bridge's HTTP doors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from scim_bridge.cli.story.hand import Hand
from scim_bridge.cli.story.notes import Notes
from scim_bridge.kernel.paths import SCIM_PATH

PATIENCE = 60.0


class Broken(Exception):
    """A step of the story did not hold."""


def must(condition: object, message: str) -> None:
    """Broken with this message unless the condition holds."""
    if not condition:
        raise Broken(message)


class World:
    """Everything a step needs to act and to look."""

    def __init__(
        self,
        notes: Notes,
        environment: dict[str, str],
        urls: dict[str, str],
        ca_file: str,
        ended: Callable[[], str | None],
    ) -> None:
        self._ended = ended
        self.notes = notes
        self.environment = environment
        self.urls = urls
        self.ca_file = ca_file
        self.bridge = ""
        self.bridge_tls = ""
        self._hand = Hand()
        self._http = httpx2.Client(verify=trust(ca_file), timeout=60, trust_env=False)

    def close(self) -> None:
        """Close connections."""
        self._http.close()
        self._hand.close()

    def cli(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
        """Run `scim-bridge ... --output json`; its parsed answer. Broken on another exit code."""
        done = self._hand.run([*arguments, "--output", "json"], {**os.environ, **self.environment})
        must(
            done.code in codes,
            f"`scim-bridge {' '.join(arguments[:3])}` ended with {done.code}: {(done.err or done.out)[-600:]}",
        )
        return json.loads(done.out) if done.out.strip() else None

    def control(self, sandbox: str, method: str, path: str, body: Any = None) -> Any:
        """Steer a sandbox; Broken when it says it could not do what it was told."""
        answer = self._http.request(
            method,
            f"{self.urls[sandbox]}/sandbox{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.notes.secret('control')}"},
        )
        parsed = answer.json() if answer.content else {}
        refused = answer.status_code >= 400 or (isinstance(parsed, dict) and parsed.get("ok") is False)
        must(not refused, f"{sandbox} sandbox {path}: {answer.status_code} {json.dumps(parsed)[:900]}")
        return parsed

    def scim(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """A SCIM call of our own, to look at what the IdP sees."""
        answer = self._http.request(
            method, f"{self.bridge}{SCIM_PATH}{path}", json=body, headers={"Authorization": f"Bearer {token}"}
        )
        return answer.status_code, answer.json() if answer.content else None

    def api(self, method: str, path: str, token: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """A call to the bridge's own API."""
        answer = self._http.request(
            method,
            f"{self.bridge}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json", **headers},
        )
        return answer.status_code, answer.json() if answer.content else None

    def open(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        """A call without any token: what somebody with only a link can do."""
        answer = self._http.request(method, url, json=body, headers={"Accept": "application/json"})
        return answer.status_code, answer.json() if answer.content else None

    def wait(self, what: str, look: Callable[[], Any]) -> Any:
        """Look again and again until there is something; Broken when patience ends."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            gone = self._ended()
            must(gone is None, str(gone))
            time.sleep(0.1)
        raise Broken(f"waited {PATIENCE:.0f} s in vain for {what}")


def trust(ca_file: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=ca_file)


def manifest(source: Path, target: Path, runtime_url: str) -> Path:
    """The example manifest with the sandbox platform as every agent's runtime."""
    text = source.read_text().replace("https://runtime.example", runtime_url)
    target.write_text(text)
    return target
