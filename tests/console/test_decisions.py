"""The console says why a question was denied, and what stops an agent now."""

from __future__ import annotations

import re

from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Decision, Facts, Question, Reason
from scim_bridge.registry.holds import place_hold
from tests.conftest import TESTER
from tests.console.browser import Browser, browsing, company


def test_denials_are_listed_with_their_reasons_and_lead_to_the_question(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await browser.sign_in()
        store = browser.store
        await company(store)
        row = await store.reads.one("SELECT id, slug FROM sb_agent WHERE slug = 'a-000'")
        facts = Facts(row["id"], row["slug"], "k8s", "production", "low")
        log = DecisionLog(store)
        for action, allowed, told in (
            ("read", True, "Group readers may read."),
            ("write", False, "Nothing grants <b>write</b>."),
            ("write", False, "Nothing grants <b>write</b>."),
        ):
            question = Question(
                "agent", "a-000", action, "ticket", "T-1", {"env": "prod"}, {"change": "CHG-7"}
            )
            decision = Decision(allowed, (Reason("a-reason", told),), ("policy-x",), facts, 9)
            await log.keep(Entry(store.ids.new(), clock.now(), question, decision, TESTER))
        await log.drained()

        page = (await browser.get("/console/decisions")).text
        assert "Group readers may read." in page and "write ticket:T-1" in page
        assert "<b>write</b>" not in page and "&lt;b&gt;write" in page
        denied = (await browser.get("/console/decisions?show=denied")).text
        assert "Group readers may read." not in denied
        found = re.search(r'href="(/console/decisions/[0-9a-f-]+)"', denied)
        assert found is not None
        one = (await browser.get(found.group(1))).text
        for said in ("Denied", "CHG-7", "prod", "policy-x", "a-reason", "9 s"):
            assert said in one, said
        assert (await browser.get("/console/decisions/nothing")).status_code == 404

        why = (await browser.get("/console/agents/a-000/decisions")).text
        assert "Nothing stops it now" in why and "a-reason" in why
        hold = place_hold
        await store.transact(
            TESTER, lambda work: hold(work, row["id"], "admin", "admin", "Acted oddly", "an admin")
        )
        why = (await browser.get("/console/agents/a-000/decisions")).text
        assert "Stopped now" in why and "Acted oddly" in why
        assert (await browser.get("/console/agents/nobody/decisions")).status_code == 404
        for text in (page, denied, one, why):
            assert "<script" not in text and "style=" not in text

    browsing(sqlite_url, clock, body)
