"""Promises about exit codes and words: 2 for a wrong argument, 1 for what cannot be done, 78 for settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Command

WRONG = [
    ("connections", "create", "x", "--kind", "foo"),
    ("connections", "create", "x", "--kind", "okta", "--set", "nonsense"),
    ("tokens", "create", "--scope", "bogus"),
    ("tokens", "create", "--scope", "admin", "--days", "0"),
    ("tokens", "create"),
    ("tokens", "rotate", "x", "--overlap", "soon"),
    ("clients", "create", "--connection", "okta", "--scope", "admin"),
    ("clients", "create", "--connection", "okta", "--years", "9"),
    ("effects", "list", "--state", "bogus"),
    ("effects", "list", "--limit", "-1"),
    ("departures", "list", "--state", "gone"),
    ("agents", "list", "--output", "xml"),
    ("connections", "configure", "okta", "--secrets-file", "nowhere.json"),
    ("connections", "create", "x", "--kind", "okta", "--secrets-file", "list.json"),
    ("connections", "create", "x", "--kind", "okta", "--secrets-file", "broken.json"),
    ("streams", "create", "okta", "--transmitter", "https://x.test", "--secrets-file", "broken.json"),
    ("attest", "verify", "--file", "broken.json"),
    ("attest", "verify", "--file", "broken.json", "--public-keys", "list.json", "--trust-bundle-keys"),
    ("attest", "verify", "--trust-bundle-keys"),
    ("policy", "explain", "a", "b", "c", "d", "--property", "nonsense"),
    ("receipts", "verify"),
    ("agents", "show"),
    ("agents", "nonsense"),
    ("nonsense",),
]


@pytest.fixture
def house(command: Command) -> Command:
    """A database with one connection, and two files that hold no credentials."""
    Path("list.json").write_text("[1]")
    Path("broken.json").write_bytes(b"{\xff")
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    return command


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_wrong_argument_is_told_on_one_line_and_ends_with_2(house: Command, words: tuple[str, ...]) -> None:
    done = house(*words)
    assert done.code == 2, done
    assert done.out == "" and done.err.startswith("error: ") and done.err.count("\n") == 1


def test_a_noun_alone_shows_its_help(command: Command) -> None:
    done = command("agents")
    assert done.code == 2 and "import" in done.out + done.err


@pytest.mark.parametrize(
    "words",
    [
        ("agents", "show", "nobody"),
        ("agents", "import", "nope.yaml"),
        ("policy", "check", "nope"),
        ("policy", "test", "nope"),
        ("receipts", "verify", "--file", "nope"),
        ("attest", "verify", "--file", "nope", "--trust-bundle-keys"),
        ("audit", "verify", "--file", "nope"),
        ("audit", "export", "--file", "nowhere/x.jsonl"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_ends_with_1(house: Command, words: tuple[str, ...]) -> None:
    done = house(*words)
    assert done.code == 1 and done.err.count("\n") == 1, done


def test_a_policy_file_of_the_settings_that_is_missing_is_a_wrong_setting(
    house: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_POLICIES", "nope.cedar")
    assert house("policy", "check").code == 78


def test_nobody_held_is_not_nobody_there(house: Command) -> None:
    assert "No agents. Import some" in house("agents", "list", "--held").out
    examples = Path(__file__).resolve().parents[2] / "config" / "examples"
    assert house("agents", "import", str(examples / "agents.yaml")).code == 0
    assert house("agents", "list", "--held").out == "No agent is held.\n"


def test_a_setting_of_the_environment_is_shown_as_one(
    house: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def origin(*more: str) -> str:
        rows = json.loads(house("config", "show", "--output", "json", *more).out)
        return str(next(row["origin"] for row in rows if row["setting"] == "database_url"))

    assert origin() == "default"
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", "sqlite:///other.db")
    assert origin() == "environment"
    assert origin("--database-url", "sqlite:///third.db") == "command line"


def test_rotating_a_secret_keeps_how_long_it_lives(house: Command) -> None:
    made = json.loads(
        house("clients", "create", "--connection", "okta", "--years", "2", "--output", "json").out
    )
    client = made["client_id"]
    rotated = json.loads(house("clients", "rotate-secret", client, "--output", "json").out)
    assert rotated["expires"][:4] == made["expires"][:4]
    shorter = json.loads(house("clients", "rotate-secret", client, "--years", "1", "--output", "json").out)
    assert int(shorter["expires"][:4]) == int(made["expires"][:4]) - 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_told_without_a_traceback(house: Command) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "scim_bridge", "connections", "show", "okta"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ},
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
