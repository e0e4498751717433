"""The main job, played whole over the network on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.story.playing import complete, play, undone


def test_the_story_holds_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    run = play(tmp_path / "demo", options=["--database-url", postgres_url])
    complete(run)
    with psycopg.connect(postgres_url) as database:
        left = database.execute(
            "SELECT kind, state, last_error FROM sb_effect WHERE state != 'done'"
        ).fetchall()
    assert undone(left) == []
