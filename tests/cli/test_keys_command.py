"""Promises of `keys` and `leaks`: one noun for all of ours, old names work on, no value where none is asked for."""

from __future__ import annotations

import base64
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.cli.command import Command

HOOK = "whsec_" + base64.b64encode(b"the secret of agents' platforms..").decode()


def test_every_kind_is_listed_and_rotated_under_one_noun(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_RUNTIME_SECRET", HOOK)
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    token = orjson.loads(command("tokens", "create", "--connection", "okta", "-o", "json").out)["token"]
    made = orjson.loads(command("clients", "create", "--connection", "okta", "-o", "json").out)

    def listed() -> dict[str, list[dict]]:
        done = command("keys", "list", "-o", "json")
        assert done.code == 0, done.err
        assert all(value not in done.out for value in (token, made["client_secret"], HOOK))
        found: dict[str, list[dict]] = {}
        for row in orjson.loads(done.out):
            found.setdefault(row["name"], []).append(row)
        return found

    names = listed()
    assert {"master", "pepper", "audit", "receipt", "attestation", "runtime_secret"} <= names.keys()
    client = f"client:{made['client_id']}"
    by_token = next(name for name in names if name.startswith("token:"))
    for name in ("master", "audit", "receipt", "attestation", "runtime_secret", client, by_token):
        done = command("keys", "rotate", name, "-o", "json")
        assert done.code == 0, (name, done.err)
    assert command("receipts", "rotate-key").code == 0 and command("attest", "rotate-key").code == 0
    names = listed()
    assert [row["state"] for row in names["runtime_secret"]] == ["current", "overlap"]
    assert [row["state"] for row in names["master"]] == ["current", "previous"]
    assert len(Path("scim-bridge.key").read_text().split()) == 2
    refused = command("keys", "retire", "master", "--now")
    assert refused.code == 1 and "tokens not used since" in refused.err
    for name in ("runtime_secret", "receipt", client, by_token):
        assert command("keys", "retire", name).code == 0, name
    unknown = command("keys", "rotate", "mastr")
    assert unknown.code == 1 and "keys list" in unknown.err
    with closing(sqlite3.connect("scim-bridge.db")) as database:
        dump = "\n".join(database.iterdump())
    printed = orjson.loads(command("keys", "rotate", "runtime_secret", "-o", "json").out)["secret"]
    for value in (
        token,
        made["client_secret"],
        HOOK,
        printed,
        Path("scim-bridge.key").read_text().split()[0],
    ):
        assert value not in dump and value.encode().hex().upper() not in dump


def test_a_leak_is_told_by_standard_input_and_its_token_is_dead(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    token = orjson.loads(command("tokens", "create", "--connection", "okta", "-o", "json").out)["token"]
    monkeypatch.setattr("sys.stdin", io.StringIO(token + "\n"))
    done = command("leaks", "report", "--url", "https://user:pw@example.com/x?t=1", "-o", "json")
    assert done.code == 0 and orjson.loads(done.out)["verdict"] == "true_positive"
    (row,) = orjson.loads(command("leaks", "list", "-o", "json").out)
    assert row["url"] == "https://example.com/x" and row["done"] == "the token was revoked"
    assert token not in str(row) and token not in done.out
    assert "revoked" in command("tokens", "list", "-o", "json").out
    monkeypatch.setattr("sys.stdin", io.StringIO("nothing of ours, though it is long\n"))
    assert orjson.loads(command("leaks", "report", "-o", "json").out)["verdict"] == "false_positive"
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert command("leaks", "report").code == 2
