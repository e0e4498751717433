"""Whatever a request says of where it comes from, and whatever is in its address: never an error of ours."""

from __future__ import annotations

import pytest

from scim_bridge.access.in_force import in_force
from scim_bridge.console.known import Known
from tests.bench.console import addresses, lived
from tests.bench.fill import populate
from tests.conftest import MASTER
from tests.console.browser import Browser, browsing

ODD_HEADERS = (
    {"origin": "http://["},
    {"origin": "null"},
    {"origin": "https://evil.test"},
    {"host": "["},
    {"host": "a b"},
    {"referer": "http://["},
)


@pytest.mark.parametrize("odd", ODD_HEADERS, ids=lambda odd: "-".join(next(iter(odd.items()))))
def test_a_header_that_is_no_address_is_refused_not_stumbled_over(sqlite_url, clock, odd) -> None:
    async def body(browser: Browser) -> None:
        await browser.sign_in()
        key = await browser.form_key()
        # Long enough to be asked to sign in anew, and led back to where one came from.
        clock.advance(seconds=960)
        fields = {"form_key": key, "reason": "why"}
        for path in ("/console/views", "/console/sync/none/plans/none/apply", "/console/access/drafts"):
            answer = await browser.client.post(path, data=fields, headers=odd)
            assert answer.status_code < 500, (path, odd, answer.status_code)
        answer = await browser.get("/console", headers=odd)
        assert answer.status_code < 500, answer.status_code

    browsing(sqlite_url, clock, body)


# Each is sent in every field a page looks for.
ODD_VALUES = ("9" * 30, "9" * 18 + ".x", "%00", "%FF%ED%A0%80%22", "x" * 3000, "2026-13-45")
FIELDS = (
    "q",
    "after",
    "before",
    "show",
    "about",
    "action",
    "by",
    "outcome",
    "since",
    "until",
    "agent",
    "type",
)
FIELDS += ("resource", "simulate", "next", "again", "form", "seen", "page", "nobody_knows")


def test_odd_values_in_an_address_are_answered_on_every_page(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await populate(browser.store, MASTER, 10)
        await lived(browser.store, 2, 2)
        await browser.sign_in()
        for path in {address.partition("?")[0] for address in (await addresses(browser)).values()}:
            for odd in ODD_VALUES:
                said = "&".join(f"{name}={odd}" for name in FIELDS)
                answer = await browser.get(f"{path}?{said}")
                assert answer.status_code < 500, (path, odd, answer.status_code)

    force = in_force()
    browsing(
        database_url, clock, body, known=Known(lambda: force.current, of_settings=lambda: force.settings)
    )
