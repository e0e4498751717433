"""Promises of `scim-bridge streams` and `doors`: a transmitter set up, heard and tried against a whole server."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scim_bridge.cli.run import run
from scim_bridge.sandbox.kit.clock import SystemClock
from scim_bridge.server import serving
from scim_bridge.settings.load import load_settings
from tests.sandbox.servers import Running
from tests.signals.ssf_stage import SharedClock, afresh, served

WHSEC = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes....").decode()
MANIFEST = Path(__file__).resolve().parents[2] / "config" / "examples" / "small.yaml"


def test_a_transmitter_is_set_up_by_command_verified_and_its_leaver_becomes_a_departure(
    ssf_sandbox: tuple[Running, SharedClock],
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox, shared = ssf_sandbox
    shared.inner = SystemClock()
    afresh(sandbox)
    secrets = tmp_path / "secrets.json"
    (client,) = sandbox.control.get("/client").json()["clients"]
    secrets.write_text(json.dumps({"client_id": client["client_id"], "client_secret": client["secret"]}))

    def ask(*arguments: str) -> Any:
        capsys.readouterr()
        assert run([*arguments, "--output", "json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    async def body() -> None:
        waiting: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await waiting[0](scope, receive, send)

        async with served(app, sandbox) as url:
            environment = {
                "SCIM_BRIDGE_DATABASE_URL": sqlite_url,
                "SCIM_BRIDGE_PUBLIC_URL": url,
                "SCIM_BRIDGE_CA_FILE": sandbox.ca_file,
                "SCIM_BRIDGE_ALLOW_NETWORKS": "127.0.0.0/8",
                "SCIM_BRIDGE_HR__ACME": WHSEC,
            }
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            async with serving(load_settings(None, environment)) as server:
                waiting.append(server.app)
                await asyncio.to_thread(commands, url)
                metrics = httpx2.AsyncClient(transport=httpx2.ASGITransport(server.app))
                told = (await metrics.get(f"{url}/metrics")).text
                assert 'scim_bridge_door_trouble{door="ssf:acme"} 0.0' in told
                assert 'scim_bridge_door_lag_seconds{door="ssf:acme"}' in told
                await metrics.aclose()

    def commands(url: str) -> None:
        ask("agents", "import", str(MANIFEST))
        ask("connections", "create", "acme", "--kind", "generic")
        made = ask(
            *("streams", "create", "acme", "--transmitter", sandbox.url, "--by-email"),
            *("--secrets-file", str(secrets), "--token-url", f"{sandbox.url}/token"),
        )
        assert made["endpoint"] == f"{url}/signals/ssf/acme" and "account-disabled" in made["events"]
        assert "warning" not in made and client["secret"] not in json.dumps(made)
        assert ask("streams", "verify", "acme")["verified"] is True
        assert ask("doors", "test", "ssf:acme")["works"] is True
        assert ask("doors", "test", "hr:acme")["works"] is True
        subject = {"format": "email", "email": "lena.fischer@harborpine.example"}
        sandbox.control.post("/events", json={"event": "account-disabled", "subject": subject})
        for _ in range(100):
            cases = ask("departures", "list")
            if cases:
                break
        assert cases[0]["person"] == "lena.fischer@harborpine.example"
        doors = {door["door"]: door for door in ask("doors", "list", "--check")}
        assert doors["ssf:acme"]["state"] == doors["hr:acme"]["state"] == "ok"
        assert ask("streams", "status", "acme", "--set", "paused")["status"] == "paused"
        assert ask("doors", "show", "ssf:acme")["events"] == 1
        for kind, way in (("okta", "okta-hook"), ("entra", "graph-notice")):
            ask("connections", "create", kind, "--kind", kind)
            assert ask("doors", "test", f"{way}:{kind}")["works"] is True
        assert run(["doors", "test", "nothing:acme"]) == 1

    def ended() -> None:
        assert ask("streams", "remove", "acme")["transmitter"] == "removed"
        assert sandbox.control.get("/streams").json()["streams"] == []

    asyncio.run(body())
    ended()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--issuer", "https://x.test"],
        ["--issuer", "https://x.test", "--transmitter", "https://x.test"],
        ["--issuer", "https://x.test", "--keys-url", "http://x.test/jwks"],
        ["--issuer", "https://x.test", "--keys-url", "https://u:p@x.test/jwks"],
        ["--issuer", "https://x.test", "--keys-url", "https://x.test/jwks", "--poll"],
        ["--issuer", "https://x.test", "--keys-url", "https://x.test/jwks", "--algorithm", "none"],
    ],
)
def test_a_stream_that_cannot_be_meant_is_refused_in_one_line(
    arguments: list[str], sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--database-url", sqlite_url]
    assert run(["connections", "create", "acme", "--kind", "generic", *there]) == 0
    assert run(["streams", "create", "acme", *arguments, *there]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert run(["streams", "show", "acme", *there]) == 1
