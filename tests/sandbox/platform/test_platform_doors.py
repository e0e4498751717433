"""Promises of the simulated agent platform: believes only signatures, acts once, and can prove it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from scim_bridge.sandbox.kit.store import Store
from scim_bridge.sandbox.platform.app import build
from scim_bridge.sandbox.platform.deliveries import ACT, Deliveries
from tests.sandbox.servers import Running, running

SECRET = "whsec_" + base64.b64encode(b"the secret of these tests, long").decode()
STOP = {
    "type": "agent.stop",
    "timestamp": "2026-11-24T10:00:00Z",
    "data": {"agent": {"slug": "triage"}, "reason": "held"},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The platform, started once."""
    with running("platform", build, tmp_path_factory.mktemp("platform")) as found:
        yield found


@pytest.fixture
def platform(served: Running) -> Running:
    """The platform with the secret of these tests and nothing else."""
    served.control.post("reset").raise_for_status()
    served.control.post("configure", json={"secret": SECRET}).raise_for_status()
    return served


def send(
    platform: Running, path: str, event: Any, webhook_id: str = "eff_1", secret: str = SECRET, age: int = 0
) -> httpx2.Response:
    """Deliver an event as the bridge does."""
    body = json.dumps(event)
    now = int(time.time()) - age
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(now),
        "webhook-signature": Webhook(secret).sign(webhook_id, datetime.fromtimestamp(now, UTC), body),
        "content-type": "application/json",
    }
    with platform.client() as client:
        return client.post(path, content=body, headers=headers)


def agents(platform: Running) -> dict[str, dict[str, Any]]:
    """The agents by slug."""
    return {one["slug"]: one for one in platform.control.get("agents").json()["agents"]}


def report(platform: Running) -> dict[str, Any]:
    """The count of deliveries."""
    return dict(platform.control.get("deliveries").json())


def test_a_stop_stops_and_a_resume_resumes(platform: Running) -> None:
    assert send(platform, "/hooks/agents/triage", STOP).status_code == 200
    assert agents(platform)["triage"]["state"] == "stopped"
    assert agents(platform)["triage"]["reason"] == "held"
    send(platform, "/hooks/agents/triage", {"type": "agent.resume", "data": {}}, "eff_2")
    assert agents(platform)["triage"]["state"] == "running"


def test_an_owner_is_noted(platform: Running) -> None:
    event = {"type": "agent.owner_changed", "data": {"owner": {"email": "ana@harborpine.example"}}}
    send(platform, "/hooks/agents/triage", event)
    assert agents(platform)["triage"]["owner"] == "ana@harborpine.example"


def test_a_second_delivery_of_an_id_is_taken_but_does_not_act(platform: Running) -> None:
    first = send(platform, "/hooks/agents/triage", STOP).json()
    second = send(platform, "/hooks/agents/triage", STOP).json()
    assert (first["acted"], second["acted"]) == (True, False)
    assert agents(platform)["triage"]["acted"] == 1
    counts = report(platform)
    assert (counts["acted"], counts["acted_twice"], counts["repeated"]) == (1, 0, 1)
    assert [(one["times"], one["acted"]) for one in counts["deliveries"]] == [(2, 1)]


def test_acting_twice_would_be_counted() -> None:
    store = Store(None)
    log = Deliveries(store)
    log.take("eff_1", "runtime", STOP, lambda at: None)
    store.put(ACT, "forged", {"webhook_id": "eff_1", "door": "runtime", "at": ""})
    assert log.report()["acted_twice"] == 1


def test_an_act_that_fails_leaves_no_mark_so_the_next_delivery_acts() -> None:
    store = Store(None)
    log = Deliveries(store)

    def fail(at: str) -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        log.take("eff_1", "runtime", STOP, fail)
    assert log.take("eff_1", "runtime", STOP, lambda at: None) is True
    assert log.report() | {"deliveries": []} == {
        "acted": 1,
        "acted_twice": 0,
        "repeated": 0,
        "deliveries": [],
    }


def test_a_restart_remembers_what_acted(tmp_path: Path) -> None:
    for expected in (True, False):
        with running("platform", build, tmp_path) as platform:
            platform.control.post("configure", json={"secret": SECRET})
            assert send(platform, "/hooks/agents/triage", STOP).json()["acted"] is expected
            assert report(platform)["acted_twice"] == 0


def test_a_revoked_credential_is_noted_on_its_agent(platform: Running) -> None:
    event = {
        "type": "credential.revoke",
        "data": {"agent": {"slug": "triage"}, "credential": {"reference": "vault/kv/triage"}},
    }
    assert send(platform, "/credentials/revoke", event).json()["acted"] is True
    assert agents(platform)["triage"]["revoked"] == ["vault/kv/triage"]


def test_notices_are_kept(platform: Running) -> None:
    send(platform, "/inbox", {"type": "notification", "data": {"subject": "An owner left"}})
    kept = platform.control.get("notices").json()["notices"]
    assert [one["event"]["data"]["subject"] for one in kept] == ["An owner left"]


@pytest.mark.parametrize("path", ["/hooks/agents/triage", "/inbox", "/credentials/revoke"])
def test_what_is_not_genuine_is_refused_and_changes_nothing(platform: Running, path: str) -> None:
    other = "whsec_" + base64.b64encode(b"another secret, just as long as it").decode()
    event = {**STOP, "type": "credential.revoke"} if "revoke" in path else STOP
    refused = [
        send(platform, path, event, secret=other),
        send(platform, path, event, age=3600),
        send(platform, path, event, age=-3600),
    ]
    with platform.client() as client:
        refused.append(client.post(path, json=event))
        broken = {"webhook-id": "e", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,"}
        refused.append(client.post(path, json=event, headers=broken))
    assert [answer.status_code for answer in refused] == [401] * 5
    assert report(platform)["deliveries"] == [] and agents(platform) == {}


def test_what_makes_no_sense_is_refused(platform: Running) -> None:
    assert send(platform, "/hooks/agents/triage", [1]).status_code == 400
    assert send(platform, "/hooks/agents/triage", {"type": "agent.dance"}).status_code == 422
    assert send(platform, "/credentials/revoke", STOP).status_code == 422
    assert report(platform)["acted"] == 0


def test_without_a_secret_nothing_is_believed(tmp_path: Path) -> None:
    with running("platform", build, tmp_path) as platform:
        assert send(platform, "/inbox", STOP).status_code == 503
        answer = platform.control.post("configure", json={"secret": "plain"})
        assert answer.status_code == 400 and "whsec_" in answer.json()["error"]


def test_a_card_is_served_with_its_tag_and_not_twice(platform: Running) -> None:
    path = "/agents/triage/.well-known/agent-card.json"
    with platform.client() as client:
        first = client.get(path)
        assert first.status_code == 200 and first.json()["name"] == "Triage"
        assert first.json()["supportedInterfaces"][0]["url"].startswith(platform.url)
        tag = first.headers["etag"]
        assert client.get(path, headers={"if-none-match": tag}).status_code == 304
        platform.control.post("agents", json={"slug": "triage", "version": "2.0.0"})
        changed = client.get(path, headers={"if-none-match": tag})
        assert changed.status_code == 200 and changed.json()["version"] == "2.0.0"
