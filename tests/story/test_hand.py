"""Commands of the story are processes of their own: how each ends, says and sees is what a started one would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scim_bridge.cli.story.hand import Hand


def test_a_forked_command_ends_and_says_what_a_started_one_does(tmp_path: Path) -> None:
    base = {**os.environ, "SCIM_BRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"}
    other = {**base, "SCIM_BRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'b.db'}"}
    asked = [
        (["connections", "create", "okta", "--kind", "okta", "--output", "json"], base, 0),
        (["connections", "create", "okta", "--kind", "okta"], base, 1),
        (["connections", "list", "--output", "json"], other, 1),
        (["connections", "list", "--outputs", "json"], base, 2),
        (["no-such-noun"], base, 2),
    ]
    hand = Hand()
    try:
        for arguments, environment, code in asked:
            said = hand.run(arguments, environment)
            assert said.code == code, said
            if code:
                command = [sys.executable, "-m", "scim_bridge", *arguments]
                started = subprocess.run(
                    command, env=environment, capture_output=True, text=True, check=False
                )
                assert (started.returncode, started.stdout, started.stderr) == (code, said.out, said.err)
    finally:
        hand.close()
