"""Promise of every sandbox: as a process of its own it says where it listens, and kill -9 loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.sandbox.servers import CONTROL_TOKEN, trust


def started(name: str, data: Path) -> tuple[subprocess.Popen[str], httpx2.Client]:
    """A sandbox as `python -m`, and a client of its control API."""
    command = [sys.executable, "-m", f"scim_bridge.sandbox.{name}", "--data", str(data), "--exit-with-parent"]
    process = subprocess.Popen(
        [*command, "--control-token", CONTROL_TOKEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert (ready["ready"], ready["name"]) == (True, name)
    client = httpx2.Client(
        base_url=f"{ready['url']}/sandbox",
        verify=trust(ready["ca_file"]),
        trust_env=False,
        headers={"authorization": f"Bearer {CONTROL_TOKEN}"},
    )
    return process, client


def ended(process: subprocess.Popen[str], client: httpx2.Client, *, kill: bool) -> None:
    """End a sandbox: by kill -9, or as its parent would by going away."""
    client.close()
    assert process.stdin is not None and process.stdout is not None
    if kill:
        process.kill()
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


@pytest.mark.parametrize(
    ("name", "path", "body", "kind"),
    [
        ("entra", "directory", {"users": [{"userPrincipalName": "ana@harborpine.example"}]}, "user"),
        ("hr", "employees", {"email": "a@b.example", "first_name": "A", "last_name": "B"}, "employee"),
        ("platform", "agents", {"slug": "triage", "version": "2.0.0"}, "agent"),
    ],
)
def test_what_was_answered_is_there_after_kill_9(
    name: str, path: str, body: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    process, client = started(name, tmp_path)
    client.post(path, json=body).raise_for_status()
    before = client.get(f"objects/{kind}").json()
    assert len(before["objects"]) == 1
    ended(process, client, kill=True)
    process, client = started(name, tmp_path)
    assert client.get(f"objects/{kind}").json() == before
    ended(process, client, kill=False)
    assert process.returncode == 0
