"""Journeys in a real browser: what an admin and an owner come for, by the links and buttons they see."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.house import House
from tests.browser.test_pages import looked_at


def follow(page: Page, name: str) -> None:
    """Follow a link of the navigation."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()


def test_one_signs_in_with_a_token_is_led_back_and_signs_out(opened, house: House) -> None:
    page = opened(signed_in=False)
    page.goto("/console/departures")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("Admin token").fill("sbr_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Admin token").fill(house.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Departures", level=1)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/console/audit")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_agent_is_found_and_says_why_it_is_off_and_an_admin_stops_and_releases_another(opened) -> None:
    page = opened()
    follow(page, "Agents")
    page.get_by_label("Search agents").fill("state:held hold:departure")
    page.get_by_role("button", name="Search").click()
    assert "q=state" in page.url
    page.get_by_role("link", name="Refund Assistant", exact=True).click()
    why = page.get_by_role("region", name="Why it may not act")
    expect(why).to_contain_text("Priya Nair")
    expect(why).to_contain_text("Released when")

    page.goto("/console/agents/metrics-analyst")
    expect(page.get_by_text("It may act:")).to_be_visible()
    page.get_by_label("Reason").first.fill("Odd queries; the data team looks at it.")
    page.get_by_role("button", name=re.compile("^(Hold|Stop)")).click()
    expect(page.get_by_role("region", name="Why it may not act")).to_contain_text("Odd queries")
    page.get_by_label("Reason").first.fill("They were the new report.")
    page.get_by_role("button", name=re.compile("^Release")).click()
    expect(page.get_by_text("It may act:")).to_be_visible()


def test_a_departure_shows_each_agent_and_its_receipt(opened) -> None:
    page = opened()
    follow(page, "Departures")
    page.get_by_role("link", name=re.compile("^priya.nair@")).click()
    expect(page.get_by_text("Within five minutes")).to_be_visible()
    agents = page.get_by_role("region", name="What became of each agent")
    expect(agents).to_contain_text("support-triage")
    expect(agents).to_contain_text("Lena Fischer")
    expect(page.get_by_text("scim-bridge receipts export")).to_be_visible()
    expect(page.get_by_text("receipt", exact=False).first).to_be_visible()
    facts = page.get_by_role("region", name="The case").inner_text()
    assert "Took\n3 s" in facts and "Within five minutes\nyes" in facts, facts


def test_a_held_batch_is_released_with_a_reason(opened) -> None:
    page = opened()
    follow(page, "Departures")
    box = page.get_by_role("region", name=re.compile("The brake is on"))
    expect(box).to_contain_text("Samuel Reyes")
    box.get_by_label("Reason").fill("HR confirms by telephone.")
    box.get_by_role("button", name=re.compile("Release")).click()
    expect(page.get_by_role("heading", name=re.compile("The brake is on"))).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="samuel.reyes")).not_to_contain_text("held by")
    page.goto("/console/audit?action=departure.brake_released")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Ada Park")


def test_an_owner_attests_through_the_link_without_any_account(opened, house: House) -> None:
    page = opened(signed_in=False, scripts=False)
    page.goto(house.link)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Finance Reports")
    page.get_by_label("Comment").first.fill("Right as it is.")
    page.get_by_role("button", name=re.compile("^Confirm, the facts")).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    admin = opened()
    admin.goto("/console/attestations")
    statements = admin.get_by_role("region", name="Latest statements")
    expect(statements).to_contain_text("Right as it is.")
    expect(statements).to_contain_text("finance-reports")


def test_a_plan_is_read_before_it_is_applied(opened) -> None:
    page = opened()
    follow(page, "Sync")
    page.get_by_role("link", name="okta-workforce").click()
    page.get_by_role("region", name="The last plan").get_by_role("link", name="Look, then apply").click()
    expect(page.get_by_role("region", name="Changes")).to_contain_text("support-triage")
    expect(page.get_by_role("button", name=re.compile("^Apply these"))).to_be_visible()
    expect(page.get_by_text("scim-bridge sync apply okta-workforce")).to_be_visible()


def test_a_denial_is_explained(opened) -> None:
    page = opened()
    follow(page, "Decisions")
    page.get_by_role("link", name=re.compile("denied")).first.click()
    page.get_by_role("row").nth(1).get_by_role("link").last.click()
    expect(page.get_by_role("heading", name="Denied")).to_be_visible()
    why = page.get_by_role("region", name="Why")
    expect(why).to_be_visible()
    assert len(why.inner_text()) > 40
    why.get_by_role("link", name="Ask it again of today's policies").click()
    expect(page.get_by_role("region", name=re.compile("^Denied: "))).to_contain_text(
        "Asked of today's policies"
    )


def test_the_audit_is_searched_and_verified_and_says_what_was_checked(opened) -> None:
    page = opened()
    follow(page, "Audit")
    page.get_by_label(re.compile("^Action")).fill("agent.created")
    page.get_by_role("button", name="Search").click()
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("agent.created")
    page.goto("/console/audit/verification")
    page.get_by_role("button", name="Verify").click()
    sound = page.get_by_role("region", name="The chain is sound")
    # Nobody has to ask again: the page does.
    expect(sound).to_contain_text("checkpoints add up", timeout=60_000)
    expect(page.get_by_role("region", name="What was checked")).to_contain_text("each hashed again")
    assert not looked_at(page, page.url)


def test_many_agents_are_seen_first_then_stopped_and_released(opened) -> None:
    page = opened()
    page.goto("/console?q=env:staging+state:active")
    boxes = page.get_by_role("checkbox", name=re.compile("^Choose "))
    chosen = boxes.count()
    assert chosen
    for place in range(chosen):
        boxes.nth(place).check()
    page.get_by_role("button", name="Stop…").click()
    listed = page.get_by_role("region", name="Agent by agent")
    expect(listed).to_contain_text("active → held")
    assert not looked_at(page, page.url)
    page.get_by_label("Reason").fill("A leak at the platform.")
    page.get_by_role("button", name=f"Stop: {chosen} agents").click()
    expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
    expect(listed).to_contain_text("done")
    page.goto("/console?q=env:staging+hold:admin")
    page.get_by_label("all that fit this search").check()
    page.get_by_role("button", name="Release…").click()
    expect(listed).to_contain_text("held → active")
    page.get_by_label("Reason").fill("It is mended.")
    page.get_by_role("button", name=re.compile("^Release the admin's hold: ")).click()
    expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()


def test_policies_are_written_checked_tried_and_put_in_force(opened) -> None:
    page = opened()
    follow(page, "Access")
    page.get_by_role("link", name="Change policies").click()
    field = page.get_by_label("Policies", exact=True)
    text = field.input_value()
    field.fill(text + "permit (principal, action, resource)")
    page.get_by_role("button", name="Keep, check and try").click()
    wrong = page.get_by_role("region", name=re.compile("cannot be activated"))
    expect(wrong).to_contain_text(re.compile(r"Line \d+, column \d+"))
    field.fill(text + '@id("freeze") forbid (principal, action, resource);')
    page.get_by_role("button", name="Keep, check and try again").click()
    expect(page.get_by_role("region", name=re.compile("newly denied"))).to_be_visible()
    assert not looked_at(page, page.url)
    page.get_by_label("Reason").fill("A freeze over the holidays.")
    page.get_by_role("button", name=re.compile("^Activate")).click()
    expect(page.get_by_role("region", name="Policies that were activated")).to_contain_text("A freeze over")
