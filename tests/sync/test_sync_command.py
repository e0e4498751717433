"""Promises of `scim-bridge sync`: exit codes, shapes for machines, and a run that survives being cut off."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.cli.run import run
from scim_bridge.kernel.single_process import SingleProcess
from tests.sync.okta_org import CLIENT, SCOPES, Org, private_key

MANIFEST = """
people:
  - {userName: maria@corp.test, givenName: Maria, familyName: Silva, email: maria@corp.test, department: Support}
agents:
"""
AGENT = """
  - slug: agent-{n}
    userName: agent-{n}@agents.test
    name: Agent {n}
    purpose: does thing {n}
    platform: in-house
    environment: production
    riskTier: low
    owner: maria@corp.test
"""


@pytest.fixture
def bridge(running_org: Org, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Org:
    """An org, and a database in which six agents and the connection to it are known to commands."""
    running_org.afresh()
    running_org.people("maria@corp.test")
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("SCIM_BRIDGE_ALLOW_NETWORKS", "127.0.0.0/8")
    monkeypatch.chdir(tmp_path)
    manifest = tmp_path / "agents.yaml"
    manifest.write_text(MANIFEST + "".join(AGENT.format(n=n) for n in range(6)))
    secrets = tmp_path / "okta.json"
    content = {"client_id": CLIENT, "private_key": private_key(), "kid": "k1", "scopes": SCOPES}
    secrets.write_text(json.dumps(content))
    assert run(["agents", "import", str(manifest), "--output", "json"]) == 0
    pairs = ["--set", f"org_url={running_org.sandbox.url}", "--set", f"ca_file={running_org.sandbox.ca_file}"]
    created = ["connections", "create", "okta", "--kind", "okta", "--secrets-file", str(secrets), *pairs]
    assert run(created) == 0
    return running_org


# More than are ever under way at once, so that a run cut off in the middle has something left to do.
MANY = 40


def many(tmp_path: Path) -> None:
    """So many agents in place of six."""
    manifest = tmp_path / "many.yaml"
    manifest.write_text(MANIFEST + "".join(AGENT.format(n=n) for n in range(MANY)))
    assert run(["agents", "import", str(manifest), "--output", "json"]) == 0


@pytest.fixture
def command(bridge: Org, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process: its exit code and its parsed JSON."""

    def call(*arguments: str, output: str = "json") -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*arguments, "--output", output])
        text = capsys.readouterr().out
        if output == "jsonl":
            return code, [json.loads(line) for line in text.splitlines()]
        return code, json.loads(text) if output == "json" and text.strip() else text

    return call


