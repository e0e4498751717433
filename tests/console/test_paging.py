"""Promises of every list: each row is on one page, and nobody is led to a page with nothing on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from scim_bridge.access.policies import load_policies
from scim_bridge.audit.record import record
from scim_bridge.console import (
    accessing,
    alerting,
    attesting,
    auditing,
    credentials,
    deciding,
    drafting,
    grouping,
    leaving,
    listing,
    overview,
    people,
    people_view,
    settings,
    sync_lists,
    sync_plan,
    syncing,
    together,
)
from scim_bridge.console.known import Known
from scim_bridge.console.paging import page_of
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.groups import create_group
from scim_bridge.watch.muting import mute
from tests.bench.console import DECISION, lived
from tests.bench.fill import populate
from tests.conftest import MASTER, TESTER
from tests.console.browser import Browser, browsing
from tests.console.rows import one_of_each

CASE = (
    "INSERT INTO sb_departure (id, person_id, person, display_name, state, source, gone_by, immediate, signal_at,"
    " heard_at, effective_at, note) VALUES (?, 'p', 'p', 'P', 'open', 'test', '[]', 1, ?, ?, ?, '')"
)
PLAN = (
    "INSERT INTO sb_plan (id, connection_id, created, created_by, digest, state, creates, updates, retires, stops,"
    " agents, listed, notes, setup, reason) VALUES ('plan', ?, ?, 't', 'd', 'ready', 0, 3, 0, 0, 3, 3, '[]', '[]', '')"
)
CHANGE = (
    "INSERT INTO sb_change (id, plan_id, seq, agent_id, slug, action, before, after, wanted, reasons, notes, desired,"
    " state, reason) VALUES (?, 'plan', ?, '', ?, 'update', '{}', '{}', '{}', '{}', '[]', '', 'planned', '')"
)
# Each list, and the module whose page it is.
LISTS: tuple[tuple[str, Any], ...] = (
    ("", listing),
    ("?q=env:production", listing),
    ("/people", people),
    ("/people?q=e", people),
    ("/groups", grouping),
    ("/groups/GROUP", grouping),
    ("/departures", leaving),
    ("/credentials", credentials),
    ("/credentials?show=ending", credentials),
    ("/decisions", deciding),
    ("/decisions?show=denied", deciding),
    ("/alerts", alerting),
    ("/audit", auditing),
    ("/audit?action=person.*", auditing),
    ("/sync/bench/plans/plan", sync_plan),
    ("/sync/bench/runs", sync_lists),
    ("/sync/bench/findings", sync_lists),
    ("/attestations?show=campaigns", attesting),
    ("/attestations?show=changes", attesting),
    ("/attestations?show=statements", attesting),
    ("/attestations/campaigns/asked-0", attesting),
    ("/attestations/campaigns/asked-0?state=waiting", attesting),
    ("/access?show=versions", accessing),
    ("/access/drafts", drafting),
    ("/settings?show=tokens", settings),
    ("/settings?show=keys", settings),
    ("/bulk", together),
    ("/people?show=risk", people),
    ("/decisions?agent=AGENT", deciding),
)
# Lists that are the beginning of another, each with the name of how many rows it has, and where the rest is.
BEGINNINGS: tuple[tuple[str, Any, str, str], ...] = (
    ("/attestations", attesting, "FEW", "/console/attestations?show=campaigns"),
    ("/attestations", attesting, "FEW", "/console/attestations?show=changes"),
    ("/attestations", attesting, "FEW", "/console/attestations?show=statements"),
    ("/access", accessing, "FEW", "/console/access?show=versions"),
    ("/settings", settings, "FEW", "/console/settings?show=tokens"),
    ("/settings", settings, "FEW", "/console/settings?show=keys"),
    ("/sync/bench", syncing, "RUNS", "/console/sync/bench/runs"),
    ("/sync/bench", syncing, "FINDINGS", "/console/sync/bench/findings"),
    ("/sync/bench", syncing, "SHOWN", "#drift"),
    ("/sync/bench", syncing, "SHOWN", "#strangers"),
    ("/overview", overview, "SHOWN", "/console/people?show=risk"),
    ("/people/OWNER", people_view, "SHOWN", "/console?q=person"),
    ("/people/OWNER", people_view, "HAPPENED", "/console/audit?about="),
    ("/agents/AGENT/decisions", deciding, "SHOWN", "/console/decisions?show=denied&agent="),
)
AT_RISK = "UPDATE sb_person SET employment = 'leave' WHERE id IN (SELECT person_id FROM sb_owner WHERE role = 'owner')"
ROW = re.compile(r'scope="row" class="name">|<li class="card change">')
NEXT = re.compile(r'href="([^"]+)" rel="next"')


async def _of_everything(browser: Browser) -> Callable[[str], str]:
    """Three or more of all that is listed; the address of a page of it."""
    await populate(browser.store, MASTER, 10)
    await lived(browser.store, 2, 2)
    first = await browser.store.reads.all("SELECT id, slug FROM sb_agent ORDER BY id LIMIT 3")
    agents = [row["id"] for row in first]
    owner = await browser.store.reads.one(
        "SELECT r.id, r.name FROM sb_owner o JOIN sb_resource r ON r.id = o.person_id GROUP BY r.id, r.name"
        " ORDER BY COUNT(DISTINCT o.agent_id) DESC LIMIT 1"
    )
    there = await browser.store.reads.one("SELECT id FROM sb_connection")

    async def more(work: Work) -> None:
        for n, agent in enumerate(agents):
            kept = {"kind": "api_key", "system": "vault", "reference": f"kv/{n}", "expires": work.now + n}
            await register_credential(work, agent, label=f"key-{n}", **kept)
            await create_group(work, {"displayName": f"More {n}"}, origin="test")
            await work.tx.run(CASE, work.ids.new(), work.now, work.now, work.now)
            await work.tx.run(CHANGE, f"c{n}", n, f"changed-{n}")
            await one_of_each(work, n, agent, there["id"])
            await work.tx.run(DECISION, f"no-{n}", work.now + n, agents[0], "x", f"T-{n}", 0)
            await record(work, "person.updated", "person", owner["id"], {"reason": f"r{n}"})
        await work.tx.run(PLAN, there["id"], work.now)
        await work.tx.run(AT_RISK)

    await browser.store.transact(TESTER, more)
    row = await browser.store.reads.one(
        "SELECT group_id FROM sb_member GROUP BY group_id HAVING COUNT(*) > 2"
    )
    names = {"GROUP": row["group_id"], "AGENT": first[0]["slug"], "OWNER": quote(owner["name"], safe="")}

    def address(page: str) -> str:
        for name, value in names.items():
            page = page.replace(name, str(value))
        return f"/console{page}"

    return address


async def _onward(browser: Browser, address: str, where: str) -> list[str]:
    """Where a page says that more of one of its lists is."""
    told = re.findall(r'shown\. <a href="([^"]+)">', (await browser.get(address)).text)
    return [link for link in map(unescape, told) if where in link]


async def _walked(browser: Browser, address: str) -> list[int]:
    """How many rows each page of a list has, as its links lead."""
    rows = []
    while address:
        text = (await browser.get(address)).text
        rows.append(len(ROW.findall(text)))
        onward = NEXT.search(text)
        address = unescape(onward.group(1)) if onward else ""
    return rows


def test_no_list_leads_to_an_empty_page_and_none_loses_a_row(sqlite_url, clock, monkeypatch) -> None:
    async def body(browser: Browser) -> None:
        of = await _of_everything(browser)
        await browser.sign_in()
        for page, module in LISTS:
            address = of(page)
            name = "PAGE" if module is listing else "SHOWN"
            with monkeypatch.context() as patched:
                patched.setattr(module, name, 500)
                (all_of_them,) = await _walked(browser, address)
                assert all_of_them >= 3, page
                patched.setattr(module, name, all_of_them)
                assert await _walked(browser, address) == [all_of_them], f"{page}: exactly full"
                patched.setattr(module, name, all_of_them - 1)
                assert await _walked(browser, address) == [all_of_them - 1, 1], f"{page}: one more"

    policies = load_policies()
    browsing(sqlite_url, clock, body, known=Known(lambda: policies))


def test_a_list_that_is_cut_says_so_and_leads_to_all_of_it(sqlite_url, clock, monkeypatch) -> None:
    async def body(browser: Browser) -> None:
        of = await _of_everything(browser)
        await browser.sign_in()
        for page, module, name, where in BEGINNINGS:
            with monkeypatch.context() as patched:
                patched.setattr(module, name, 500)
                assert not await _onward(browser, of(page), where), f"{page}: {name}: nothing is cut"
                patched.setattr(module, name, 1)
                led = await _onward(browser, of(page), where)
            assert len(led) == 1, f"{page}: {where}"
            assert (await browser.get(led[0])).status_code == 200, led[0]

    browsing(sqlite_url, clock, body)


def test_drift_and_strangers_are_shown_a_page_at_a_time(sqlite_url, clock, monkeypatch) -> None:
    monkeypatch.setattr(syncing, "SHOWN", 2)

    async def body(browser: Browser) -> None:
        await _of_everything(browser)
        await browser.sign_in()
        for kind in ("drifted", "stranger"):
            seen, address = list[str](), "/console/sync/bench"
            while address:
                text = (await browser.get(address)).text
                seen += re.findall(rf"<h3>(?:<a[^>]+>)?({kind}-\d+)", text)
                place = "drift" if kind == "drifted" else "strangers"
                onward = re.search(rf'href="([^"]+)#{place}">The next ones', text)
                address = unescape(onward.group(1)) if onward else ""
            assert sorted(seen) == [f"{kind}-{n}" for n in range(5)], seen

    browsing(sqlite_url, clock, body)


def test_a_name_that_fits_very_many_people_or_groups_finds_the_agents_of_all(
    sqlite_url, clock, monkeypatch
) -> None:
    async def body(browser: Browser) -> None:
        await _of_everything(browser)
        await browser.sign_in()
        for search in ("owner:e", "person:a", "group:1", "-owner:e"):
            with monkeypatch.context() as patched:
                found = []
                for most in (500, 1):
                    patched.setattr(listing, "NAMED", most)
                    text = (await browser.get(f"/console?q={search}")).text
                    found.append(re.findall(r'class="name">\s*<a href="([^"]+)"', text))
            assert found[0] == found[1], search
            assert found[0] or search.startswith("-"), search

    browsing(sqlite_url, clock, body)


@pytest.mark.parametrize(("found", "expected"), [(0, ""), (2, ""), (3, "after 1")])
def test_a_page_is_followed_by_another_only_where_more_was_found_than_is_shown(
    found: int, expected: str
) -> None:
    kept, onward = page_of(range(found), 2, lambda last: f"after {last}")
    assert (kept, onward) == (list(range(min(found, 2))), expected)


def test_mutes_are_shown_up_to_a_page_and_the_rest_is_told_of(sqlite_url, clock, monkeypatch) -> None:
    monkeypatch.setattr(alerting, "SHOWN", 2)

    async def body(browser: Browser) -> None:
        async def make(work: Work) -> None:
            for n in range(3):
                await mute(work, None, "rate", f"known {n}", work.now + n + 1)

        await browser.store.transact(TESTER, make)
        await browser.sign_in()
        page = (await browser.get("/console/alerts")).text
        assert "known 0" in page and "known 1" in page and "known 2" not in page
        assert "The 2 that end first are shown. All of them: scim-bridge alerts mutes" in page
        monkeypatch.setattr(alerting, "SHOWN", 3)
        page = (await browser.get("/console/alerts")).text
        assert "known 2" in page and "that end first" not in page

    browsing(sqlite_url, clock, body)
