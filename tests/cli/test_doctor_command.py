"""Promises of `doctor`: planted mistakes come out with their fix; nothing is made, migrated or called unasked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store
from tests.cli.command import Command
from tests.conftest import run_with_store
from tests.receiver import receiving
from tests.registry.test_odd_facts import kept

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "examples" / "small.yaml"


def asked(command: Command, *more: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and the findings by check."""
    done = command("doctor", *more, "--output", "json")
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(done.out):
        found.setdefault(one["check"], []).append(one)
    return done.code, found


def wrongs(found: dict[str, list[dict[str, Any]]]) -> set[str]:
    """The checks that are wrong."""
    return {check for check, each in found.items() if any(one["state"] == "wrong" for one in each)}


def test_an_empty_folder_is_no_mistake_and_stays_empty(command: Command, tmp_path: Path) -> None:
    code, found = asked(command)
    assert code == 0 and found["database"][0]["state"] == "note"
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_are_a_finding_with_their_fix(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "short")
    code, found = asked(command)
    assert code == 1 and "secret_key" in found["settings"][0]["found"] and found["settings"][0]["fix"]


def test_planted_mistakes_are_found_one_after_the_other_until_all_is_well(
    command: Command, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", database_url)
    if database_url.startswith("postgresql"):
        monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "an unguessable key of more than 32 bytes")
    imported = command("agents", "import", str(EXAMPLE))
    assert imported.code == 0, imported.err
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    code, found = asked(command, "--base-url", "https://bridge.example.com/scim")
    assert code == 1 and {"token", "public-url", "base-url"} <= wrongs(found)
    assert command("tokens", "create", "--connection", "okta").code == 0
    monkeypatch.setenv("SCIM_BRIDGE_PUBLIC_URL", "https://bridge.example.com")
    monkeypatch.setenv("SCIM_BRIDGE_NOTIFY_TARGETS__OPS", "json://127.0.0.1:9/x")
    code, found = asked(command, "--base-url", "https://bridge.example.com/scim/v2")
    assert wrongs(found) <= {"owners", "disk"}, found
    assert [one["state"] for one in found["worker"]] == ["note"]
    assert "never called" in found["token"][0]["found"]
    assert command("doctor", "--connection", "okt").code == 1


def test_a_key_that_others_can_read_or_that_is_gone_and_an_older_database_are_found_and_nothing_is_touched(
    command: Command, tmp_path: Path
) -> None:
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    assert command("tokens", "create", "--connection", "okta").code == 0
    key, file = tmp_path / "scim-bridge.key", tmp_path / "scim-bridge.db"
    key.chmod(0o644)
    assert "0644" in asked(command)[1]["master-key"][0]["found"]
    key.rename(tmp_path / "away")
    _, found = asked(command)
    assert {"master-key", "inside"} <= wrongs(found) and not key.exists()
    key.write_text("ab" * 16 + "cd" * 16)
    key.chmod(0o600)
    assert "belongs to" in asked(command)[1]["master-key"][0]["found"]
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
        database.commit()
    _, found = asked(command)
    assert "0001" in found["database"][0]["found"] and "migrates by itself" in found["database"][0]["fix"]
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)


def test_only_online_calls_out_and_then_a_wrong_clock_and_a_closed_door_come_out(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as idp:
        idp.answer = lambda _path, _before: (404, {})
        port = idp.url.rsplit(":", 1)[1]
        made = command(
            "connections", "create", "there", "--kind", "generic", "--set", f"base_url={idp.url}/scim/v2"
        )
        assert made.code == 0, made.err
        monkeypatch.setenv("SCIM_BRIDGE_PUBLIC_URL", f"{idp.url}/not-us")
        refused = asked(command, "--online")[1]["idp"][0]
        assert refused["state"] == "wrong" and "allow_networks" in refused["fix"]
        assert not [one for one in asked(command)[1] if one in ("idp", "reach", "clock")]
        monkeypatch.setenv("SCIM_BRIDGE_ALLOW_NETWORKS", f"127.0.0.1:{port}")
        monkeypatch.setattr("scim_bridge.kernel.clock.SystemClock.now", lambda _self: 1_767_225_600_000_000)
        code, found = asked(command, "--online")
    assert code == 1 and found["idp"][0]["state"] == "ok"
    assert "slow" in found["clock"][0]["found"] and "NTP" in found["clock"][0]["fix"]
    assert "something else than scim-bridge" in found["reach"][0]["found"]


def test_agents_with_facts_of_an_odd_form_are_named_with_the_fix(
    command: Command, database_url: str, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "an unguessable key of more than 32 bytes")
    assert asked(command)[1].get("facts", [{"state": "ok"}])[0]["state"] == "ok"

    async def body(store: Store) -> None:
        await kept(store, ("sound", "dev", "low", None), ("odd", "Dev", "low", None))

    run_with_store(database_url, clock, body)
    code, found = asked(command)
    (one,) = found["facts"]
    assert code == 1 and one["state"] == "wrong" and "1 agent(s)" in one["found"]
    assert "odd (environment)" in one["found"] and "dev, staging, production" in one["fix"]
