"""Promises of the console's boards: they say how things stand, and a brake is released by people."""

from __future__ import annotations

import re

import pytest

from scim_bridge.attestations.campaign_model import Policy
from scim_bridge.attestations.campaigns import open_campaign
from scim_bridge.departures.brake import Brake, Limits
from scim_bridge.departures.rules import Rules
from scim_bridge.departures.service import reactor
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.signal import LEFT, Signal
from scim_bridge.signals.doors import note_gap, note_heard, note_trouble
from scim_bridge.signals.service import accept
from tests.conftest import MASTER, TESTER, run_with_store
from tests.console.browser import Browser, browsing, company, context, open_browser

PAGES = ("departures", "attestations", "sync", "audit", "status")


async def left(store: Store, person_id: str, key: str, rules: Rules) -> None:
    """Somebody leaves, as a door tells it."""

    async def body(work: Work) -> None:
        signal = Signal("hr:acme", key, LEFT, person_id, work.now, work.now, "left the company")
        await accept(work, signal, reactor(rules))

    await store.transact(TESTER, body)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_nothing_to_show_says_so_and_runs_no_script(sqlite_url, clock, name: str) -> None:
    async def body(browser: Browser) -> None:
        assert (await browser.get(f"/console/{name}")).status_code == 303
        await browser.sign_in()
        page = await browser.get(f"/console/{name}")
        assert page.status_code == 200, page.text
        assert 'aria-current="page"' in page.text
        assert "<script" not in page.text and "style=" not in page.text

    browsing(sqlite_url, clock, body)


def test_departures_show_who_left_what_became_of_each_agent_and_the_receipt(on_browser) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store)
        await left(browser.store, ids["olga"], "1", Rules())
        page = (await browser.get("/console/departures")).text
        assert "olga@corp.test" in page and "hr:acme" in page
        found = re.search(r'href="(/console/departures/[0-9a-f-]+)"', page)
        assert found is not None
        case = (await browser.get(found.group(1))).text
        assert "a-000" in case and "no active co-owner" in case and "Within five minutes" in case
        assert (await browser.get("/console/departures/nobody")).status_code == 404

    on_browser(body)


@pytest.fixture
def on_browser(database_url, clock):
    """Run a body with a signed-in browser, on both back ends."""

    def run(body) -> None:
        async def signed_in(browser: Browser) -> None:
            await browser.sign_in()
            await body(browser)

        browsing(database_url, clock, signed_in)

    return run


def test_a_brake_is_released_from_the_page_by_as_many_different_people_as_it_needs(sqlite_url, clock) -> None:
    rules = Rules(
        brake=Brake(limits=Limits(owners=1, owners_percent=0, people_percent=0), urgent=0, second_above=0)
    )

    async def main(store: Store) -> None:
        ids = await company(store)
        async with open_browser(store, rules=rules) as browser:
            for number, name in enumerate(("olga", "carl")):
                await left(store, ids[name], str(number), rules)
            await browser.sign_in()
            page = (await browser.get("/console/departures")).text
            assert "The brake is on for hr:acme: 1 people are held" in page
            found = re.search(r'action="(/console/departures/brakes/[0-9a-f-]+)"', page)
            assert found is not None
            form = {"form_key": await browser.form_key(), "reason": "checked with HR", "verdict": "release"}
            assert (await browser.post(found.group(1), **{**form, "reason": " "})).status_code == 400
            assert (await browser.post(found.group(1), **{**form, "form_key": "x"})).status_code == 403
            assert (await browser.post(found.group(1), **form)).status_code == 303
            told = (await browser.get("/console/departures")).text
            assert re.search(r"Ada \(token …\w{6}\): release \(checked with HR\)", told)
            again = await browser.post(found.group(1), **form)
            assert again.status_code == 422 and "a second person is needed" in again.text
            await browser.sign_in("day")
            other = {**form, "form_key": await browser.form_key()}
            assert (await browser.post(found.group(1), **other)).status_code == 303
            assert "The brake is on" not in (await browser.get("/console/departures")).text

    run_with_store(sqlite_url, clock, main)


def test_a_campaign_shows_its_counts_and_the_agents_of_one_state(on_browser) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        made = await open_campaign(context(browser.store), TESTER, "Spring <1>", Policy(), reason="yearly")
        page = (await browser.get("/console/attestations")).text
        assert "Spring &lt;1&gt;" in page and "0 of 3" in page
        one = (await browser.get(f"/console/attestations/campaigns/{made.id}?state=waiting")).text
        assert "a-001" in one and "olga@corp.test (2)" in one and "yearly" in one
        none = (await browser.get(f"/console/attestations/campaigns/{made.id}?state=lapsed")).text
        assert "No agent is in this state." in none

    on_browser(body)


def test_sync_shows_each_connection_and_one_that_never_ran(on_browser) -> None:
    async def body(browser: Browser) -> None:
        await browser.store.transact(
            TESTER,
            lambda work: create_connection(work, MASTER, "acme", "okta", secrets={"ssws_token": "x"}),
        )
        assert "never ran" in (await browser.get("/console/sync")).text
        one = await browser.get("/console/sync/acme")
        assert one.status_code == 200 and "Nothing was applied yet." in one.text
        assert (await browser.get("/console/sync/nowhere")).status_code == 404

    on_browser(body)


def test_status_shows_doors_with_their_trouble_and_gaps(on_browser) -> None:
    async def body(browser: Browser) -> None:
        async def noted(work: Work) -> None:
            work.bookkeeping("doors")
            await note_heard(work, "okta-log:acme", "okta-log", event=work.now - 2_000_000, events=3)
            await note_gap(work, "okta-log:acme", "the cursor was refused")
            await note_trouble(work, "ssf:acme", "ssf-poll", "401 <unauthorized>")

        await browser.store.transact(TESTER, noted)
        page = (await browser.get("/console/status")).text
        assert "the cursor was refused" in page and "401 &lt;unauthorized&gt;" in page

    on_browser(body)


def test_the_audit_is_paged_and_narrowed_to_one_action(on_browser) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store, agents=98)
        first = await browser.get("/console/audit")
        older = re.search(r'href="(/console/audit\?before=[^"]+)"', first.text)
        assert older is not None
        second = await browser.get(older.group(1))
        assert second.status_code == 200 and first.text != second.text
        only = (await browser.get("/console/audit?action=group.created")).text
        assert 'value="group.created"' in only and "agent.created" not in only
        for odd in ("%00", "%ff", "a" * 3000, "'; DROP TABLE sb_audit"):
            assert (await browser.get(f"/console/audit?before={odd}")).status_code == 200

    on_browser(body)
