"""Promises of `audit verify` offline: only evidence passes, and whose keys it rests on is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scim_bridge.cli import audit
from tests.cli.command import Command, Done


def verdict(done: Done) -> dict[str, object]:
    """What verify says in JSON."""
    told: dict[str, object] = json.loads(done.out)
    return told


@pytest.fixture
def exported(command: Command) -> list[str]:
    """The lines of a real export, also in audit.jsonl, with the keys in keys.json."""
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    assert command("audit", "export", "--file", "audit.jsonl").code == 0
    keys = command("audit", "keys")
    assert keys.code == 0
    Path("keys.json").write_text(keys.out)
    return Path("audit.jsonl").read_text().splitlines()


VERIFY = ("audit", "verify", "--output", "json", "--file")


def test_an_export_verifies_and_says_whose_keys_it_rests_on(command: Command, exported: list[str]) -> None:
    own = verdict(command(*VERIFY, "audit.jsonl"))
    assert own["ok"] is True and own["keys"] == "the file's own" and own["rows"] == len(exported) - 3
    given = verdict(command(*VERIFY, "audit.jsonl", "--public-keys", "keys.json"))
    assert given["ok"] is True and given["keys"] == "given"
    assert verdict(command("audit", "verify", "--output", "json"))["keys"] == "the database's"


@pytest.mark.parametrize("keep", [0, 1, 2], ids=["nothing", "only the keys", "only keys and head"])
def test_an_export_without_rows_proves_nothing(command: Command, exported: list[str], keep: int) -> None:
    Path("short.jsonl").write_text("".join(line + "\n" for line in exported[:keep]))
    for keys in ((), ("--public-keys", "keys.json")):
        done = command(*VERIFY, "short.jsonl", *keys)
        assert done.code == 1 and verdict(done)["ok"] is False
        assert "holds no rows" in str(verdict(done)["findings"])


@pytest.mark.parametrize("line", ['{"type":"keys","keys":[1]}', '{"type":"keys"}', '{"type":"poem"}'])
def test_a_line_that_is_not_ours_is_named(command: Command, exported: list[str], line: str) -> None:
    Path("strange.jsonl").write_text("\n".join([line, *exported[1:]]))
    done = command(*VERIFY, "strange.jsonl")
    assert done.code == 1 and "Line 1 of the export is not one we wrote" in done.err


@pytest.mark.parametrize("content", ["[1]", '{"keys":5}', "{}", "no json", '{"a":{"kty":"OKP"}}', None])
def test_a_file_that_holds_no_keys_is_refused_as_such(
    command: Command, exported: list[str], content: str | None
) -> None:
    if content is not None:
        Path("bk").write_text(content)
    done = command(*VERIFY, "audit.jsonl", "--public-keys", "bk")
    assert done.code == 1 and done.err.count("\n") == 1
    assert ("bk cannot be read" if content is None else "audit keys") in done.err
    assert "audit.jsonl cannot be read" not in done.err


def test_keys_are_printed_in_every_format_and_are_no_secrets(command: Command, exported: list[str]) -> None:
    assert '"d"' not in Path("keys.json").read_text()
    for noun in ("audit", "attest", "receipts"):
        for form in ("table", "json", "jsonl", "csv"):
            assert command(noun, "keys", "--output", form).code == 0


@pytest.mark.parametrize("words", (("verify",), ("export", "--file", "a.jsonl")))
def test_ctrl_c_ends_with_a_word_and_130(command: Command, monkeypatch, words: tuple[str, ...]) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "with_bridge", pressed)
    done = command("audit", *words)
    assert done.code == 130 and "begins anew" in done.err and "Traceback" not in done.err
    assert not Path("a.jsonl").exists()
