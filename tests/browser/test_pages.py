"""Every page as people see it: on a desk and a phone, light and dark, nothing is inaccessible or too wide."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.house import House

AXE = (Path(__file__).parent / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
PAGES = (
    "",
    "/overview",
    "/people",
    "/people?q=fischer",
    "/people/daniel.okafor@harborpine.example?simulate=1",
    "/groups",
    "/credentials",
    "/access",
    "/access?agent=refund-assistant&action=refund&type=order&resource=O-1",
    "/access/drafts",
    "/settings",
    "/bulk",
    "?q=state:held",
    "?q=nobody-has-this-name",
    "/agents/refund-assistant",
    "/agents/metrics-analyst",
    "/agents/refund-assistant/decisions",
    "/departures",
    "/attestations",
    "/alerts",
    "/alerts?show=muted",
    "/sync",
    "/sync/okta-workforce",
    "/decisions",
    "/audit",
    "/audit/verification",
    "/status",
)
# Contrast differs between the themes, the tree of the page does not.
RUN = """async ([tags, contrast]) => {
  const options = contrast ? {runOnly: ['color-contrast']} : {runOnly: tags};
  const found = await axe.run(document, {...options, resultTypes: ['violations']});
  const told = node => node.target.join(' ') + ' ' + node.failureSummary;
  return found.violations.map(one => one.id + ': ' + one.nodes.map(told).join('; '));
}"""


def looked_at(page: Page, address: str) -> list[str]:
    """What axe-core, and a look at the width, find wrong with a page in every form."""
    wrong = []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)
    page.goto(address)
    page.evaluate(AXE)
    for size, name in ((DESKTOP, "desktop"), (PHONE, "phone")):
        page.set_viewport_size(size)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            wrong.append(f"{name}: {wide} pixels too wide")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            found = page.evaluate(RUN, [TAGS, theme == "dark"])
            wrong += [f"{name}, {theme}: {one}" for one in found]
    return wrong


def test_axe_core_finds_what_is_wrong(opened) -> None:
    page = opened()
    faint = "document.querySelector('main').innerHTML = '<input><p class=faint>Faint words</p>';"
    faint += "document.querySelector('.faint').style.color = 'rgb(240, 240, 240)';"
    page.evaluate(faint)
    page.evaluate(AXE)
    assert any(one.startswith("label:") for one in page.evaluate(RUN, [TAGS, False]))
    assert any("color-contrast" in one for one in page.evaluate(RUN, [TAGS, True]))


def test_no_page_has_anything_axe_core_finds_in_any_form(opened) -> None:
    page = opened()
    wrong = {address or "/": looked_at(page, f"/console{address}") for address in PAGES}
    wrong = {address: found for address, found in wrong.items() if found}
    assert not wrong, "\n".join(f"{address}: {one}" for address, found in wrong.items() for one in found)


def test_the_sign_in_and_an_owners_page_are_accessible_too(opened, house: House) -> None:
    page = opened(signed_in=False)
    for address in ("/console/sign-in", house.link):
        wrong = looked_at(page, address)
        assert not wrong, f"{address}: {wrong}"
