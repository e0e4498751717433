"""The main job survives kill -9: nothing is lost, nothing doubled at the other side; and its end is always told."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.story.lasting import gone, running
from tests.story.playing import STEPS, Kill, Run, complete, play, undone

KILLS = [
    Kill(3, "bridge", 0.7),
    Kill(4, "demo", 1.0),
    Kill(5, "bridge", 2.5),
    Kill(7, "bridge", 0.4),
    Kill(8, "bridge", 0.5),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the story is played, by every test of this file in turn."""
    return tmp_path_factory.mktemp("story") / "demo"


@pytest.fixture(scope="module")
def last(directory: Path) -> Run:
    """The run that came to the end, after five that were killed."""
    for kill in KILLS:
        run = play(directory, kill)
        assert run.killed, f"the story never came to {kill}: {run.steps}"
    return play(directory)


def test_the_story_survives_kill_minus_nine_at_five_moments(directory: Path, last: Run) -> None:
    complete(last)
    with sqlite3.connect(directory / "bridge.db") as database:
        open_effects = database.execute(
            "SELECT kind, state, last_error FROM sb_effect WHERE state != 'done'"
        ).fetchall()
    database.close()
    assert undone(open_effects) == []


def test_a_finished_story_is_opened_as_it_was_left_and_ctrl_c_ends_all_of_it(
    directory: Path, last: Run
) -> None:
    database = (directory / "bridge.db").stat().st_ino
    notes = json.loads((directory / "story.json").read_text())
    with running(directory) as demo:
        pids = demo.until("started")["pids"]
        assert demo.until("running")["token"] == notes["token:admin"]
        os.kill(demo.process.pid, signal.SIGINT)
        assert demo.ended() == (130, "")
    assert gone(list(pids.values()))
    steps = [event for event in demo.events if event["event"] == "step"]
    assert len(steps) == STEPS and all("(before the restart)" in step["detail"] for step in steps)
    assert (directory / "bridge.db").stat().st_ino == database


def test_a_part_that_ends_while_one_looks_around_is_named_with_its_log(directory: Path, last: Run) -> None:
    with running(directory) as demo:
        pids = demo.until("started")["pids"]
        demo.until("running")
        os.kill(pids["okta"], signal.SIGKILL)
        code, told = demo.ended()
    words = " ".join(told.split())
    assert code == 1 and "Traceback" not in words
    assert "The okta sandbox ended (killed by signal 9)." in words and "okta.log" in words
    assert gone(list(pids.values()))


def test_a_story_is_thrown_away_when_asked_and_a_part_that_ends_is_what_its_step_says(
    directory: Path, last: Run
) -> None:
    old = json.loads((directory / "story.json").read_text())
    with running(directory, "--once", "--again") as demo:
        pids = demo.until("started")["pids"]
        assert json.loads((directory / "story.json").read_text())["secret:master"] != old["secret:master"]
        demo.until("begin")
        os.kill(pids["bridge"], signal.SIGKILL)
        summary = demo.until("summary")
        code, told = demo.ended()
    assert code == 1 and "Traceback" not in told and not summary["ok"]
    assert "The bridge ended (killed by signal 9)." in summary["steps"][-1]["detail"]
    assert "bridge.log" in summary["steps"][-1]["detail"]
    assert gone(list(pids.values()))
