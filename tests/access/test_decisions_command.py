"""`scim-bridge decisions`: what was asked and told, for people and for programs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Decision, Facts, Question, Reason
from scim_bridge.cli.decisions import app
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import ManualClock, SystemClock
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.holds import place_hold
from tests.access.gateway import EXAMPLE
from tests.conftest import TESTER, run_with_store


@pytest.fixture
def filled(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("SCIM_BRIDGE_POLICIES", "SCIM_BRIDGE_SETTINGS", "SCIM_BRIDGE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    async def fill(store: Store) -> None:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        agent = await find_agent(store.reads, "code-review")
        assert agent is not None
        facts = Facts(agent.resource.id, "code-review", "k8s", "production", "low")
        log = DecisionLog(store)
        for number, allowed in enumerate((True, False, False)):
            question = Question("agent", "code-review", "read", "ticket", f"T-{number}", {"env": "prod"})
            decision = Decision(allowed, (Reason("no-grant", "Nothing grants it."),), (), facts)
            await log.keep(Entry(f"d{number}", store.clock.now(), question, decision, TESTER))
        await log.drained()
        agent_id = agent.resource.id
        await store.transact(
            TESTER, lambda work: place_hold(work, agent_id, "admin", "admin", "Odd.", "an admin")
        )

    run_with_store(sqlite_url, ManualClock(SystemClock().now()), fill)
    return sqlite_url


def run(url: str, *arguments: str, code: int = 0, output: str = "json") -> Any:
    found = CliRunner().invoke(app, [*arguments, "--database-url", url, "-o", output])
    assert found.exit_code == code, found.output
    return orjson.loads(found.stdout) if output == "json" and code == 0 else found.output


def test_list_show_and_why(filled: str) -> None:
    rows = run(filled, "list")
    assert [row["id"] for row in rows] == ["d2", "d1", "d0"]
    assert [row["answer"] for row in rows] == ["deny", "deny", "allow"]
    denied = run(filled, "list", "--agent", "code-review", "--denied", "--since", "1h", "--limit", "1")
    assert [row["id"] for row in denied] == ["d2"]
    assert [row["id"] for row in run(filled, "list", "--before", "d1")] == ["d0"]
    shown = run(filled, "show", "d1")
    assert (shown["resource"], shown["properties"]) == ("ticket:T-1", {"env": "prod"})
    assert shown["reasons"] == [{"id": "no-grant", "text": "Nothing grants it."}]
    why = run(filled, "why", "code-review")
    assert [(row["reason"], row["now"], row["times"]) for row in why] == [
        ("hold:admin", True, None),
        ("no-grant", False, 2),
    ]
    assert why[1]["decision"] == "d2"
    for output in ("table", "csv", "jsonl"):
        assert "no-grant" in run(filled, "why", "code-review", output=output)
        assert "Nothing grants it." in run(filled, "list", output=output)
    run(filled, "show", "nothing", code=1)
    run(filled, "why", "nobody", code=1)
    run(filled, "list", "--since", "soon", code=2)
    run(filled, "list", "--limit", "0", code=2)
