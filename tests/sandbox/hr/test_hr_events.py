"""Promises of the simulated HR system: signed events, retried under one id until taken, and named flaws."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from scim_bridge.sandbox.hr import outbox
from scim_bridge.sandbox.hr.app import Hr, build
from scim_bridge.sandbox.hr.sender import Sender
from scim_bridge.sandbox.hr.signing import FLAWS
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.store import Store
from tests.sandbox.receiver import Received, receiver
from tests.sandbox.servers import CONTROL_TOKEN, Running, running, trust

SECRET = "whsec_" + base64.b64encode(b"the secret of these tests, long").decode()
LEAVER = {"email": "priya.nair@harborpine.example", "time_zone": "Europe/Lisbon", "kind": "involuntary"}


class Clock:
    """Stands still until moved; starts now, for signatures are checked against the machine's clock."""

    def __init__(self) -> None:
        self.instant = time.time_ns() // 1000

    def now(self) -> int:
        """The instant."""
        return self.instant


@pytest.fixture
def heard() -> Iterator[Received]:
    """A receiver that listens."""
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The HR system, started once."""
    with running("hr", build, tmp_path_factory.mktemp("hr")) as found:
        yield found


@pytest.fixture
def hr(served: Running) -> Running:
    """The HR system, knowing nothing yet."""
    served.control.post("reset").raise_for_status()
    return served


def configure(hr: Running, url: str) -> None:
    """Point the HR system at a receiver."""
    answer = hr.control.post("webhook/configure", json={"url": url, "secret": SECRET})
    assert answer.json() == {"ok": True}


def events(hr: Running) -> list[dict[str, Any]]:
    """The outbox as the control API shows it."""
    return list(hr.control.get("events").json()["events"])


def wait_taken(hr: Running, count: int) -> None:
    """Wait until so many events were taken."""
    for _ in range(400):
        if sum(one["state"] == "taken" for one in events(hr)) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"not taken: {events(hr)}")


def test_a_leave_arrives_signed_and_names_person_day_and_kind(hr: Running, heard: Received) -> None:
    configure(hr, heard.url)
    told = hr.control.post("leave", json={**LEAVER, "last_day": "2020-01-31"}).json()
    wait_taken(hr, 1)
    headers, body = heard.deliveries[0]
    event = Webhook(SECRET).verify(body, headers)
    assert event["type"] == "employee.left" and headers["webhook-id"] == told["event_id"]
    assert event["data"]["employee"]["work_email"] == LEAVER["email"]
    assert event["data"]["employee"]["time_zone"] == "Europe/Lisbon"
    assert (event["data"]["last_day"], event["data"]["kind"]) == ("2020-01-31", "involuntary")


def test_an_unknown_e_mail_becomes_an_employee_with_a_name(hr: Running) -> None:
    hr.control.post("leave", json=LEAVER)
    kept = hr.control.get("employees").json()["employees"]
    assert [(one["first_name"], one["last_name"], one["status"]) for one in kept] == [
        ("Priya", "Nair", "terminated")
    ]


def test_a_leave_to_come_and_a_return_have_their_own_types(hr: Running) -> None:
    leaving = hr.control.post("leave", json={**LEAVER, "last_day": "2199-01-31"}).json()
    back = hr.control.post("return", json={"email": LEAVER["email"].upper()}).json()
    assert (leaving["type"], back["type"]) == ("employee.leaving", "employee.returned")
    assert back["employee"]["status"] == "active" and back["employee"]["id"] == leaving["employee"]["id"]


def test_events_wait_for_a_target_and_go_when_there_is_one(hr: Running, heard: Received) -> None:
    told = hr.control.post("leave", json=LEAVER).json()
    assert events(hr)[0]["attempts"] == 0
    configure(hr, heard.url)
    wait_taken(hr, 1)
    assert heard.ids == [told["event_id"]]


def test_every_attempt_is_journalled_without_the_secret(hr: Running, heard: Received) -> None:
    configure(hr, heard.url)
    hr.control.post("leave", json=LEAVER)
    wait_taken(hr, 1)
    calls = hr.control.get("journal", params={"direction": "out"}).json()["calls"]
    assert [(one["operation"], one["status"]) for one in calls] == [("employee.left", 204)]
    assert SECRET not in json.dumps(calls)


def test_a_refused_event_is_sent_again_later_under_the_same_id_with_a_fresh_signature(
    heard: Received,
) -> None:
    clock = Clock()
    store = Store(None, clock)

    async def story() -> None:
        sender = Sender(store)
        sender.configure({"url": heard.url, "secret": SECRET})
        Hr(store, sender).leave(dict(LEAVER))
        heard.answers += [500, 401]
        assert await sender.deliver_due() == 0
        assert await sender.deliver_due() == 0, "it must wait before it tries again"
        for seconds, taken in ((1, 0), (2, 1)):
            clock.instant += seconds * SECOND
            assert await sender.deliver_due() == taken
        clock.instant += 3600 * SECOND
        assert await sender.deliver_due() == 0, "a taken event is never sent again"

    asyncio.run(story())
    assert len(heard.ids) == 3 and len(set(heard.ids)) == 1
    assert len({body for _, body in heard.deliveries}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in heard.deliveries}) == 3
    for headers, body in heard.deliveries:
        Webhook(SECRET).verify(body, headers)


def test_gone_ends_an_event() -> None:
    event = outbox.fresh("msg_1", "employee.left", "{}", 0)
    after = outbox.after_attempt(event, 410, "", {}, 0)
    assert after["state"] == outbox.ENDED and not outbox.is_due(after, 10**15)


def test_waits_grow_and_stay_bounded() -> None:
    event, seen = outbox.fresh("msg_1", "employee.left", "{}", 0), []
    for _ in range(8):
        event = outbox.after_attempt(event, 503, "", {}, 0)
        seen.append(event["due"] // SECOND)
    assert seen == [1, 2, 5, 10, 30, 30, 30, 30]
    assert outbox.next_due([event], 29 * SECOND) == 1.0
    assert outbox.next_due([], 0) is None


def test_a_killed_hr_system_sends_what_was_pending_under_the_same_id(tmp_path: Path) -> None:
    with receiver() as probe:
        url = probe.url
    port = int(url.split(":")[2].split("/")[0])
    data = tmp_path / "hr"
    process, client = start(data)
    with client:
        client.post("webhook/configure", json={"url": url, "secret": SECRET}).raise_for_status()
        told = client.post("leave", json=LEAVER).json()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    with receiver(port) as heard:
        process, client = start(data)
        try:
            assert heard.arrived.wait(20), "the pending event was forgotten"
        finally:
            client.close()
            process.terminate()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    assert heard.ids == [told["event_id"]]


def start(data: Path) -> tuple[subprocess.Popen[str], httpx2.Client]:
    """The HR system as a process of its own, and a client of its control API."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "scim_bridge.sandbox.hr",
            "--data",
            str(data),
            "--control-token",
            CONTROL_TOKEN,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    client = httpx2.Client(
        base_url=f"{ready['url']}/sandbox",
        verify=trust(ready["ca_file"]),
        trust_env=False,
        headers={"authorization": f"Bearer {CONTROL_TOKEN}"},
    )
    return process, client


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_one_a_verifier_refuses(hr: Running, heard: Received, flaw: str) -> None:
    configure(hr, heard.url)
    answer = hr.control.post("misbehave", json={"flaw": flaw, "email": LEAVER["email"]}).json()
    assert answer["ok"] and answer["status"] == 204
    headers, body = heard.deliveries[0]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)
    assert events(hr) == [], "a forged event is no event of the outbox"


