"""Promises of the overview, and of the pages of people, groups, credentials, access and settings."""

from __future__ import annotations

import re

import pytest

from scim_bridge.access.naming import policies_naming
from scim_bridge.console.plots import Plot, Series
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.people import set_leave
from tests.conftest import TESTER
from tests.console.browser import Browser, browsing, company

PAGES = ("overview", "people", "groups", "credentials", "access", "settings")


def test_every_page_shows_the_company_and_none_shows_a_secret(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store)

        async def more(work: Work) -> None:
            await set_leave(work, ids["carl"], work.now + 86_400_000_000)
            kept = {"kind": "api_key", "system": "vault", "reference": "kv/a-000", "expires": None}
            await register_credential(work, ids["a-000"], label="tickets-key", **kept)

        await browser.store.transact(TESTER, more)
        for name in PAGES:
            assert (await browser.get(f"/console/{name}")).status_code == 303, name
        await browser.sign_in()
        said = {name: (await browser.get(f"/console/{name}")) for name in PAGES}
        assert {name: page.status_code for name, page in said.items()} == dict.fromkeys(PAGES, 200)
        text = {name: page.text for name, page in said.items()}
        for page in text.values():
            assert 'aria-current="page"' in page and "style=" not in page
            assert not any(token in page for token in browser.tokens.values())
        assert "carl@corp.test" in text["overview"] and "olga@corp.test" not in text["overview"]
        assert "Olga Tester" in text["people"] and "leaves soon" in text["people"]
        assert "Support Tools" in text["groups"]
        assert "tickets-key" in text["credentials"] and "never" in text["credentials"]
        assert "Ada" in text["settings"]
        ended = (await browser.get("/console/credentials?show=ending")).text
        assert "tickets-key" not in ended
        group = re.search(r'href="(/console/groups/[^"]+)"', text["groups"])
        assert group is not None
        assert "a-000" in (await browser.get(group.group(1))).text
        for unknown in ("groups/nothing", "people/nobody@corp.test"):
            assert (await browser.get(f"/console/{unknown}")).status_code == 404

    browsing(database_url, clock, body)


def test_a_person_shows_their_agents_and_what_a_leave_would_do_without_doing_it(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        await browser.sign_in()
        plain = (await browser.get("/console/people/olga@corp.test")).text
        assert "a-000" in plain and "a-001" not in plain and "would stop" not in plain
        tried = (await browser.get("/console/people/olga@corp.test?simulate=1")).text
        assert "If Olga Tester left now, 2 of 2 agents would stop" in tried
        assert (
            "Held"
            not in (await browser.get("/console/agents/a-000")).text.split("<main")[1].split("</h1>")[0]
        )
        found = (await browser.get("/console/people?q=CARL")).text
        assert "Carl Tester" in found and "Olga Tester" not in found

    browsing(sqlite_url, clock, body)


def test_only_the_overview_may_run_scripts_and_only_ours(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await browser.sign_in()
        page = await browser.get("/console/overview")
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy and "unsafe" not in policy
        for source in re.findall(r'<script src="([^"]+)"', page.text):
            assert (await browser.get(source)).status_code == 200
            assert source.startswith("/console/")
        assert not re.search(r"<script(?! src=)", page.text)
        assert "script-src" not in (await browser.get("/console/people")).headers["content-security-policy"]

    browsing(sqlite_url, clock, body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('@id("a") permit (principal in Group::"payments", action, resource);', ["a"]),
        ('// "payments";\n@id("b") forbid (principal, action, resource) when { "x;payments" == "" };', ["b"]),
        ('permit (principal in Group::"payments", action, resource);', ["without an id"]),
        ('@id("c") permit (principal in Group::"payments-read", action, resource);', []),
        ("", []),
    ],
)
def test_the_policies_that_name_a_group_are_found(text: str, expected: list[str]) -> None:
    assert policies_naming(text, "payments") == expected


def test_stacked_bars_reach_over_what_they_stand_upon_and_the_table_says_each_value() -> None:
    series = (Series("a", "good", (1, 2), (3, 4)), Series("b", "bad", (3, 4)))
    plot = Plot("t", "Day", (0, 86_400), series, "None.")
    assert plot.series[0].tops == (4, 6)
    assert plot.rows == [("1 Jan 1970", "1", "3"), ("2 Jan 1970", "2", "4")]
    assert plot.nothing == ""
    assert Plot("t", "Day", (0, 86_400), (Series("a", "good", (0, 0)),), "None.").nothing == "None."
