"""Chromium before a furnished console: every request must go to it, and nothing may be blocked or fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

from tests.browser.house import House, served

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
# Milliseconds: a page is there at once, but for a machine that has much else to do.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
# Tells of what the content policy blocked, where the console alone might not.
REPORTS = (
    "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
)


def chromium() -> str | None:
    """Where a Chromium is, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def started(playwright: Playwright) -> Iterator[Browser]:
    """Chromium, until the block ends."""
    browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, timeout=PATIENCE)
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="module")
def browser(sqlite_template: Path) -> Iterator[Browser]:
    """One Chromium for a file of tests. Its event loop occupies this thread: what needs one comes before it."""
    assert sqlite_template.exists()
    if chromium() is None:
        pytest.skip("no Chromium here (apt-get install chromium): the pages were not looked at in a browser")
    with sync_playwright() as playwright, started(playwright) as made:
        yield made


@pytest.fixture(scope="module")
def house(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[House]:
    """A furnished console for one file of tests."""
    path = tmp_path_factory.mktemp("house") / "bridge.db"
    shutil.copy(sqlite_template, path)
    with served(f"sqlite:///{path}") as made:
        yield made


@pytest.fixture
def opened(browser: Browser, house: House) -> Iterator[Callable[..., Page]]:
    """Opens pages that fail the test at its end when they asked elsewhere, or told of an error."""
    wrong: list[str] = []
    contexts = []

    def open_page(
        *, signed_in: bool = True, viewport: dict[str, int] = DESKTOP, scripts: bool = True
    ) -> Page:
        context = browser.new_context(viewport=viewport, java_script_enabled=scripts, base_url=house.url)
        contexts.append(context)
        context.add_init_script(REPORTS)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: _here(request.url, house, wrong))
        page.on("console", lambda said: _said(said, wrong))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        if signed_in:
            sign_in(page, house)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong, wrong


def _here(url: str, house: House, wrong: list[str]) -> None:
    if not url.startswith((house.url + "/", "data:")):
        wrong.append(f"a request to {url}")


def _said(said: ConsoleMessage, wrong: list[str]) -> None:
    # Chromium calls every refusal an error, also the one that a wrong token must meet.
    if said.type in ("error", "warning") and "status of 401" not in said.text:
        wrong.append(said.text)


def sign_in(page: Page, house: House) -> None:
    """Sign in with an admin's token, as a person does."""
    page.goto(f"{house.url}/console/sign-in")
    page.get_by_label("Admin token").fill(house.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console*")