def test_a_replay_is_the_same_delivery_byte_for_byte(hr: Running, heard: Received) -> None:
    configure(hr, heard.url)
    hr.control.post("leave", json=LEAVER)
    wait_taken(hr, 1)
    hr.control.post("misbehave", json={"flaw": "replay"})
    (first, body), (second, again) = heard.deliveries
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    assert body == again and [first[name] for name in names] == [second[name] for name in names]


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("webhook/configure", {"url": "http://example.com", "secret": SECRET}, "url"),
        ("webhook/configure", {"url": "https://h", "secret": "whsec_c2hvcnQ="}, "secret"),
        ("webhook/configure", {"url": "https://h", "secret": SECRET, "ca_file": "/nowhere"}, "ca_file"),
        ("leave", {"email": "nobody"}, "e-mail"),
        ("leave", {**LEAVER, "kind": "eloped"}, "kind"),
        ("leave", {**LEAVER, "last_day": "soon"}, "last_day"),
        ("leave", {**LEAVER, "time_zone": "Mars/Olympus"}, "time_zone"),
        ("employees", {"email": "a@b.example"}, "first_name"),
        ("misbehave", {"flaw": "replay"}, "no such event"),
        ("misbehave", {"flaw": "rude", "email": "a@b.example"}, "Configure the webhook"),
    ],
)
def test_what_the_control_api_cannot_follow_is_refused_with_the_reason(
    hr: Running, path: str, body: dict[str, Any], word: str
) -> None:
    answer = hr.control.post(path, json=body)
    assert answer.status_code == 400 and answer.json()["ok"] is False
    assert word in answer.json()["error"]
