"""Promises of `departures` and `receipts` on the command line: shapes for machines, exit codes, plain refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner

from scim_bridge.cli import departures, receipts
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Store
from tests.conftest import run_with_store
from tests.departures.house import context, drain, engine, furnish
from tests.receiver import Receiver

SECRET_KEY = "b3f1c2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718"


class Shell:
    """The command line on one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._runner = CliRunner()

    def run(self, app: typer.Typer, *arguments: str, code: int = 0, json: bool = True) -> Any:
        """Run a command; its parsed answer. The exit code must be the given one."""
        given = [*arguments, *(("--output", "json") if json else ())]
        done = self._runner.invoke(app, given, env={"SCIM_BRIDGE_DATABASE_URL": self.url})
        if isinstance(done.exception, BridgeError):
            # `cli.run` turns these into one line and exit code 1.
            assert code == 1, done.exception
            return done.exception.text()
        assert done.exit_code == code, (done.output, done.stderr, done.exception)
        if not done.stdout.strip():
            return done.stderr
        return orjson.loads(done.stdout) if json else done.stdout

    def act(self, receiver: Receiver) -> None:
        """Make every waiting effect happen."""

        async def body(store: Store) -> None:
            ctx = context(store)
            await drain(engine(ctx, receiver), store)
            await ctx.outbound.aclose()

        run_with_store(self.url, SystemClock(), body)


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in a company where Priya may leave."""
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", SECRET_KEY)
    run_with_store(database_url, SystemClock(), furnish)
    return Shell(database_url)


def test_an_admin_simulates_reports_hands_over_and_proves_a_departure(
    shell: Shell, receiver: Receiver, tmp_path: Path
) -> None:
    foretold = shell.run(departures.app, "simulate", "priya@corp.test")
    assert {row["agent"]: row["outcome"] for row in foretold} == {
        "triage": "handed-over",
        "refund": "held",
        "writer": "relieved",
        "audit-helper": "relieved",
    }
    assert shell.run(departures.app, "list") == []

    opened = shell.run(departures.app, "open", "priya@corp.test", "--reason", "told by her lead")
    assert (opened["person"], opened["state"], opened["held"]) == ("priya@corp.test", "open", 1)
    shell.act(receiver)
    (case,) = shell.run(departures.app, "list")
    assert case["id"] == opened["id"]
    seen = shell.run(departures.app, "show", case["id"])
    assert (seen["state"], seen["steps"], seen["within_budget"]) == ("closed", 15, True)
    assert isinstance(seen["seconds"], float)

    given = shell.run(departures.app, "hand-over", case["id"], "refund", "--to", "daniel@corp.test")
    assert given == {"agent": "refund", "owner": "daniel@corp.test", "state": "active", "holds": []}
    refused = shell.run(departures.app, "hand-over", case["id"], "triage", "--to", "priya@corp.test", code=1)
    assert "Priya left and cannot own an agent" in refused

    verified = shell.run(receipts.app, "verify", case["id"])
    assert verified["ok"] and verified["within_budget"] and verified["steps"] == 15
    assert shell.run(receipts.app, "show", "priya@corp.test")["case"] == case["id"]
    file, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    shell.run(receipts.app, "export", case["id"], "--file", str(file), json=False)
    keys.write_text(shell.run(receipts.app, "keys", json=False))
    offline = Shell("sqlite:////nowhere/at/all.db")
    assert offline.run(receipts.app, "verify", "--file", str(file))["keys"] == "the file's own"
    trusted = offline.run(receipts.app, "verify", "--file", str(file), "--public-keys", str(keys))
    assert (trusted["ok"], trusted["keys"]) == (True, "given")
    raw = bytearray(file.read_bytes())
    raw[raw.index(b".") + 40] ^= 1
    file.write_bytes(bytes(raw))
    found = offline.run(receipts.app, "verify", "--file", str(file), code=1)
    assert found["findings"] and not found["ok"] and found["person"] is None


def test_a_last_day_ahead_plans_and_returned_cancels(shell: Shell) -> None:
    planned = shell.run(departures.app, "open", "priya@corp.test", "--last-day", "2190-06-30")
    assert (planned["state"], planned["effective"]) == ("planned", "2190-06-30T23:00:00.000Z")
    assert shell.run(departures.app, "list", "--state", "planned")[0]["id"] == planned["id"]
    assert "there is no receipt yet" in shell.run(receipts.app, "verify", planned["id"], code=1)
    stays = shell.run(departures.app, "returned", "priya@corp.test")
    assert (stays["id"], stays["state"]) == (planned["id"], "cancelled")
    assert shell.run(departures.app, "returned", "lena@corp.test")["state"] == "no departure"


def test_wrong_words_are_refused_by_name(shell: Shell, tmp_path: Path) -> None:
    assert "no departure 'nobody'" in shell.run(departures.app, "show", "nobody", code=1)
    assert "known as 'nobody'" in shell.run(departures.app, "simulate", "nobody", code=1)
    assert "planned, held" in shell.run(departures.app, "list", "--state", "gone", code=2)
    shell.run(departures.app, "open", "priya@corp.test", "--last-day", "Friday", code=2, json=False)
    shell.run(departures.app, "open", "priya@corp.test", "--last-day", "9999-12-31", code=2, json=False)
    shell.run(receipts.app, "verify", code=2, json=False)
    missing = tmp_path / "missing.json"
    assert "cannot be read" in shell.run(receipts.app, "verify", "--file", str(missing), code=1)
    missing.write_text("{}")
    assert "no receipt of ours" in shell.run(receipts.app, "verify", "--file", str(missing), code=1)
    assert shell.run(departures.app, "list") == [], "nothing happened"


def test_tables_are_for_people(shell: Shell, receiver: Receiver) -> None:
    shell.run(departures.app, "open", "priya@corp.test", json=False)
    shell.act(receiver)
    seen = shell.run(departures.app, "show", "priya@corp.test", json=False)
    assert "no active co-owner" in seen
    assert "credential.revoke" in seen
    assert "within_budget" in shell.run(receipts.app, "verify", "priya@corp.test", json=False)
    assert "revoked key-0 in vault" in shell.run(receipts.app, "show", "priya@corp.test", json=False)
