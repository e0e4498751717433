"""Promises of `scim-bridge sandbox`: its options are told, and what cannot be meant ends in one line."""

from __future__ import annotations

import stat
import tomllib
from argparse import Namespace
from pathlib import Path

import pytest

from scim_bridge.cli.run import run
from scim_bridge.inventory.read import read_manifest
from scim_bridge.sandbox.kit.server import open_sandbox
from scim_bridge.sandbox.platform.rehearsal import prepare
from scim_bridge.settings.load import load_settings

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "examples" / "agents.yaml"


@pytest.mark.parametrize("kind", ["okta", "entra", "hr", "platform"])
def test_help_lists_the_options(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", kind, "--help"]) == 0
    told = capsys.readouterr().out
    assert all(option in told for option in ("--port", "--data", "--control-token", "--manifest"))


@pytest.mark.parametrize(
    "arguments",
    [["sandbox", "ping"], ["sandbox", "okta", "--manifest", "x"], ["sandbox", "okta", "--prot", "1"]],
)
def test_what_no_sandbox_takes_is_refused(arguments: list[str]) -> None:
    assert run(arguments) == 2


@pytest.mark.parametrize("content", ["- a list", "agents: [{name: without slug}]", "a: [", "\x80"])
def test_a_file_that_is_no_manifest_ends_the_start_in_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(content.encode("latin-1"))
    arguments = ["sandbox", "platform", "--data", str(tmp_path / "p"), "--manifest", str(file)]
    assert run(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(file) in line


def test_the_platform_gives_a_bridge_settings_and_a_manifest_that_lead_to_it(tmp_path: Path) -> None:
    sandbox = open_sandbox("platform", tmp_path, "https://127.0.0.1:9")
    try:
        made = prepare(sandbox, Namespace(manifest=EXAMPLE))
        again = prepare(sandbox, Namespace(manifest=EXAMPLE))
        assert prepare(sandbox, Namespace(manifest=None)) == {}
        secret = sandbox.store.get("setting", "secret")
    finally:
        sandbox.close()
    settings_file, manifest_file = Path(made["settings_file"]), Path(made["manifest_file"])
    assert again == made and stat.S_IMODE(settings_file.stat().st_mode) == 0o600
    before = read_manifest(EXAMPLE.read_bytes(), "agents.yaml")
    manifest = read_manifest(manifest_file.read_bytes(), "agents.yaml")
    assert [agent.slug for agent in manifest.agents] == [agent.slug for agent in before.agents]
    hooks = {agent.slug: agent.runtime_url for agent in manifest.agents if agent.runtime_url}
    assert hooks == {slug: f"https://127.0.0.1:9/hooks/agents/{slug}" for slug in hooks} and len(hooks) == 10
    held = {credential.system for agent in manifest.agents for credential in agent.credentials}
    written = tomllib.loads(settings_file.read_text())
    settings = load_settings(settings_file, {})
    assert set(settings.revokers) == held == set(written["revokers"])
    assert secret is not None
    assert {settings.runtime_secret, *(each["secret"] for each in settings.revokers.values())} == {
        secret["secret"]
    }
