"""Promises of `mappings` and `sync one`: on the sandbox Okta over HTTPS, from the command line to the profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scim_bridge.cli.run import run
from tests.sandbox.servers import trust
from tests.sync.okta_org import CLIENT, SCOPES, Org, private_key

MANIFEST = """
people:
  - {userName: maria@corp.test, givenName: Maria, familyName: Silva, email: maria@corp.test, department: Support}
agents:
  - {slug: triage, userName: triage@agents.test, name: Triage, purpose: sorts mail, platform: in-house,
     environment: production, riskTier: low, owner: maria@corp.test}
  - {slug: review, userName: review@agents.test, name: Review, purpose: reads code, platform: in-house,
     environment: dev, riskTier: low, owner: maria@corp.test}
"""


@pytest.fixture
def command(
    running_org: Org,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Two agents, and the connection to an org; a command's exit code and its JSON, or its error."""
    running_org.afresh()
    running_org.people("maria@corp.test")
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("SCIM_BRIDGE_ALLOW_NETWORKS", "127.0.0.0/8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents.yaml").write_text(MANIFEST)
    content = {"client_id": CLIENT, "private_key": private_key(), "kid": "k1", "scopes": SCOPES}
    (tmp_path / "okta.json").write_text(json.dumps(content))
    settings = [f"org_url={running_org.sandbox.url}", f"ca_file={running_org.sandbox.ca_file}"]
    assert run(["agents", "import", "agents.yaml", "--output", "json"]) == 0
    created = ["connections", "create", "okta", "--kind", "okta", "--secrets-file", "okta.json"]
    assert run([*created, *(part for one in settings for part in ("--set", one))]) == 0

    def call(*arguments: str, output: str = "json") -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*arguments, "--output", output])
        told = capsys.readouterr()
        if output == "json" and told.out.strip():
            return code, json.loads(told.out)
        return code, told.out or told.err

    return call


def profile(org: Org, slug: str) -> dict[str, Any]:
    found: dict[str, Any] = org.user(f"{slug}@agents.test")["profile"]
    return found


def test_rows_reach_the_profile_and_a_reset_gives_it_back(command, running_org) -> None:
    assert command("sync", "apply", "okta")[0] == 0
    code, _ = command(
        "mappings", "set", "okta", "title", '"Agent: " + purpose', "--when", 'environment = "dev"'
    )
    assert code == 0
    code, rows = command("mappings", "set", "okta", "agentModel", 'default(model, "unknown")')
    assert code == 0 and [row["target"] for row in rows] == ["title", "agentModel"]
    code, plan = command("sync", "plan", "okta")
    assert code == 3 and plan["updates"] == 2
    assert command("sync", "apply", "okta")[0] == 0
    assert profile(running_org, "review")["title"] == "Agent: reads code"
    assert profile(running_org, "triage").get("title") is None
    assert profile(running_org, "triage")["agentModel"] == "unknown"
    assert command("sync", "plan", "okta")[0] == 0
    assert command("mappings", "reset", "okta")[0] == 0
    code, plan = command("sync", "plan", "okta", "--all")
    assert code == 3 and "no row of the mapping writes it any more" in str(plan)
    assert command("sync", "apply", "okta")[0] == 0
    assert profile(running_org, "triage").get("agentModel") is None
    assert profile(running_org, "review").get("title") is None, "what only a row wrote goes with it"
    assert command("sync", "plan", "okta")[0] == 0


def test_what_somebody_changed_there_outlives_the_row_that_wrote_it(command, running_org) -> None:
    assert command("sync", "apply", "okta")[0] == 0
    assert command("mappings", "set", "okta", "title", '"Agent: " + purpose')[0] == 0
    assert command("sync", "apply", "okta")[0] == 0
    running_org.control("POST", "/api-tokens", {"token": "mallorys"})
    answer = httpx2.post(
        f"{running_org.sandbox.url}/api/v1/users/{running_org.user('review@agents.test')['id']}",
        json={"profile": {"title": "Code reader"}},
        headers={"authorization": "SSWS mallorys"},
        verify=trust(running_org.sandbox.ca_file),
        trust_env=False,
    )
    assert answer.status_code == 200
    assert command("mappings", "reset", "okta")[0] == 0
    assert command("sync", "apply", "okta")[0] == 0
    assert profile(running_org, "review")["title"] == "Code reader"
    assert profile(running_org, "triage").get("title") is None
    assert command("sync", "plan", "okta")[0] == 0


