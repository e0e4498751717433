"""Promises of `connect`: what to enter, waiting for the call, going on where it was, and a checklist at the end."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scim_bridge.cli.connecting import waiting
from scim_bridge.cli.run import run
from tests.cli.command import Command


def called(file: Path) -> None:
    """As if the IdP had called with every token."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE sb_token SET last_used = created")
        database.commit()


def checklist(command: Command, *more: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the lines of the checklist by step."""
    done = command("connect", *more, "--timeout", "0", "--output", "json")
    return done.code, {one["step"]: one for one in json.loads(done.out)}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "okta",
            ("SCIM connector base URL", "HTTP Header", "Test Connector Configuration", "Push New Users"),
        ),
        ("entra", ("Tenant URL", "Secret token", "Bearer authentication", "Test connection")),
    ],
)
def test_the_page_says_what_to_enter_in_the_vendors_words_and_shows_a_token_that_works(
    command: Command, monkeypatch: pytest.MonkeyPatch, kind: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_PUBLIC_URL", "https://bridge.example.com")
    done = command("connect", kind, "--yes", "--timeout", "0")
    assert done.code == 1 and "Nothing came within 0 s" in done.out and "doctor --connection" in done.out
    for word in (*words, "https://bridge.example.com/scim/v2"):
        assert word in done.out
    token = next(word for word in done.out.split() if word.startswith("sbr_"))
    listed = json.loads(command("tokens", "list", "--output", "json").out)
    assert [one["connection"] for one in listed] == [kind] and token not in json.dumps(listed)


def test_it_goes_on_where_it_was_makes_one_token_only_and_ends_with_what_is_left(
    command: Command, tmp_path: Path
) -> None:
    code, first = checklist(command, "okta")
    assert code == 1 and first["first call"]["state"] == "wrong" and "connection" in first
    assert "public_url" in first["address"]["next"]
    code, again = checklist(command, "okta")
    assert code == 1 and "token" not in again
    assert len(json.loads(command("tokens", "list", "--output", "json").out)) == 1
    called(tmp_path / "scim-bridge.db")
    code, third = checklist(command, "okta", "--base-url", "https://bridge.example.com/scim/v2")
    assert code == 0 and "address" not in third
    assert third["first call"]["state"] == "done" and third["conformance"]["state"] == "later"
    assert third["credentials"]["state"] == "later" and "--secrets-file" in third["credentials"]["next"]


def test_credentials_come_from_a_file_and_what_the_idp_says_of_them_is_in_the_list(
    command: Command, tmp_path: Path
) -> None:
    checklist(command, "okta")
    called(tmp_path / "scim-bridge.db")
    file = tmp_path / "okta.json"
    file.write_text('{"ssws_token": "planted-Q9"}')
    file.chmod(0o644)
    given = (
        "okta",
        "--secrets-file",
        str(file),
        "--tenant",
        "https://127.0.0.1:9",
        "--base-url",
        "https://b.example.com/scim/v2",
    )
    code, found = checklist(command, *given)
    assert code == 1 and found["credentials"]["state"] == "done" and found["probe"]["state"] == "wrong"
    assert found["file"]["next"] == f"chmod 600 {file}"
    shown = command("connections", "show", "okta", "--output", "json").out
    assert "https://127.0.0.1:9" in shown and "planted-Q9" not in shown + json.dumps(found)


def test_a_connection_of_another_kind_is_left_alone_and_an_unknown_idp_is_refused(command: Command) -> None:
    assert command("connections", "create", "hub", "--kind", "generic").code == 0
    refused = command("connect", "okta", "--name", "hub", "--yes", "--timeout", "0")
    assert refused.code == 1 and "Choose another name" in refused.err
    assert command("connect", "ping").code == 2


def test_a_program_gets_the_checklist_alone_and_the_token_is_not_lost(command: Command) -> None:
    done = command("connect", "okta", "--timeout", "0", "--output", "jsonl")
    assert "sbr_" in done.err and "sbr_" not in done.out
    assert all(json.loads(line)["step"] for line in done.out.splitlines())


def test_ctrl_c_while_waiting_loses_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(waiting, "first_call", interrupted)
        stopped = command("connect", "okta", "--yes")
    assert stopped.code == 130 and "goes on from here" in stopped.err
    called(tmp_path / "scim-bridge.db")
    assert checklist(command, "okta")[1]["first call"]["state"] == "done"


def test_each_shell_is_told_what_could_come_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for shell, told in (
        ("bash", {"COMP_WORDS": "scim-bridge do", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "scim-bridge do"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "scim-bridge do", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ):
        with monkeypatch.context() as asked:
            asked.setenv("_SCIM_BRIDGE_COMPLETE", f"complete_{shell}")
            for name, value in told.items():
                asked.setenv(name, value)
            run([])
        said = capsys.readouterr().out
        assert "doctor" in said and "doors" in said and "agents" not in said, shell
