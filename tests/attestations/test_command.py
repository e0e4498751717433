"""Promises of `scim-bridge attest`: ask, read, verify here and on another machine, with exit codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scim_bridge.app import open_bridge
from scim_bridge.attestations.answering import answer
from scim_bridge.attestations.opening import look
from scim_bridge.cli.attest import app
from scim_bridge.settings.model import Settings
from tests.attestations.scene import SETTINGS, VISITOR, scene, throttle

Attest = Callable[..., Any]


@pytest.fixture
def url(sqlite_url: str) -> str:
    async def fill() -> None:
        bridge = await open_bridge(Settings(database_url=sqlite_url))
        await scene(bridge.ctx.store)
        await bridge.close()

    asyncio.run(fill())
    return sqlite_url


def attest(url: str, *arguments: str, code: int = 0) -> Any:
    """Run the command; its parsed JSON, or its text when it failed."""
    database = [] if "--offline" in arguments else ["--database-url", url]
    arguments = tuple(a for a in arguments if a != "--offline")
    done = CliRunner().invoke(app, [*arguments, *database])
    assert done.exit_code == code, (done.output, done.exception)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.output


def answered(url: str, link: str, verdict: str) -> None:
    """Answer a link as its owner would."""

    async def main() -> None:
        bridge = await open_bridge(Settings(database_url=url))
        token = link.rsplit("/", 1)[1]
        refused = throttle(bridge.ctx)
        seen = await look(bridge.ctx, VISITOR, refused, token)
        await answer(bridge.ctx, SETTINGS, VISITOR, refused, token, verdict, "by hand", seen.digest)
        await bridge.close()

    asyncio.run(main())


def test_an_owner_is_asked_answers_and_the_statement_verifies_anywhere(url: str, tmp_path: Path) -> None:
    asked = attest(url, "request", "triage", "--output", "json")
    assert set(asked) == {"link", "expires", "to"} and asked["to"] == "olga@corp.test"
    assert asked["link"].startswith("http://127.0.0.1:8080/attest/") and asked["expires"].endswith("Z")
    [waiting] = attest(url, "list", "--requests", "--output", "json")
    assert waiting["state"] == "open" and waiting["agent"] == "triage"
    answered(url, asked["link"], "confirm")
    [line] = attest(url, "list", "--agent", "triage", "--output", "json")
    assert (line["verdict"], line["by"], line["state"]) == ("confirm", "olga@corp.test", "current")
    shown = attest(url, "show", line["id"], "--output", "json")
    assert shown["facts"]["agent"]["slug"] == "triage" and shown["comment"] == "by hand"
    assert attest(url, "verify", line["id"], "--output", "json") == {
        "ok": True,
        "statements": 1,
        "keys": "the database's",
        "findings": [],
    }

    export, keys = tmp_path / "export.jsonl", tmp_path / "keys.json"
    attest(url, "export", "--file", str(export))
    keys.write_text(json.dumps(attest(url, "keys")))
    offline = ["verify", "--file", str(export), "--public-keys", str(keys), "--output", "json", "--offline"]
    given = attest(url, *offline)
    assert (given["ok"], given["keys"]) == (True, "given")
    unsure = attest(url, "verify", "--file", str(export), code=2)
    assert "give --public-keys to know whose it is" in " ".join(str(unsure).replace("│", " ").split())
    own = ["verify", "--file", str(export), "--trust-bundle-keys", "--output", "json", "--offline"]
    assert attest(url, *own)["keys"] == "the file's own: give --public-keys to know whose"
    raw = bytearray(export.read_bytes())
    raw[raw.index(b"by hand")] ^= 1
    export.write_bytes(raw)
    found = attest(url, *offline, code=1)
    assert found["ok"] is False and "comment" in found["findings"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["request", "nobody"], 1, "no agent"),
        (["request", "triage", "--to", "mallory@corp.test"], 1, "not an active owner"),
        (["request", "triage", "--to", "ghost"], 1, "No person"),
        (["list", "--agent", "nobody"], 1, "no agent"),
        (["show", "nothing"], 1, "no attestation"),
        (["verify", "nothing"], 1, "no attestation"),
        (["verify", "one", "--file", "two"], 2, "not both"),
        (["verify", "one", "--public-keys", "two"], 2, "go with --file"),
        (["export", "--file", "x", "--agent", "nobody"], 1, "no agent"),
    ],
)
def test_a_wrong_call_is_one_line_and_an_exit_code(
    url: str, arguments: list[str], code: int, message: str
) -> None:
    output = attest(url, *arguments, code=code)
    assert message in " ".join(str(output).replace("│", " ").split()) and "Traceback" not in output


def test_files_that_are_none_are_one_line_each(tmp_path: Path, url: str) -> None:
    from scim_bridge.cli.run import run

    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff{")
    for arguments in (
        ["--file", str(tmp_path / "missing"), "--trust-bundle-keys"],
        ["--file", str(broken), "--trust-bundle-keys"],
        ["--file", str(broken), "--public-keys", str(broken)],
    ):
        assert run(["attest", "verify", *arguments]) == 1


def test_the_list_says_what_to_do_when_nothing_was_asked_yet(url: str) -> None:
    assert "attest request" in attest(url, "list")
