"""Promises of `scim-bridge campaigns`: opened, shown, reassigned and cancelled from a terminal, with exit codes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from scim_bridge.app import open_bridge
from scim_bridge.cli.campaigns import app
from scim_bridge.settings.model import Settings
from tests.attestations.crowd import company


@pytest.fixture
def url(sqlite_url: str) -> str:
    async def fill() -> None:
        bridge = await open_bridge(Settings(database_url=sqlite_url))
        await company(bridge.ctx.store, 6, 2)
        await bridge.close()

    asyncio.run(fill())
    return sqlite_url


def campaigns(url: str, *arguments: str, code: int = 0) -> Any:
    """Run the command; its parsed JSON, or its text when it failed."""
    done = CliRunner().invoke(app, [*arguments, "--database-url", url, "--output", "json"])
    assert done.exit_code == code, (done.output, done.exception)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.output


def test_a_campaign_from_opening_to_cancelling(url: str) -> None:
    planned = campaigns(url, "open", "Spring", "--scope", "riskTier=high", "--dry-run")
    assert (planned["agents"], planned["owners"]) == (2, 2)
    assert campaigns(url, "list") == []
    made = campaigns(
        url, "open", "Spring", "--scope", "riskTier=high", "--reason", "yearly", "--due-days", "5"
    )
    assert (made["state"], made["agents"], made["scope"]) == ("open", 2, "riskTier=high")
    assert [found["name"] for found in campaigns(url, "list")] == ["Spring"]
    rows = campaigns(url, "agents", "Spring", "--state", "waiting")
    assert [row["agent"] for row in rows] == ["agent-0002", "agent-0005"]
    moved = campaigns(
        url, "reassign", "Spring", "agent-0002", "--to", "boss@corp.test", "--reason", "on leave"
    )
    assert moved["to"] == "boss@corp.test"
    assert {item["person"] for item in campaigns(url, "show", "Spring")["waited_for"]} == {
        "boss@corp.test",
        "owner1@corp.test",
    }
    assert campaigns(url, "cancel", "Spring", "--reason", "by mistake")["state"] == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("open", "Moon", "--scope", "environment=moon"), "No agent is in the scope", 1),
        (("open", "Moon", "--scope", "planet=moon"), "nothing a scope can ask for", 2),
        (("show", "Nowhere"), "There is no campaign", 1),
        (("reassign", "Nowhere", "x", "--to", "y", "--reason", "z"), "There is no campaign", 1),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_its_exit_code(
    url: str, arguments, said: str, code: int
) -> None:
    assert said in campaigns(url, *arguments, code=code).replace("\n", " ")
