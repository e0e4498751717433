"""Pictures of the console for the README, or of every page in every form, from a bridge that runs (such as the demo's).

python -m tests.browser.pictures http://127.0.0.1:8900 TOKEN docs/images
python -m tests.browser.pictures http://127.0.0.1:8900 TOKEN /tmp/all --all
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import DESKTOP, PHONE, started

PAGES = (
    "overview",
    "",
    "people",
    "groups",
    "departures",
    "attestations",
    "credentials",
    "access",
    "decisions",
)
PAGES += ("alerts", "sync", "audit", "status", "settings")
# The pages below a list: the first link of a row leads to one.
INNER = {
    "people": "people/",
    "departures": "departures/",
    "sync": "sync/",
    "": "agents/",
    "decisions": "decisions/",
}
# Few colours are enough for a page, and a picture then stays small.
COLOURS = 96


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="every page, desktop and phone, light and dark")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, started(playwright) as browser:
        page = browser.new_context(viewport=DESKTOP, base_url=told.url).new_page()
        page.goto("/console/sign-in")
        page.get_by_label("Admin token").fill(told.token)
        page.get_by_role("button", name="Sign in").click()
        (every if told.all else three)(page, told.folder)


def three(page: Page, folder: Path) -> None:
    """overview.png, agent.png and departure.png, each under 120 kB."""
    found = {
        "overview": "/console/overview",
        "agent": _first(page, "/console?q=state:held hold:departure", "agents/"),
        "departure": _first(page, "/console/departures", "departures/"),
    }
    for name, address in found.items():
        if address is not None:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            path = folder / f"{name}.png"
            page.screenshot(path=path)
            quantize(path)
            print(f"{path}: {path.stat().st_size // 1000} kB")


def every(page: Page, folder: Path) -> None:
    """Every page in its four forms."""
    addresses = {name or "agents": f"/console/{name}" if name else "/console" for name in PAGES}
    for name, start in INNER.items():
        inner = _first(page, addresses[name or "agents"], start)
        if inner is not None:
            addresses[f"{name or 'agents'}-one"] = inner
    for name, address in addresses.items():
        page.goto(address)
        for size, form in ((DESKTOP, "desktop"), (PHONE, "phone")):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                page.screenshot(path=folder / f"{name}-{form}-{theme}.png", full_page=name != "audit")


def _first(page: Page, address: str, start: str) -> str | None:
    page.goto(address)
    for link in page.locator("main tbody a").all():
        found = str(link.get_attribute("href"))
        if re.fullmatch(rf"/console/{start}[^/?]+", found):
            return found
    return None


def quantize(path: Path) -> None:
    """Write a picture again with few colours, where Pillow is installed."""
    try:
        from PIL import Image
    except ImportError:
        print("Pillow is not installed: the picture stays as large as it is")
        return
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
