"""A promise about kill -9: a run goes on where it was, makes nothing twice, and ends as one nobody disturbed.

The full size (2,000 changes, 20 kills) is `python -m tests.sync.scale kills`; its figures are in
docs/explanation/performance.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sync.scale.kills import disturbed, undisturbed
from tests.sync.scale.peer import Peer

AGENTS = 40


@pytest.mark.parametrize("kind", ["okta", "entra"])
def test_a_run_whose_workers_are_killed_ends_as_one_nobody_disturbed(
    kind: str, postgres_url: str, sqlite_url: str, tmp_path: Path, forking: Path
) -> None:
    url, workers = (sqlite_url, 1) if kind == "okta" else (postgres_url, 3)
    peer = Peer(kind, tmp_path / kind)
    try:
        quiet = f"sqlite:///{tmp_path}/quiet.db"
        expected = undisturbed(quiet, peer, AGENTS, forking)
        found = disturbed(
            url,
            peer,
            AGENTS,
            kills=3,
            workers=workers,
            expected=expected,
            patience=300,
            forking=forking,
        )
    finally:
        peer.close()
    assert (found.run.state, found.run.done, found.kills) == ("OK", AGENTS, 3), found
    assert found.doubled == [] and found.left == 0 and found.same
