"""The main job survives kill -9: nothing is lost, nothing is doubled at the other side."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.story.playing import Kill, complete, play


def test_the_story_survives_kill_minus_nine_at_five_moments(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    kills = [
        Kill(3, "bridge", 0.7),
        Kill(4, "demo", 1.0),
        Kill(5, "bridge", 2.5),
        Kill(7, "bridge", 0.4),
        Kill(8, "bridge", 0.5),
    ]
    for kill in kills:
        run = play(directory, kill)
        assert run.killed, f"the story never came to {kill}: {run.steps}"
    last = play(directory)
    complete(last)
    with sqlite3.connect(directory / "bridge.db") as database:
        open_effects = database.execute(
            "SELECT kind, state, last_error FROM sb_effect WHERE state != 'done'"
        ).fetchall()
    database.close()
    assert open_effects == []
