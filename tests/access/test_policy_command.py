"""`scim-bridge policy`: what an admin sees of the policies, without and with a database."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from scim_bridge.access.decide import decide
from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies
from scim_bridge.access.policy_file import packaged
from scim_bridge.cli.policy import app
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import ManualClock, SystemClock
from scim_bridge.kernel.work import Store
from tests.conftest import TESTER, run_with_store

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCIM_BRIDGE_POLICIES", "SCIM_BRIDGE_SETTINGS", "SCIM_BRIDGE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str | Path, code: int = 0) -> Result:
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert found.exit_code == code, found.output
    return found


def test_show_prints_the_policies_in_force_and_a_copy_of_them_is_sound(tmp_path: Path) -> None:
    copy = tmp_path / "access.cedar"
    copy.write_text(run("show").output)
    assert copy.read_text() == packaged().policies
    assert run("show", "--schema").output == packaged().schema
    assert orjson.loads(run("check", copy, "-o", "json").output)["ok"] is True


def test_check_lists_every_problem_with_its_line_and_exits_1(tmp_path: Path) -> None:
    file = tmp_path / "access.cedar"
    file.write_text('@id("a") permit (principal, action == Action::"raed", resource);\npermit (principal,;\n')
    found = orjson.loads(run("check", file, "-o", "json", code=1).output)
    assert found["ok"] is False
    assert [(p["file"], p["line"]) for p in found["problems"]] == [(str(file), 2)]
    run("check", tmp_path / "none.cedar", code=1)


def test_the_setting_names_the_file_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "access.cedar"
    file.write_text('@id("deny-all") forbid (principal, action, resource);\n')
    monkeypatch.setenv("SCIM_BRIDGE_POLICIES", str(file))
    assert run("show").output == file.read_text()
    table = CONFIG / "policies" / "access-tests.yaml"
    found = orjson.loads(run("test", table, "-o", "json", code=1).output)
    assert found["differences"]
    assert {d["got"] for d in found["differences"]} == {"deny"}


def test_the_shipped_table_holds_for_the_packaged_policies() -> None:
    found = orjson.loads(run("test", CONFIG / "policies" / "access-tests.yaml", "-o", "json").output)
    assert found["ok"] is True and found["differences"] == []
    run("test", CONFIG / "examples" / "agents.yaml", code=1)


def test_explain_says_what_a_gateway_would_hear_and_logs_nothing(sqlite_url: str, clock: ManualClock) -> None:
    async def fill(store: Store) -> None:
        await import_manifest(
            store, TESTER, (CONFIG / "examples" / "agents.yaml").read_bytes(), "agents.yaml"
        )

    async def logged(store: Store) -> int:
        return len(await store.reads.all("SELECT id FROM sb_decision"))

    run_with_store(sqlite_url, clock, fill)
    at = ("--database-url", sqlite_url, "-o", "json")
    yes = orjson.loads(run("explain", "code-review", "read", "repository", "storefront", *at).output)
    assert yes["decision"] is True
    assert yes["policies"] == ["source-code-read"]
    no = orjson.loads(run("explain", "deploy-conductor", "deploy", "deployment", "x", *at).output)
    assert (no["decision"], no["policies"]) == (False, ["high-risk-needs-attestation"])
    more = ("--property", "personal_data=true")
    no = orjson.loads(run("explain", "metrics-analyst", "query", "dataset", "x", *more, *at).output)
    assert no["reasons"][0]["id"] == "no-grant"
    run("explain", "metrics-analyst", "query", "dataset", "x", "--property", "nonsense", *at, code=2)
    assert "source-code-read" in run("explain", "code-review", "read", "repository", "x", *at[:2]).output
    assert run_with_store(sqlite_url, clock, logged) == 0


def test_a_set_is_tried_put_in_force_and_taken_back(sqlite_url: str, clock: ManualClock) -> None:
    """What changes answers is shown, with exit 3, and needs --accept; going back is an activation too."""

    async def fill(store: Store) -> None:
        await import_manifest(
            store, TESTER, (CONFIG / "examples" / "agents.yaml").read_bytes(), "agents.yaml"
        )
        log = DecisionLog(store)
        question = Question("agent", "code-review", "comment", "repository", "storefront")
        decision = await decide(store.reads, load_policies(), question, store.clock.now())
        await log.keep(Entry(store.ids.new(), SystemClock().now(), question, decision, TESTER))
        await log.drained()

    run_with_store(sqlite_url, clock, fill)
    at = ("--database-url", sqlite_url)
    closed = Path(sqlite_url.removeprefix("sqlite:///")).with_name("closed.cedar")
    closed.write_text('@id("closed") @reason("Nothing today.") forbid (principal, action, resource);')
    assert "1 newly denied" in run("simulate", closed, *at, code=3).output
    told = orjson.loads(run("diff", closed, "--agents", "60", *at, "-o", "json", code=3).output)
    assert told["newly_denied"] > 5 and "code-review" in {row["agent"] for row in told["differences"]}
    assert "Nothing was activated" in run("activate", closed, "--reason", "x", *at, code=3).output
    assert "Nothing was activated:" in run("versions", *at).output
    run("activate", closed, "--reason", "freeze", "--accept", *at)
    assert "Nothing today." in run("explain", "code-review", "read", "repository", "x", *at).output
    assert run("show", "--database-url", sqlite_url).output == closed.read_text()
    run("activate", "--of-settings", "--reason", "over", "--accept", *at)
    assert "source-code-read" in run("explain", "code-review", "read", "repository", "x", *at).output
    rows = orjson.loads(run("versions", *at, "-o", "json").output)
    assert [(row["version"], row["in_force"], row["reason"]) for row in rows] == [
        (2, True, "over"),
        (1, False, "freeze"),
    ]
    assert "as expected" in run("test", "--set", "runaway", *at).output
    assert "business-hours" in run("sets").output
