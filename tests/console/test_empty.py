"""A new installation has nothing yet; each of its pages says so."""

from __future__ import annotations

from scim_bridge.access.in_force import in_force
from scim_bridge.console.known import Known
from scim_bridge.console.permissions import NEEDS, PUBLIC
from tests.console.browser import Browser, browsing

# What a page asks for in its address, where it shows nothing without.
ASKED = ("", "?show=resolved", "?show=muted", "?q=state:held")


def test_every_page_of_a_new_installation_answers(database_url, clock) -> None:
    plain = sorted(
        path
        for (method, path), need in NEEDS.items()
        if method == "GET" and "{" not in path and need != PUBLIC
    )
    assert len(plain) > 15

    async def body(browser: Browser) -> None:
        await browser.sign_in()
        for path in plain:
            for asked in ASKED:
                answer = await browser.get(path + asked)
                # A page of somebody's own agents is not for a token; nothing else is refused.
                assert answer.status_code in (200, 303, 403), (path + asked, answer.status_code)

    force = in_force()
    known = Known(lambda: force.current, of_settings=lambda: force.settings)
    browsing(database_url, clock, body, known=known)
