"""Promises of the audit in the console: found by who, what and when; verified beside the server; taken along whole."""

from __future__ import annotations

import asyncio
import csv
import io

import orjson
import pytest

from scim_bridge.audit.checking import Checking, last_check
from scim_bridge.audit.model import Verdict
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import verify_export
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import Store
from scim_bridge.registry.holds import place_hold
from tests.conftest import MASTER, TESTER, run_with_store
from tests.console.browser import Browser, browsing, company, context

SEARCHES = (
    ("action=agent.held", 1),
    ("action=agent.*", 4),
    ("about=a-000", 2),
    ("about=olga@corp.test", 1),
    ("about=nobody", 0),
    ("by=TEST&action=agent.created", 3),
    ("by=somebody+else", 0),
    ("outcome=refused", 0),
    ("action=group.created&since=2020-01-01&until=2100-01-01T00:00:00Z", 1),
    ("since=2100-01-01", 0),
)


def test_rows_are_found_by_action_subject_actor_outcome_and_time_and_exported_as_found(
    database_url, clock
) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store)
        await browser.store.transact(
            TESTER, lambda work: place_hold(work, ids["a-000"], "admin", "admin", "odd", "somebody looks")
        )
        await browser.sign_in()
        for query, found in SEARCHES:
            page = await browser.get(f"/console/audit?{query}")
            assert page.text.count('<th role="rowheader"') == found, query
            lines = (await browser.get(f"/console/audit/export?{query}&form=json")).content.splitlines()
            assert len(lines) == found, query
        assert (await browser.get("/console/audit?since=yesterday")).status_code == 400
        forms = {}
        for form in ("json", "ocsf", "csv", "cef"):
            answer = await browser.get(f"/console/audit/export?form={form}")
            assert "attachment" in answer.headers["content-disposition"]
            forms[form] = answer.content
        rows = list(csv.reader(io.StringIO(forms["csv"].decode())))
        assert rows[0][0] == "seq" and len(rows) - 1 >= len(forms["json"].splitlines())
        assert all(orjson.loads(line)["metadata"]["product"] for line in forms["ocsf"].splitlines())
        assert forms["cef"].startswith(b"CEF:0|")
        assert (await browser.get("/console/audit/export?form=xml")).status_code == 400
        assert (await browser.get("/console/audit/export?form=chain&about=a-000")).status_code == 400
        chain = (await browser.get("/console/audit/export?form=chain")).content
        assert verify_export(chain.splitlines()).ok
        row = await browser.store.reads.one(
            "SELECT actor_name, detail FROM sb_audit WHERE action = 'audit.exported' ORDER BY id DESC LIMIT 1"
        )
        assert row["actor_name"] == "Ada" and orjson.loads(row["detail"]) == {"form": "chain"}

    browsing(database_url, clock, body)


class Slow(Checking):
    """A check that waits for a word before it walks."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.gate = asyncio.Event()

    def _walk(self, counted: list[int]) -> asyncio.Future[Verdict]:
        walk = super()._walk

        async def later() -> Verdict:
            await self.gate.wait()
            return await walk(counted)

        return asyncio.ensure_future(later())


def test_a_verification_runs_beside_the_server_says_what_it_checked_and_finds_what_was_altered(
    database_url, clock
) -> None:
    async def main(store: Store) -> None:
        checking, again = Slow(context(store)), Checking(context(store))
        await company(store)
        begun = await checking.begin(TESTER)
        joined = await again.begin(TESTER)
        assert joined.id == begun.id and again.task is None, "one at a time, wherever it is asked for"
        assert checking.task is not None
        checking.gate.set()
        await checking.task
        found = await last_check(store.reads)
        rows = await store.reads.one(
            "SELECT COUNT(*) AS n, MAX(seq) AS last FROM sb_audit WHERE seq IS NOT NULL"
        )
        tip = await store.reads.one("SELECT hash FROM sb_audit WHERE seq = ?", rows["last"])
        assert found is not None and (found.state, found.ok) == ("done", True)
        assert (found.rows, found.last, found.tip) == (rows["n"], rows["last"], tip["hash"])
        assert found.checkpoints == 1 and found.by == TESTER.name

        async def forge(work) -> None:
            work.bookkeeping("a forger does not audit")
            await work.tx.run("UPDATE sb_audit SET actor_name = 'nobody' WHERE seq = 2")

        await store.transact(TESTER, forge)
        await checking.begin(TESTER)
        await checking.task
        found = await last_check(store.reads)
        assert found is not None and not found.ok and "row 2" in found.findings[0]
        row = await store.reads.one(
            "SELECT detail FROM sb_audit WHERE action = 'audit.verified' ORDER BY id DESC"
        )
        assert orjson.loads(row["detail"])["ok"] is False
        silent = Slow(context(store))
        await silent.begin(TESTER)
        clock.advance(seconds=120)
        assert not (await last_check(store.reads)).running(clock.now()), "who says nothing is at nothing"
        assert (await again.begin(TESTER)).id != found.id and again.task is not None
        silent.gate.set()
        await asyncio.gather(silent.task, again.task)

    run_with_store(database_url, clock, main)


@pytest.mark.parametrize("ok", (True, False))
def test_the_page_of_the_verification_says_how_it_ended_and_nobody_waits_for_it(
    sqlite_url, clock, ok
) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        await browser.sign_in()
        assert "not verified here yet" in (await browser.get("/console/audit")).text
        if not ok:
            await seal(browser.store, MASTER)

            async def forge(work) -> None:
                work.bookkeeping("a forger does not audit")
                await work.tx.run("DELETE FROM sb_audit WHERE seq = 3")

            await browser.store.transact(TESTER, forge)
        page = await browser.send("/console/audit/verification")
        assert page.status_code == 200 and "Begun" in page.text
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*(one for one in others if "Checking" in repr(one)))
        page = await browser.get("/console/audit/verification")
        assert ("The chain is sound" if ok else "The chain does not add up") in page.text
        assert "each hashed again" in page.text and "Hash of the last row" in page.text
        assert ("are missing" in page.text or "does not follow" in page.text) != ok

    browsing(sqlite_url, clock, body)