def started(*arguments: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    line = [sys.executable, "-m", "scim_bridge", *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def until(org: Org, users: int) -> None:
    """Wait until so many agents were written."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if sum("agentId" in user["profile"] for user in org.objects("user")) >= users:
            return
        time.sleep(0.02)
    raise AssertionError(f"{users} agents were not written in time")


def test_plan_exits_3_and_shows_everything_apply_writes_it_and_the_next_plan_exits_0(command, bridge) -> None:
    code, plan = command("sync", "plan", "okta")
    assert code == 3
    assert (plan["changes"], plan["creates"], plan["updates"], plan["retires"]) == (6, 6, 0, 0)
    assert plan["plan"] and len(plan["digest"]) == 64 and plan["state"] == "ready"
    assert plan["setup"][0] == "user type aiAgent" and plan["warnings"] == []
    first = plan["first"][0]
    assert first["agent"] == "agent-0" and first["action"] == "create"
    assert {"name", "old", "new", "why"} == set(first["attributes"][0])
    assert not any("agentId" in user["profile"] for user in bridge.objects("user"))
    code, done = command("sync", "apply", "okta", "--plan", plan["plan"])
    assert code == 0
    assert (done["state"], done["done"], done["failed"], done["total"]) == ("OK", 6, 0, 6)
    assert done["seconds"] > 0 and done["parked"] == []
    code, again = command("sync", "plan", "okta")
    assert (code, again["changes"]) == (0, 0)
    code, _ = command("sync", "apply", "okta", "--plan", plan["plan"])
    assert code == 1
    code, found = command("sync", "status", "okta")
    assert code == 0 and found["written"] == 6 and found["runs"][0]["state"] == "OK"
    code, lines = command("sync", "status")
    assert [line["connection"] for line in lines] == ["okta"]


def test_tables_and_csv_name_old_new_and_why(command, bridge) -> None:
    assert command("sync", "apply", "okta", output="table")[0] == 0
    user = bridge.user("agent-1@agents.test")
    with bridge.sandbox.client(
        authorization=f"SSWS {bridge.control('POST', '/api-tokens', {})['token']}"
    ) as client:
        client.post(f"/api/v1/users/{user['id']}", json={"profile": {"agentPurpose": "something else"}})
    code, table = command("sync", "plan", "okta", output="table")
    assert code == 3
    assert "something else" in table and "does thing 1" in table and "changed at the IdP" in table
    assert "sync apply okta --plan" in table
    code, csv = command("sync", "plan", "okta", output="csv")
    assert code == 3 and csv.splitlines()[0] == "agent,action,attribute,old,new,why"


def test_jsonl_tells_progress_as_events(command) -> None:
    code, events = command("sync", "apply", "okta", output="jsonl")
    assert code == 0
    kinds = [event["event"] for event in events]
    assert kinds[-1] == "finished" and "progress" in kinds and "reading" in kinds
    assert events[-1]["state"] == "OK"


def test_a_held_plan_exits_4_and_is_let_go_only_with_a_reason(command, bridge) -> None:
    assert command("sync", "apply", "okta")[0] == 0
    store = bridge.sandbox.sandbox.store
    for key, user in store.all("user"):
        if "agentId" in user["profile"]:
            store.delete("user", key)
            store.delete("login", user["profile"]["login"])
    code, plan = command("sync", "plan", "okta")
    assert code == 4 and "empty" in plan["held"]
    code, held = command("sync", "apply", "okta", "--plan", plan["plan"])
    assert code == 4 and held["state"] == "HELD" and "empty" in held["reason"]
    code, done = command("sync", "apply", "okta", "--plan", plan["plan"], "--release", "the org was reset")
    assert code == 0 and done["done"] == 6


def test_unknown_names_and_missing_credentials_are_one_line_and_exit_1(command, capsys) -> None:
    for arguments in (["sync", "plan", "nowhere"], ["sync", "apply", "okta", "--plan", "nothing"]):
        assert run(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: There is no") and len(error.splitlines()) == 1
    assert run(["connections", "create", "bare", "--kind", "okta"]) == 0
    assert run(["sync", "plan", "bare"]) == 1
    assert "--secrets-file" in capsys.readouterr().err


def test_ctrl_c_finishes_what_is_begun_and_apply_does_the_rest(command, bridge, tmp_path) -> None:
    many(tmp_path)
    slow = {
        "match": {"method": "POST", "path": "^/api/v1/users"},
        "times": None,
        "action": "delay",
        "seconds": 0.6,
    }
    bridge.control("PUT", "/faults", {"faults": [slow]})
    process = started("sync", "apply", "okta")
    until(bridge, 1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130
    assert b"Go on: sync apply okta" in error and b"Traceback" not in error
    bridge.control("PUT", "/faults", {"faults": []})
    code, found = command("sync", "status", "okta")
    last = found["runs"][0]
    assert last["state"] == "WARNING" and last["done"] + last["cancelled"] == MANY
    written = sum("agentId" in user["profile"] for user in bridge.objects("user"))
    assert written == last["done"], "what was begun is noted as done"
    code, done = command("sync", "apply", "okta")
    assert code == 0 and done["done"] == last["cancelled"]
    assert command("sync", "plan", "okta")[0] == 0


def test_a_run_cut_off_by_kill_9_goes_on_with_the_next_apply(command, bridge, tmp_path) -> None:
    many(tmp_path)
    slow = {
        "match": {"method": "POST", "path": "^/api/v1/users"},
        "times": None,
        "action": "delay",
        "seconds": 0.3,
    }
    bridge.control("PUT", "/faults", {"faults": [slow]})
    process = started("sync", "apply", "okta")
    until(bridge, 2)
    process.kill()
    process.communicate(timeout=300)
    code, found = command("sync", "status", "okta")
    assert found["runs"][0]["state"] == "RUNNING"
    code, done = command("sync", "apply", "okta")
    assert code == 0 and done["run"] == found["runs"][0]["run"] and done["done"] == MANY, done
    logins = [user["profile"]["login"] for user in bridge.objects("user")]
    assert len(logins) == len(set(logins)) == MANY + 1
    assert command("sync", "plan", "okta")[0] == 0


def test_while_a_server_holds_the_file_its_worker_writes_and_the_command_waits(command, bridge) -> None:
    path = Path(os.environ["SCIM_BRIDGE_DATABASE_URL"].removeprefix("sqlite:///") + ".lock")
    lock = SingleProcess(path)
    lock.acquire()
    process = started("sync", "apply", "okta", "--output", "json")
    try:
        deadline = time.monotonic() + 300
        while command("sync", "status", "okta")[1]["runs"] == [] and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)
        assert not any("agentId" in user["profile"] for user in bridge.objects("user"))
    finally:
        # The server goes away without having done it: the command takes over.
        lock.release()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=300)
    assert process.returncode == 0 and json.loads(process.communicate()[0])["done"] == 6


def test_a_cancel_of_nothing_is_refused_and_no_wait_returns_at_once(command, capsys) -> None:
    assert run(["sync", "cancel", "okta", "--reason", "x"]) == 1
    code, begun = command("sync", "apply", "okta", "--no-wait")
    assert code == 0 and begun["state"] == "RUNNING" and begun["total"] == 6
    code, stopped = command("sync", "cancel", "okta", "--reason", "changed my mind")
    assert code == 0 and stopped["cancelled"] == 6 and stopped["state"] == "WARNING"
    code, waiting = command("effects", "list", "--state", "pending")
    assert not [effect for effect in waiting if effect["kind"] == "sync.change"]


def test_drift_and_strangers_are_shown_and_settled_by_commands(command, bridge) -> None:
    assert command("connections", "configure", "okta", "--set", "drift=purpose:ask", output="table")[0] == 0
    assert command("sync", "apply", "okta")[0] == 0
    kind = bridge.user("agent-0@agents.test")["type"]["id"]
    made = {"login": "helper@agents.test", "email": "h@agents.test", "firstName": "H", "lastName": "B"}
    bridge.control(
        "POST",
        "/directory",
        {"users": [{"login": f"agent-{n}@agents.test", "agentPurpose": "mining"} for n in range(2)] + [made]},
    )
    user = {**bridge.user("helper@agents.test"), "type": {"id": kind}}
    bridge.sandbox.sandbox.store.put("user", user["id"], user)
    code, plan = command("sync", "plan", "okta")
    assert (code, plan["changes"]) == (0, 0) and len(plan["warnings"]) == 3
    code, rows = command("sync", "drift", "okta")
    assert code == 0 and [row["agent"] for row in rows] == ["agent-0", "agent-1"]
    assert (rows[0]["ours"], rows[0]["theirs"]) == ("does thing 0", "mining")
    assert rows[0]["changed_by"] is None and "E0000006" in rows[0]["who_is_unknown_because"]
    assert {"agent", "theirs"} < set(command("sync", "drift", "okta", output="jsonl")[1][0])
    for output in ("table", "csv"):
        assert "mining" in command("sync", "drift", "okta", output=output)[1]
    settle = ("sync", "settle", "okta")
    code, done = command(*settle, "agent-0", "purpose", "--take", "theirs", "--reason", "we talked")
    assert (code, done["state"]) == (0, "taken")
    assert command("agents", "show", "agent-0")[1]["purpose"] == "mining"
    assert (
        command(*settle, "agent-1", "agentPurpose", "--take", "ours", "--reason", "no", output="table")[0]
        == 0
    )
    assert command(*settle, "agent-1", "purpose", "--take", "ours", "--reason", "again")[0] == 1
    assert command(*settle, "agent-1", "purpose", "--take", "mine", "--reason", "x")[0] == 2
    assert command("sync", "apply", "okta")[0] == 0
    assert bridge.user("agent-1@agents.test")["profile"]["agentPurpose"] == "does thing 1"
    code, rows = command("sync", "drift", "okta", "--all")
    assert [row["state"] for row in rows] == ["taken", "overridden"]

    code, (row,) = command("sync", "strangers", "okta")
    assert (row["name"], row["what"], row["state"]) == ("helper@agents.test", "no mark", "open")
    adopt = ("sync", "adopt", "okta", row["remote"])
    assert command(*adopt, "--as", "helper", "--into", "agent-0")[0] == 2
    assert command(*adopt)[0] == 2
    assert command(*adopt, "--as", "helper")[0] == 1, "nobody would answer for it"
    code, done = command(*adopt, "--as", "helper", "--owner", "maria@corp.test")
    assert code == 0 and done["agent"] == "helper" and done["agent_id"]
    assert command("sync", "apply", "okta")[0] == 0
    assert bridge.user("helper@agents.test")["profile"]["agentId"] == done["agent_id"]
    assert command("sync", "ignore", "okta", row["remote"], "--reason", "x")[0] == 1
    assert command("sync", "retire", "okta", "nobody", "--reason", "x")[0] == 1
    assert command("sync", "strangers", "okta") == (0, [])
    assert command("sync", "strangers", "okta", "--all", output="table")[1].count("adopted") == 1


def test_what_of_an_org_can_be_used_is_asked_shown_and_says_why_not(bridge: Org, capsys: Any) -> None:
    capsys.readouterr()
    assert run(["connections", "probe", "okta", "--output", "json"]) == 0
    rows = {row["feature"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["user types"]["usable"] and not rows["groups"]["usable"]
    assert "okta.groups.manage" in rows["groups"]["reason"] and rows["groups"]["at"]
    assert run(["connections", "show", "okta", "--output", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["feature"] for row in shown["features"]] == list(rows)
    assert run(["connections", "show", "okta"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "user types: yes" in said and "groups: no (the scope okta.groups.manage" in said
