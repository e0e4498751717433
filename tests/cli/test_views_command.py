"""Promises of `scim-bridge views` and of lists by a search: what the console's list of agents does, by command."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import Command

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "agents.yaml"


def test_a_view_is_kept_for_everybody_shown_replaced_and_deleted(command: Command) -> None:
    assert command("db", "migrate").code == 0
    assert "None yet" in command("views", "list").out
    wrong = command("views", "save", "Odd", "colour:red")
    assert wrong.code == 2 and "colour: is no filter" in wrong.err
    rehearsed = command("views", "save", "Held  ones", "state:held", "--dry-run")
    assert rehearsed.code == 3 and "view.saved" in rehearsed.out
    assert json.loads(command("views", "list", "--output", "json").out) == []
    for search in ("state:active", "state:held"):
        assert command("views", "save", "Held  ones", search).code == 0
    [listed] = json.loads(command("views", "list", "--output", "json").out)
    assert (listed["name"], listed["search"]) == ("Held ones", "state:held")
    assert command("views", "delete", "Held ones", "--dry-run").code == 3
    assert command("views", "delete", "Held ones").code == 0
    gone = command("views", "delete", "Held ones")
    assert gone.code == 1 and "views list" in gone.err


def test_agents_are_listed_by_the_search_of_the_console(command: Command) -> None:
    assert command("agents", "import", str(EXAMPLE)).code == 0
    every = json.loads(command("agents", "list", "--output", "json").out)
    found = json.loads(command("agents", "list", "env:production risk:high", "--output", "json").out)
    wanted = [one for one in every if (one["environment"], one["risk"]) == ("production", "high")]
    assert [one["slug"] for one in found] == sorted(one["slug"] for one in wanted) and found
    assert "No agent fits" in command("agents", "list", "group:nowhere").out
    assert command("agents", "list", "colour:red").code == 2


def test_changes_of_many_agents_are_listed_the_newest_first(command: Command) -> None:
    assert command("agents", "import", str(EXAMPLE)).code == 0
    assert "None yet" in command("bulk", "list").out
    for search in ("env:production", "risk:high"):
        assert command("bulk", "plan", "stop", search).code == 3
    listed = json.loads(command("bulk", "list", "--output", "json").out)
    assert [one["state"] for one in listed] == ["planned", "planned"]
    assert command("bulk", "cancel", listed[0]["id"]).code == 0
    states = [one["state"] for one in json.loads(command("bulk", "list", "--output", "json").out)]
    assert states == ["cancelled", "planned"]
    assert len(json.loads(command("bulk", "list", "--limit", "1", "--output", "json").out)) == 1