def test_a_row_the_org_cannot_take_is_refused_by_name_and_nothing_is_kept(command, tmp_path) -> None:
    code, told = command("mappings", "set", "okta", "title", "slug")
    assert code == 2 and "sync apply first" in told
    assert command("sync", "apply", "okta")[0] == 0
    for row, named in (
        (["titel", "slug"], "Did you mean title?"),
        (["login", "slug"], "the agent's user is found"),
        (["userType", '"Robot"'], "known to be an agent"),
        (["title", "lower("], "ends too early"),
    ):
        code, told = command("mappings", "set", "okta", *row)
        assert code == 2 and named in told
    (tmp_path / "rows.yaml").write_text(
        "- {target: title, source: slug}\n- {target: nickName, source: slgu}\n"
    )
    code, told = command("mappings", "set", "okta", "--file", "rows.yaml")
    assert code == 2 and "Row 2 (nickName)" in told and "Did you mean slug?" in told
    assert command("mappings", "show", "okta") == (0, [])
    (tmp_path / "rows.yaml").write_text("- {target: title, source: slug}\n")
    assert command("mappings", "check", "okta", "--file", "rows.yaml")[1]["ok"] is True
    assert command("mappings", "set", "okta", "--file", "rows.yaml")[0] == 0
    assert command("mappings", "check", "okta")[1]["rows"] == 1


def test_targets_name_what_the_org_has_and_a_preview_names_every_value_and_its_row(command) -> None:
    assert command("sync", "apply", "okta")[0] == 0
    _, targets = command("mappings", "show", "okta", "--targets")
    by_name = {one["target"]: one for one in targets}
    assert (
        by_name["agentPurpose"]["source"] == "purpose"
        and by_name["agentCoOwners"]["type"] == "list of string"
    )
    assert by_name["agentId"]["fixed"] and by_name["title"]["source"] is None
    assert command("mappings", "set", "okta", "title", "slug")[0] == 0
    _, steps = command("mappings", "preview", "okta", "triage")
    found = {step["target"]: (step["fate"], step["value"], step["source"]) for step in steps}
    assert found["title"] == ("set", "triage", "slug")
    assert found["agentPurpose"] == ("default", "sorts mail", "purpose")


def test_provision_on_demand_shows_every_step_writes_one_agent_and_lets_nothing_else_follow(
    command, running_org
) -> None:
    code, found = command("sync", "one", "okta", "triage")
    assert code == 1 and "user type aiAgent" in found["stopped"], "the org is not ready"
    assert command("sync", "apply", "okta")[0] == 0
    assert command("mappings", "set", "okta", "title", '"Agent: " + purpose')[0] == 0
    code, found = command("sync", "one", "okta", "triage", "--dry-run")
    assert code == 3 and found["written"] is False
    assert profile(running_org, "triage").get("title") is None
    code, found = command("sync", "one", "okta", "triage")
    assert code == 0 and found["written"] is True
    assert profile(running_org, "triage")["title"] == "Agent: sorts mail"
    assert profile(running_org, "review").get("title") is None, "one agent only"
    names = [step["step"] for step in found["steps"]]
    assert list(dict.fromkeys(names)) == [
        "registry",
        "scope",
        "tenant",
        "mapping",
        "look-up",
        "difference",
        "write",
        "answer",
        "read back",
    ]
    last = found["steps"][-1]
    assert last["outcome"] == "as wanted" and last["remote"] == running_org.user("triage@agents.test")["id"]
    title = next(step for step in found["steps"] if step.get("target") == "title")
    assert (title["outcome"], title["value"]) == ("set", "Agent: sorts mail")
    assert command("sync", "one", "okta", "triage", output="table")[1].count("mapping") > 5


def test_an_object_that_vanished_is_held_until_a_person_says_why(command, running_org) -> None:
    assert command("sync", "apply", "okta")[0] == 0
    store = running_org.sandbox.sandbox.store
    for key, user in store.all("user"):
        if user["profile"]["login"] == "triage@agents.test":
            store.delete("user", key)
            store.delete("login", user["profile"]["login"])
    code, found = command("sync", "one", "okta", "triage")
    assert code == 4 and "is gone" in found["held"] and found["written"] is False
    code, found = command("sync", "one", "okta", "triage", "--release", "deleted by mistake")
    assert code == 0 and found["written"] is True
    assert profile(running_org, "triage")["agentSlug"] == "triage"
