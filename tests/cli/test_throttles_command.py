"""Promises of `scim-bridge throttles`: an agent is slowed down for a time and a reason, and let go by command."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import Command

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "agents.yaml"


def test_an_agent_is_slowed_down_shown_and_let_go(command: Command) -> None:
    assert command("agents", "import", str(EXAMPLE)).code == 0
    assert "No agent is slowed down" in command("throttles", "list").out
    place = ("throttles", "place", "code-review", "--reason", "incident 4711")
    for wrong, code, word in (
        ((*place, "--rate", "often"), 2, "10/m"),
        (("throttles", "place", "code-review", "--rate", "10/m"), 2, "reason"),
        ((*place, "--rate", "10/m", "--for", "0"), 2, "--for 30m"),
        (("throttles", "place", "nobody", "--rate", "10/m", "--reason", "x"), 1, "no agent"),
    ):
        refused = command(*wrong)
        assert refused.code == code and word in refused.err
    done = command(*place, "--rate", "10/m", "--burst", "2", "--for", "2h")
    assert done.code == 0 and "code-review may act 10/m, 2 at once until" in done.out
    told = json.loads(command(*place, "--rate", "5/m", "--for", "5m", "--output", "json").out)
    shorter = command(*place, "--rate", "10/m", "--burst", "2", "--for", "5m").out
    assert told["until"] in done.out and told["until"] in shorter and "release it first" in shorter
    [listed] = json.loads(command("throttles", "list", "code-review", "--output", "json").out)
    assert (listed["agent"], listed["source"], listed["reason"]) == ("code-review", "admin", "incident 4711")
    why = command("decisions", "why", "code-review")
    assert "slows it" in why.out and "throttle:admin" in why.out
    assert (
        "nothing slows it down"
        in command("throttles", "release", "code-review", "--source", "watch", "--reason", "x").out
    )
    assert "released" in command("throttles", "release", "code-review", "--reason", "over").out
    assert json.loads(command("throttles", "list", "--output", "json").out) == []
