"""Whatever happens, what a run created is deleted, and nothing else; what cannot be deleted is named."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scim_bridge.conformance.made import Made
from scim_bridge.conformance.model import Result, Step, Verdict
from scim_bridge.conformance.reply import Reply
from tests.conformance.conftest import Prove, run_against
from tests.conformance.servers import TOKEN, listening, plain
from tests.conformance.small_server import SmallServer

ROOT = Path(__file__).resolve().parents[2]
EMPTY: dict[str, dict[str, object]] = {"Users": {}, "Groups": {}}


def test_a_create_whose_answer_is_lost_is_found_by_its_name(prove: Prove) -> None:
    server = SmallServer("fails-after-creating")
    with listening(plain(server.app)) as url:
        report = prove(f"{url}/scim/v2", "okta", "okta.spec.6")
    assert not report.ok
    assert report.leftovers == () and server.store == EMPTY


def test_looking_for_what_may_be_ours_deletes_nothing_that_is_not(prove: Prove) -> None:
    # A server that passes over filters gives everybody: only exact names are ours.
    server = SmallServer("fails-after-creating", "ignores-filters")
    there = {"id": "u1", "userName": "somebody", "name": {}, "emails": []}
    server.store["Users"]["u1"] = dict(there)
    with listening(plain(server.app)) as url:
        report = prove(f"{url}/scim/v2", "okta", "okta.spec.6")
    assert server.store["Users"] == {"u1": there}
    assert report.leftovers == ()


def test_what_cannot_be_deleted_is_named_and_fails_the_run(prove: Prove) -> None:
    server = SmallServer("keeps-everything")
    with listening(plain(server.app)) as url:
        report = prove(f"{url}/scim/v2", "okta", "okta.spec.6")
    assert sorted(report.leftovers) == sorted(f"/Users/{identity}" for identity in server.store["Users"])
    assert report.results[-1].id == "okta.spec.cleanup"
    assert report.results[-1].verdict is Verdict.FAIL and not report.ok


class Stopping:
    """Stops the run when a step begins, or when it has ended."""

    def __init__(self, step: str, *, ended: bool = False, after: float = 0.0) -> None:
        self._step, self._ended, self._after = step, ended, after
        self.results: list[Result] = []

    def began(self, step: Step) -> None:
        """Stop, in a moment."""
        if step.id == self._step and not self._ended:
            self._stop()

    def ended(self, result: Result) -> None:
        """Stop, in a moment."""
        self.results.append(result)
        if result.id == self._step and self._ended:
            self._stop()

    def _stop(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(self._after, task.cancel)


@pytest.mark.parametrize(
    ("stopping", "slow"),
    [
        (Stopping("okta.spec.7"), 0.0),
        (Stopping("okta.spec.6", ended=True), 0.0),
        # In the middle of a create that takes a while.
        (Stopping("okta.spec.6", after=0.1), 0.5),
    ],
    ids=["before a step", "after a step", "in a create"],
)
def test_a_run_that_is_stopped_deletes_first(stopping: Stopping, slow: float) -> None:
    server = SmallServer()
    server.slow = slow
    with listening(plain(server.app)) as url, pytest.raises(asyncio.CancelledError):
        asyncio.run(run_against(f"{url}/scim/v2", "okta", telling=stopping))
    assert server.store == EMPTY
    assert stopping.results[-1].id == "okta.spec.cleanup"
    assert stopping.results[-1].verdict is Verdict.PASS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_the_command_stopped_in_the_middle_deletes_and_says_so(number: int) -> None:
    server = SmallServer()
    server.slow = 0.3
    with listening(plain(server.app)) as url:
        command = [sys.executable, "-m", "scim_bridge", "conformance", "okta", "--base-url", f"{url}/scim/v2"]
        started = subprocess.Popen(
            [*command, "--output", "jsonl"],
            cwd=ROOT,
            env={**os.environ, "SCIM_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 300
        while not server.store["Users"] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.store["Users"], "nothing was created in time"
        started.send_signal(number)
        out, err = started.communicate(timeout=300)
    assert server.store == EMPTY
    assert started.returncode == 1
    assert b"Stopped before the end. Nothing was left behind." in err
    assert TOKEN.encode() not in out + err


def test_what_was_made_is_deleted_newest_first() -> None:
    made = Made()
    for path, identity in (("/Users", "a/b"), ("/Groups?x=1", "g")):
        reply = Reply(201, {}, "", {"id": identity}, 1)
        made.answered(path, made.intend(path, {"userName": "n", "displayName": "n"}), reply)
    assert made.paths == ["/Groups/g", "/Users/a%2Fb"]
    assert made.unsure == []
    made.gone("/Groups/g")
    assert made.paths == ["/Users/a%2Fb"]
