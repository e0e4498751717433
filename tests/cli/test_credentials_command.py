"""Promises of `scim-bridge credentials`: what was entered is shown in every form, what cannot be is one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from tests.cli.command import Command
from tests.conftest import TESTER, run_with_store


@pytest.fixture
def house(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Commands over a database with one connection and one agent."""
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", url)
    monkeypatch.setenv("SCIM_BRIDGE_STORES__VAULT__KIND", "file")
    monkeypatch.setenv("SCIM_BRIDGE_STORES__VAULT__DIRECTORY", str(tmp_path))
    assert command("connections", "create", "corp", "--kind", "okta").code == 0

    async def furnish(store: Store) -> None:
        async def body(work: Work) -> None:
            await create_agent(work, {"userName": "refund@agents.test"}, origin="test", slug="refund")

        await store.transact(TESTER, body)

    run_with_store(url, ManualClock(), furnish)
    return command


def test_what_is_registered_is_listed_in_every_form_and_revoked_by_one_call(house: Command) -> None:
    entry = ("--system", "github", "--reference", "apps/17", "--expires", "2027-01-01T00:00:00Z")
    assert house("credentials", "register", "--agent", "refund", *entry).code == 0
    assert "Known already" in house("credentials", "register", "--agent", "refund", *entry).out
    (one,) = json.loads(house("credentials", "list", "-o", "json").out)
    assert (one["agent"], one["system"], one["state"], one["expires"]) == (
        "refund",
        "github",
        "active",
        "2027-01-01T00:00:00.000Z",
    )
    (line,) = csv.DictReader(io.StringIO(house("credentials", "list", "-o", "csv").out))
    assert line["reference"] == "apps/17"
    assert json.loads(house("credentials", "list", "-o", "jsonl").out)["id"] == one["id"]
    assert "github" in house("credentials", "show", one["id"]).out
    assert "1 credential is being revoked" in house("credentials", "revoke", "--agent", "refund").out
    assert json.loads(house("credentials", "list", "--state", "revoking", "-o", "json").out)
    assert house("tokens", "create", "--connection", "corp", "--label", "provisioning").code == 0
    (token,) = json.loads(house("credentials", "list", "--bridge", "-o", "json").out)
    assert (token["kind"], token["label"], token["reference"]) == ("bridge_token", "provisioning", "corp")


def test_policies_are_set_name_by_name_and_what_cannot_be_is_refused_on_one_line(house: Command) -> None:
    told = house(
        *("credentials", "policy", "set", "agent:refund", "--max-age-days", "30", "--overlap", "2h"),
        *("--store", "vault", "--address", "path=agents/{slug}", "--on", "leak,owner-changed", "-o", "json"),
    )
    assert told.code == 0, told.err
    kept = json.loads(told.out)
    assert (kept["overlap_seconds"], kept["store_kind"], kept["address"]) == (
        7200,
        "file",
        {"path": "agents/{slug}"},
    )
    again = house("credentials", "policy", "set", "agent:refund", "--confirm", "time", "-o", "json")
    assert json.loads(again.out)["max_age_days"] == 30
    for arguments, says in (
        (("policy", "set", "agent:nobody", "--max-age-days", "1"), "no agent 'nobody'"),
        (("policy", "set", "everything", "--max-age-days", "1"), "nothing a policy can be for"),
        (("policy", "set", "all", "--store", "elsewhere"), "name no store"),
        (("policy", "set", "all", "--window", "at night"), "maintenance window"),
        (("rotate",), "Say what to rotate"),
        (("rotate", "none"), "no credential 'none'"),
        (("rotate", "--agent", "refund"), "no client whose credential can be rotated"),
        (("rotate", "--agent", "refund", "--cause", "whatever"), "'whatever' is not one of"),
        (("list", "--agent", "nobody"), "no agent 'nobody'"),
        (("list", "--connection", "nowhere"), "no connection 'nowhere'"),
        (("revoke",), "Say what to revoke"),
        (("adopt", "none"), "no stranger"),
        (("ack", "none"), "no rotation"),
        (("settle", "none"), "no rotation"),
        (("show", "none"), "no credential or rotation"),
        (("scan", "--connection", "corp"), "no credentials to push with"),
    ):
        done = house("credentials", *arguments)
        assert done.code in (1, 2) and says in " ".join(done.err.split()), (arguments, done.err)
        assert "Traceback" not in done.err
    assert house("credentials", "policy", "clear", "agent:refund").code == 0
    assert json.loads(house("credentials", "policy", "list", "-o", "json").out) == []
