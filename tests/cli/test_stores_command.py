"""Promises of `stores`: what is set is listed without its secrets, and a try says whether it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command

PLANTED = "planted-secret-id-Zq7"


def test_stores_are_listed_and_tried_and_no_secret_of_theirs_is_shown(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, token = tmp_path / "secrets", tmp_path / "secret_id"
    folder.mkdir(mode=0o700)
    token.write_text(PLANTED)
    settings = {
        "DISK__KIND": "file",
        "DISK__DIRECTORY": str(folder),
        "VAULT__KIND": "openbao",
        "VAULT__ADDRESS": "http://127.0.0.1:9",
        "VAULT__AUTH": "approle",
        "VAULT__ROLE_ID": "role",
        "VAULT__SECRET_ID_FILE": str(token),
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"SCIM_BRIDGE_STORES__{name}", value)
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    listed = command("stores", "list", "--output", "json")
    assert '"disk"' in listed.out and '"approle"' in listed.out
    shown = command("config", "show", "--output", "json")
    assert shown.code == 0 and "stores.vault.address" in shown.out
    assert command("stores", "test", "disk").code == 0
    assert not list(folder.iterdir())
    failed = command("stores", "test", "--output", "json")
    assert failed.code == 1 and "does not answer" in failed.out
    unknown = command("stores", "test", "valt")
    assert unknown.code == 1 and "[stores.valt]" in unknown.err
    assert all(PLANTED not in done.out + done.err for done in (listed, shown, failed, unknown))
