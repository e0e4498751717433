"""A new user in a real browser: Okta rehearsed through the wizard, a plan applied, drift settled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.live import Live, live
from tests.browser.test_journeys import follow
from tests.browser.test_pages import looked_at

AGENT = "knowledge-writer"


@pytest.fixture(scope="module")
def house(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[Live]:
    """A bridge of two agents that nothing is connected to."""
    path = tmp_path_factory.mktemp("live") / "bridge.db"
    shutil.copy(sqlite_template, path)
    with live(f"sqlite:///{path}") as made:
        yield made


def test_okta_is_rehearsed_through_the_wizard_a_plan_is_applied_and_drift_settled(
    opened, house: Live
) -> None:
    page = opened()
    follow(page, "Settings")
    page.get_by_role("link", name="Connect Okta or Entra").click()
    page.get_by_role("button", name="Connect Okta").click()
    expect(page.get_by_role("heading", name="Connect Okta", level=1)).to_be_visible()
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_role("status")).to_contain_text("sbr_")
    expect(page.get_by_role("button", name="Copy the token")).to_be_visible()
    page.get_by_role("button", name="Rehearse with a sandbox Okta").click()
    expect(page.get_by_text("Import Now found")).to_be_visible()
    done = page.get_by_role("region", name="What Okta has done here")
    expect(done.get_by_text("got it")).not_to_have_count(0)
    expect(done.get_by_role("listitem").first).to_contain_text("got it")
    expect(page.get_by_role("region", name="a service app for the way back")).to_contain_text(
        "linked objects"
    )

    page.get_by_role("button", name="Run the suite").click()
    expect(page.get_by_text("Everything tested holds")).to_be_visible()
    page.get_by_role("button", name="Show it").click()
    shown = page.get_by_role("region", name="How an agent would look there")
    expect(shown).to_contain_text("Drafts help centre articles")

    page.get_by_role("link", name="Go to the first plan").click()
    page.get_by_role("button", name="Make a plan").click()
    expect(page.get_by_role("heading", name="Plan for okta")).to_be_visible()
    expect(page.get_by_role("region", name="Changes")).to_contain_text(AGENT)
    page.get_by_role("button", name="Apply these 2 changes").click()
    runs = page.get_by_role("region", name="Runs")
    expect(runs.get_by_role("row").nth(1)).to_contain_text("2 of 2")
    expect(page.get_by_text("Writing:")).to_have_count(0)

    changed = {"login": f"{AGENT}@agents.example", "profile": {"agentPurpose": "What Mallory says."}}
    house.control("okta", "POST", "/scim/update", changed)
    page.get_by_role("button", name="Make a plan").click()
    expect(page.get_by_role("heading", name="Plan for okta")).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Sync").click()
    page.get_by_role("link", name="okta", exact=True).click()
    drift = page.get_by_role("region", name="Drift")
    expect(drift).to_contain_text("What Mallory says.")
    drift.get_by_label("Reason").fill("Mallory knows it better.")
    drift.get_by_role("button", name="Take theirs").click()
    expect(drift).to_contain_text("Nothing differs")
    page.goto(f"/console/agents/{AGENT}")
    expect(page.get_by_text("What Mallory says.").first).to_be_visible()


def test_the_wizard_and_the_pages_of_sync_have_nothing_axe_core_finds(opened, house: Live) -> None:
    page = opened()
    page.goto("/console/sync/okta")
    plan = (
        page.get_by_role("region", name="The last plan")
        .get_by_role("link", name="Look")
        .get_attribute("href")
    )
    wrong = []
    for address in ("/console/connect", "/console/connect/okta", "/console/sync/okta", str(plan)):
        wrong += [f"{address}: {one}" for one in looked_at(page, address)]
    assert not wrong, "\n".join(wrong)
