"""`python -m scim_bridge.sandbox.okta` as a process: it may be killed at any time and goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from tests.sandbox.okta.scim_app import ScimApp
from tests.sandbox.servers import CONTROL_TOKEN, trust

BOT = "bot@agents.test"


@contextlib.contextmanager
def started(data: Path, port: str = "0") -> Iterator[tuple[subprocess.Popen[bytes], str, httpx2.Client]]:
    """The process, its base URL and a client of its control API."""
    command = [sys.executable, "-m", "scim_bridge.sandbox.okta", "--data", str(data), "--port", port]
    process = subprocess.Popen(
        [*command, "--exit-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "SANDBOX_CONTROL_TOKEN": CONTROL_TOKEN},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        assert (ready["ready"], ready["name"]) == (True, "okta")
        with httpx2.Client(
            base_url=f"{ready['url']}/sandbox",
            verify=trust(ready["ca_file"]),
            trust_env=False,
            headers={"authorization": f"Bearer {CONTROL_TOKEN}"},
            timeout=60,
        ) as control:
            yield process, ready["url"], control
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def test_users_tokens_and_unfinished_tasks_survive_kill_9(tmp_path: Path, app: ScimApp) -> None:
    with started(tmp_path) as (process, url, control):
        token = control.post("/api-tokens").json()["token"]
        config = {
            "base_url": app.base_url,
            "token": "app-token",
            "dialect": "okta-put",
            "ca_file": app.ca_file,
        }
        control.post("/scim/configure", json=config)
        user = {"login": BOT, "email": BOT, "firstName": "Bot", "lastName": "One"}
        control.post("/directory", json={"users": [user]})
        app.answers.append((429, {"content-type": "application/json", "retry-after": "1"}, "{}"))
        answer = control.post("/scim/assign", json={"logins": [BOT], "patience": 0}).json()
        assert answer["ok"] is False
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with started(tmp_path, url.rsplit(":", 1)[1]) as (process, again, control):
        assert again == url
        assert control.post("/scim/settle").json()["ok"] is True
        assert [seen.method for seen in app.seen] == ["GET", "GET", "POST"]
        objects = control.get("/objects/user").json()["objects"]
        assert [item["value"]["profile"]["login"] for item in objects] == [BOT]
        with httpx2.Client(
            base_url=url, verify=trust(str(tmp_path / "ca" / "ca.pem")), trust_env=False
        ) as api:
            headers = {"authorization": f"SSWS {token}"}
            assert len(api.get("/api/v1/users", headers=headers).json()) == 1
    assert process.returncode == 0
