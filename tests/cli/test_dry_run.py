"""Promises of `--dry-run`: what would be written is told as it would be audited, and nothing is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scim_bridge.cli.dry_run import PLANNED
from scim_bridge.cli.run import build
from tests.cli.command import Command
from tests.docs.reference import commands

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "examples" / "small.yaml"


def test_a_rehearsed_write_is_told_and_rolled_back_on_both_back_ends(
    command: Command, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "an unguessable key of more than 32 bytes")
    assert command("agents", "import", str(EXAMPLE)).code == 0
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    before = command("audit", "list", "--output", "json").out
    setting = ("--set", "people_by=external-id", "-o", "json")
    for words, action in (
        (("agents", "hold", "knowledge-writer", "--reason", "odd"), "--dry-run"),
        (("connections", "configure", "okta", *setting), '"connection.configured"'),
        (("tokens", "create", "--connection", "okta", "-o", "json"), '"token.created"'),
    ):
        done = command(*words, "--dry-run")
        assert done.code == 3 and "sbr_" not in done.out, done
        assert action in done.out, done
    assert command("audit", "list", "--output", "json").out == before
    assert command("tokens", "list", "--output", "json").out.strip() == "[]"
    shown = json.loads(command("agents", "show", "knowledge-writer", "--output", "json").out)
    assert shown["state"] == "active"
    refused = command("agents", "hold", "nobody", "--reason", "x", "--dry-run")
    assert refused.code == 1 and "nobody" in refused.err
    assert command("agents", "hold", "knowledge-writer", "--reason", "odd").code == 0
    assert command("agents", "hold", "knowledge-writer", "--reason", "odd", "--dry-run").code == 0


def test_what_does_not_exist_is_not_made_to_try(command: Command, tmp_path: Path) -> None:
    done = command("connections", "create", "okta", "--kind", "okta", "--dry-run")
    assert done.code == 3 and "connection.created" in done.out
    assert list(tmp_path.iterdir()) == []


def test_every_command_that_is_said_to_have_it_has_it() -> None:
    found = {name for name, command in commands(build()) if any(p.name == "dry_run" for p in command.params)}
    assert {f"scim-bridge {noun} {verb}" for noun, verbs in PLANNED.items() for verb in verbs} <= found
