"""Promises of a generic connection on the command line: created, configured, planned, applied, one on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.cli.run import run
from tests.conformance.servers import TOKEN
from tests.sync.scim_peer import ENTERPRISE, Peer, scim_peer
from tests.sync.test_mappings_command import MANIFEST


@pytest.fixture
def peer() -> Iterator[Peer]:
    with scim_peer() as made:
        yield made


@pytest.fixture
def command(
    peer: Peer,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Two agents and the connection "target" to the server; a command's exit code and JSON, or its error."""
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("SCIM_BRIDGE_ALLOW_NETWORKS", "127.0.0.0/8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents.yaml").write_text(MANIFEST)
    (tmp_path / "target.json").write_text(json.dumps({"token": TOKEN}))
    assert run(["agents", "import", "agents.yaml", "--output", "json"]) == 0
    assert run(["connections", "create", "target", "--kind", "generic"]) == 0
    place = ["--set", f"base_url={peer.base_url}"]
    assert run(["connections", "configure", "target", "--secrets-file", "target.json", *place]) == 0

    def call(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*arguments, "--output", "json"])
        told = capsys.readouterr()
        assert TOKEN not in told.out + told.err
        return code, json.loads(told.out) if told.out.strip() else told.err

    return call


def test_plan_apply_map_and_plan_again(command, peer) -> None:
    (maria,) = peer.people("maria@corp.test")
    code, plan = command("sync", "plan", "target")
    assert code == 3 and plan["creates"] == 2 and plan["setup"] == []
    assert command("sync", "apply", "target", "--plan", plan["plan"])[0] == 0
    assert command("sync", "plan", "target")[0] == 0
    assert peer.user("triage@agents.test")[ENTERPRISE]["manager"]["value"] == maria
    code, told = command("mappings", "set", "target", "tittle", "slug")
    assert code == 2 and "Did you mean title?" in told
    assert command("mappings", "set", "target", f"{ENTERPRISE}:costCenter", "riskTier")[0] == 0
    assert command("mappings", "set", "target", "title", "upper(slug)")[0] == 0
    assert command("mappings", "set", "target", "phoneNumbers.value", '"+351 1"')[0] == 0
    assert command("sync", "apply", "target")[0] == 0
    user = peer.user("triage@agents.test")
    assert user["title"] == "TRIAGE" and user[ENTERPRISE]["costCenter"] == "low"
    assert [phone["value"] for phone in user["phoneNumbers"]] == ["+351 1"]
    assert command("sync", "plan", "target")[0] == 0


def test_before_the_first_plan_only_the_agent_that_was_asked_for_is_written(command, peer) -> None:
    code, found = command("sync", "one", "target", "triage")
    assert code == 0 and found["written"] is True, found
    assert [user["userName"] for user in peer.users()] == ["triage@agents.test"]
    code, plan = command("sync", "plan", "target")
    assert code == 3 and plan["creates"] == 1, "the other still waits for its first plan"


def test_what_is_wrong_with_address_or_credentials_is_told_before_anything_is_sent(
    command, peer, tmp_path
) -> None:
    for given, named in (
        ("base_url=http://idp.example.com/scim", "no https address"),
        ("base_url=https://u:p@idp.example.com", "no https address"),
        ("retire=burn", "disable, delete"),
    ):
        code, told = command("connections", "configure", "target", "--set", given)
        assert code == 2 and named in told and "u:p" not in told
    (tmp_path / "wrong.json").write_text('{"bearer": "x"}')
    code, told = command("connections", "configure", "target", "--secrets-file", "wrong.json")
    assert code == 2 and "no credential of generic" in told
    assert command("connections", "configure", "target", "--set", "base_url=")[0] == 0
    code, told = command("sync", "plan", "target")
    assert code == 1 and "no usable base_url" in told
    assert peer.door.calls == []
