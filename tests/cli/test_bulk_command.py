"""Promises of `scim-bridge bulk`: a plan does nothing, an approved one does what it said, agent by agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Command

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "examples" / "small.yaml"


def test_a_plan_does_nothing_and_approved_it_does_what_it_said(
    command: Command, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "an unguessable key of more than 32 bytes")
    assert command("agents", "import", str(EXAMPLE)).code == 0
    planned = command("bulk", "plan", "stop", "state:active", "-o", "json")
    told = json.loads(planned.out)
    assert planned.code == 3 and told["agents"] and told["state"] == "planned", planned
    assert {one["what"] for one in told["agents"]} == {"active → held"}
    assert command("agents", "list", "--held", "-o", "json").out.strip() == "[]"
    done = command("bulk", "approve", told["id"], "--reason", "INC-7", "-o", "json")
    assert done.code == 0 and json.loads(done.out)["state"] == "done", done
    held = json.loads(command("agents", "list", "--held", "-o", "json").out)
    assert {one["why"] for one in held} == {"INC-7"} and len(held) == len(told["agents"])
    assert command("bulk", "cancel", told["id"]).code == 1
    wrong = command("bulk", "plan", "explode", "state:held")
    assert wrong.code == 2 and "explode" in wrong.err
