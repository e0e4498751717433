"""Promises of every list: each row is on one page, and nobody is led to a page with nothing on it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from scim_bridge.console import (
    alerting,
    auditing,
    credentials,
    deciding,
    grouping,
    leaving,
    listing,
    people,
    sync_plan,
)
from scim_bridge.console.paging import page_of
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.groups import create_group
from scim_bridge.watch.alerts import mute
from tests.bench.console import lived
from tests.bench.fill import populate
from tests.conftest import MASTER, TESTER
from tests.console.browser import Browser, browsing

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
)
ROW = re.compile(r'scope="row" class="name">|<li class="card change">')
NEXT = re.compile(r'href="([^"]+)" rel="next"')


async def _of_everything(browser: Browser) -> str:
    """Three or more of all that is listed; a group with members."""
    await populate(browser.store, MASTER, 10)
    await lived(browser.store, 2, 2)
    agents = [row["id"] for row in await browser.store.reads.all("SELECT id FROM sb_agent LIMIT 3")]
    there = await browser.store.reads.one("SELECT id FROM sb_connection")

    async def more(work: Work) -> None:
        for n, agent in enumerate(agents):
            kept = {"kind": "api_key", "system": "vault", "reference": f"kv/{n}", "expires": work.now + n}
            await register_credential(work, agent, label=f"key-{n}", **kept)
            await create_group(work, {"displayName": f"More {n}"}, origin="test")
            await work.tx.run(CASE, work.ids.new(), work.now, work.now, work.now)
            await work.tx.run(CHANGE, f"c{n}", n, f"changed-{n}")
        await work.tx.run(PLAN, there["id"], work.now)

    await browser.store.transact(TESTER, more)
    row = await browser.store.reads.one(
        "SELECT group_id FROM sb_member GROUP BY group_id HAVING COUNT(*) > 2"
    )
    return str(row["group_id"])


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
        group = await _of_everything(browser)
        await browser.sign_in()
        for page, module in LISTS:
            address, name = (
                f"/console{page.replace('GROUP', group)}",
                "PAGE" if module is listing else "SHOWN",
            )
            with monkeypatch.context() as patched:
                patched.setattr(module, name, 500)
                (all_of_them,) = await _walked(browser, address)
                assert all_of_them >= 3, page
                patched.setattr(module, name, all_of_them)
                assert await _walked(browser, address) == [all_of_them], f"{page}: exactly full"
                patched.setattr(module, name, all_of_them - 1)
                assert await _walked(browser, address) == [all_of_them - 1, 1], f"{page}: one more"

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
