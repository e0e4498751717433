"""A new user in a real browser: Okta rehearsed through the wizard, a plan applied, drift settled."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.live import Live, live
from tests.browser.test_journeys import follow
from tests.browser.test_pages import AXE, RUN, TAGS, looked_at

AGENT = "knowledge-writer"
# Milliseconds between the clicks of somebody who clicks twice.
PERSON = 80
OF_ENTRA = "(SELECT id FROM sb_connection WHERE name = 'entra')"
LIVE_TOKENS = f"SELECT COUNT(*) AS n FROM sb_token WHERE connection_id IN {OF_ENTRA} AND revoked IS NULL"
REHEARSALS = "SELECT COUNT(*) AS n FROM sb_effect WHERE kind = 'connect.rehearse'"


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
    org = page.get_by_label("Org address")
    for wrong, taken in (("https://acme-admin.okta.com", False), ("https://acme.okta.com/", True)):
        org.fill(wrong)
        assert org.evaluate("one => one.checkValidity()") is taken, wrong
    org.fill("")
    expect(page.get_by_role("button", name="Copy the token")).to_be_visible()
    token = page.locator("#token").inner_text()
    page.get_by_role("button", name="Rehearse with a sandbox Okta").dblclick(delay=PERSON)
    expect(page).to_have_url(re.compile("/console/connect/okta(\\?.*)?#"))
    page.go_back()
    expect(page.locator("#token")).to_have_text(token)
    page.go_forward()
    expect(page.get_by_text("Import Now found")).to_be_visible()
    assert [row["n"] for row in house.rows(REHEARSALS)] == [1]
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


def test_entra_is_begun_twice_gone_back_in_reloaded_and_left_and_nothing_is_made_twice_or_lost(
    opened, house: Live
) -> None:
    page = opened()
    page.goto("/console/connect")
    page.get_by_role("button", name="Connect Entra").dblclick(delay=PERSON)
    expect(page.get_by_role("heading", name="Connect Entra", level=1)).to_be_visible()
    page.go_back()
    expect(page.locator("#name-entra")).to_have_value("entra")
    page.get_by_role("button", name="Connect Entra").click()
    other = page.context.new_page()
    other.goto("/console/connect/entra")
    tenant = page.get_by_label("Directory (tenant) ID")
    for wrong, taken in (
        ("my tenant", False),
        ("7e0c5a3e-0000-4000-8000-000000000001", True),
        (" a.example ", True),
    ):
        tenant.fill(wrong)
        assert tenant.evaluate("one => one.checkValidity()") is taken, wrong
    tenant.fill("")
    page.get_by_role("button", name="Make the token").dblclick(delay=PERSON)
    shown = page.locator("#token")
    token = shown.inner_text()
    for again in (page.reload, page.go_back, page.go_forward):
        again()
    expect(shown).to_have_text(token)
    other.get_by_role("button", name="Make the token").click()
    expect(other.get_by_text("has another token since you loaded the page")).to_be_visible()
    other.get_by_role("link", name="Back to the page you came from").click()
    expect(other.get_by_text("nobody has called with it yet")).to_be_visible()
    assert [row["n"] for row in house.rows(LIVE_TOKENS)] == [1]

    page.close()
    later = other.context.new_page()
    later.goto("/console/connect")
    later.get_by_role("link", name="entra", exact=True).click()
    expect(later.get_by_text("nobody has called with it yet")).to_be_visible()


def planned(page: Page, house: Live) -> None:
    """Okta is rehearsed and has a plan, unless the journey above has been made."""
    if house.rows("SELECT id FROM sb_plan LIMIT 1"):
        return
    page.goto("/console/connect")
    page.locator("#name-okta").fill("okta")
    page.get_by_role("button", name="Connect Okta").click()
    page.get_by_role("button", name="Rehearse").click()
    expect(page.get_by_text("Import Now found")).to_be_visible()
    page.goto("/console/sync/okta")
    page.get_by_role("button", name="Make a plan").click()
    expect(page.get_by_role("heading", name="Plan for okta")).to_be_visible()


def refused(page: Page) -> list[str]:
    """What axe-core finds wrong with the wizard when it refuses a key; the field is gone to and marked.

    In a page of its own: Chromium calls the refusal an error.
    """
    page.goto("/console/connect/okta")
    page.get_by_text("Replace the credentials").click()
    for label, value in (("Client ID", "0oa1"), ("Key id", "k1"), ("Private key", "no key")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Keep and ask").click()
    expect(page.get_by_role("alert")).to_contain_text("private_key is no private key in PEM form")
    expect(page.get_by_label("Private key")).to_be_focused()
    expect(page.get_by_label("Private key")).to_have_value("")
    expect(page.get_by_label("Client ID")).to_have_value("0oa1")
    page.evaluate(AXE)
    return list(page.evaluate(RUN, [TAGS, False]))


def test_the_wizard_and_the_pages_of_sync_have_nothing_axe_core_finds(opened, house: Live) -> None:
    page = opened()
    planned(page, house)
    page.goto("/console/sync/okta")
    plan = (
        page.get_by_role("region", name="The last plan")
        .get_by_role("link", name="Look")
        .get_attribute("href")
    )
    wrong = []
    for address in ("/console/connect", "/console/connect/okta", "/console/sync/okta", str(plan)):
        wrong += [f"{address}: {one}" for one in looked_at(page, address)]
    wrong += [f"a refused key: {one}" for one in refused(page.context.new_page())]
    assert not wrong, "\n".join(wrong)
