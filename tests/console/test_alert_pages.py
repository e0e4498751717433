"""Promises of the page of alerts: each kind of alert is found on its own, and a page ends where there is a next one."""

from __future__ import annotations

import re

from scim_bridge.console.alerting import SHOWN
from scim_bridge.kernel.work import Work
from tests.conftest import TESTER
from tests.console.browser import Browser, browsing, company

ALERT = (
    "INSERT INTO sb_alert (id, agent_id, kind, subject, severity, state, why, figures, evidence, first, last, hour,"
    " hours, response, muted) VALUES (?, ?, 'rate', ?, 'medium', 'open', ?, '{}', '[]', ?, ?, 1, 1, '[]', ?)"
)


def test_muted_alerts_hide_no_other_and_older_ones_are_led_to_exactly_while_there_are_some(
    database_url, clock
) -> None:
    async def body(browser: Browser) -> None:
        agent = (await company(browser.store))["a-000"]

        async def make(work: Work) -> None:
            work.bookkeeping("alerts of a test")
            muted = [(n, "muted away", work.now, "m-1") for n in range(SHOWN)]
            loud = [(SHOWN + n, f"loud {n:03d}", work.now - 1 - n, None) for n in range(SHOWN + 1)]
            rows = [
                (work.ids.new(), agent, str(n), why, last, last, mute) for n, why, last, mute in muted + loud
            ]
            await work.tx.many(ALERT, rows)

        await browser.store.transact(TESTER, make)
        await browser.sign_in()
        first = (await browser.get("/console/alerts")).text
        assert first.count("loud ") == SHOWN and "muted away" not in first
        older = re.search(r'href="([^"]+)" rel="next"', first)
        assert older is not None
        last = (await browser.get(older.group(1).replace("&amp;", "&"))).text
        assert f"loud {SHOWN:03d}" in last and last.count("loud ") == 1 and 'rel="next"' not in last
        quiet = (await browser.get("/console/alerts?show=muted")).text
        assert quiet.count("muted away") == SHOWN and "loud " not in quiet and 'rel="next"' not in quiet

    browsing(database_url, clock, body)
