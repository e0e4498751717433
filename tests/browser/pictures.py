"""Pictures of the console for the README, or of every page in every form, from a bridge that runs (such as the demo's).

python -m tests.browser.pictures http://127.0.0.1:8900 TOKEN docs/images
python -m tests.browser.pictures http://127.0.0.1:8900 TOKEN /tmp/all --all
python -m tests.browser.pictures http://127.0.0.1:8900 ruth.adler /tmp/hers --all --person

With --person the second word is a part of the name of somebody at the sandbox IdP, who signs in there: an owner's own
pages are of nobody else.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from scim_bridge.console.permissions import NEEDS
from tests.browser.conftest import DESKTOP, PHONE, started

# Not pages: what a page asks for, a door, or a file.
NO_PAGE = re.compile(r".*(\.css|\.js|\.svg|/now|/export|/begin|/callback|path})")
# So many pages of one kind are looked at for links: not every connection has a plan.
OF_A_KIND = 4
# Few colours are enough for a page, and a picture then stays small.
COLOURS = 96
VERSION = "/console/access/versions/{number}"


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("token", help="an admin token; with --person, whose name has it in it")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="every page, desktop and phone, light and dark")
    parser.add_argument("--person", action="store_true", help="sign in at the sandbox IdP as somebody")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, started(playwright) as browser:
        # The sandbox IdP signs its own certificate.
        context = browser.new_context(viewport=DESKTOP, base_url=told.url, ignore_https_errors=True)
        page = context.new_page()
        page.goto("/console/sign-in")
        start = "/console/overview"
        if told.person:
            page.get_by_role("link", name="Sign in with").click()
            page.get_by_role("link", name=told.token).first.click()
            page.wait_for_url("**/console**")
            start = urlsplit(page.url).path
        else:
            _with_token(page, told.token)
        if told.all:
            every(page, told.folder, start)
        else:
            three(page, told.folder)


def _with_token(page: Page, token: str) -> None:
    # Where people sign in at an IdP, the token's field is folded away.
    if (folded := page.locator("details:not([open]) summary")).count():
        folded.first.click()
    page.get_by_label("Admin token").fill(token)
    page.get_by_role("button", name="Sign in").click()


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


def every(page: Page, folder: Path, start: str = "/console/overview") -> None:
    """One page of every kind the console has, in its four forms; the kinds no link led to are named.

    Of the versions of policies one that is not in force, where there is one: it shows most.
    """
    found: dict[str, str] = {}
    for kind, address in _walked(page, start):
        if kind in found and not (kind == VERSION and page.get_by_text("Go back to version").count()):
            continue
        found[kind] = address
        name = (
            re.sub(r"[{}]", "", kind.removeprefix("/console")).strip("/").replace("/", "-") or "agents-list"
        )
        print(f"{kind}: {address}")
        for size, form in ((DESKTOP, "desktop"), (PHONE, "phone")):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                page.screenshot(
                    path=folder / f"{name}-{form}-{theme}.png", full_page=kind != "/console/audit"
                )
    for kind in _kinds().keys() - found.keys():
        print(f"{kind}: no link led to one")


def _kinds() -> dict[str, re.Pattern[str]]:
    """Each page's address with its parameters, and what fits it; the plain ones first."""
    pages = [path for method, path in NEEDS if method == "GET" and not NO_PAGE.fullmatch(path)]
    return {path: re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in sorted(pages, key=_parameters)}


def _parameters(path: str) -> int:
    return path.count("{")


def _walked(page: Page, start: str) -> Iterator[tuple[str, str]]:
    """Kind and address of pages of the console, each while it is open, as far as links lead."""
    kinds, looked = _kinds(), Counter[str]()
    waiting, seen = [start], {start}
    while waiting:
        address = waiting.pop(0)
        path = address.partition("?")[0]
        kind = next((kind for kind, fits in kinds.items() if fits.fullmatch(path)), None)
        if kind is None or looked[kind] == OF_A_KIND:
            continue
        looked[kind] += 1
        answer = page.goto(address)
        if answer is None or not answer.ok:
            print(f"{address}: {answer.status if answer else 'no answer'}")
            continue
        page.wait_for_load_state("networkidle")
        yield kind, address
        for link in page.locator("a[href^='/console']").all():
            to = str(link.get_attribute("href")).partition("#")[0]
            if to not in seen:
                seen.add(to)
                waiting.append(to)


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
