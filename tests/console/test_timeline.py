"""Promises of the timeline: everything once, newest first, however it is paged; and alerts with their events."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.console.timeline import Entry, one_axis
from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.work import Work
from scim_bridge.watch.alerts import add_alert
from scim_bridge.watch.baseline_model import Finding
from scim_bridge.watch.muting import mutes
from tests.conftest import TESTER
from tests.console.browser import Browser, browsing, company

PAGE = 3
MARKS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), unique=True, max_size=24)


@settings(max_examples=60, deadline=None)
@given(MARKS, st.data())
def test_paging_one_axis_shows_every_entry_of_every_kind_once_and_in_order(marks, data) -> None:
    kinds: list[list[Entry]] = [[], [], []]
    for at, number in sorted(marks, reverse=True):
        title = data.draw(st.sampled_from("ab"))
        entry = Entry(at, title, "", "", (), True, mark=(at, f"{number:02d}"))
        kinds[data.draw(st.integers(0, 2))].append(entry)
    shown: list[Entry] = []
    before: tuple[int, str] | None = None
    for _ in range(len(marks) + 1):
        rest = [[e for e in kind if before is None or e.mark < before][: PAGE + 1] for kind in kinds]
        page, older = one_axis(rest, PAGE)
        shown += page
        if older is None:
            break
        at, _, number = older.partition(".")
        before = (int(at), number)
    assert sum(entry.times for entry in shown) == len(marks)
    assert [entry.mark for entry in shown] == sorted((entry.mark for entry in shown), reverse=True)


def test_an_alert_shows_its_events_is_muted_for_a_reason_and_a_time_and_unmuted(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store)
        store = browser.store

        async def odd(work: Work) -> str:
            await work.tx.run(
                "INSERT INTO sb_activity (key, source, event_id, at, received, agent_id, kind, action, resource,"
                " tool, outcome, origin, cost) VALUES ('k', 'gateway', 'e-1', ?, ?, ?, 'tool', 'read', 'crm/7',"
                " 'crm', 'denied', 'eu-1', 0)",
                work.now,
                work.now,
                ids["a-000"],
            )
            found = Finding("volume", "high", "480 events.", work.now // HOUR, "", {"events": 480})
            return await add_alert(
                work, ids["a-000"], found, ["gateway e-1", "gateway e-2", "decision d-9"], None
            )

        alert = await store.transact(TESTER, odd)
        await browser.sign_in()
        page = (await browser.get(f"/console/alerts/{alert}")).text
        assert "read · crm/7 · crm · eu-1" in page and page.count("not kept any more") == 2
        url = f"/console/alerts/{alert}/mute"
        for wrong in ({"of": "all", "hours": "24"}, {"of": "kind", "hours": "9999"}, {"of": "kind"}):
            assert (await browser.send(url, reason="Known.", **wrong)).status_code == 400
        assert (await browser.send(url, of="kind", hours="24", reason=" ")).status_code == 400
        muted = await browser.send(url, of="agent", hours="8", reason="A load test.")
        assert "A load test." in muted.text and "every kind" in muted.text
        (kept,) = await mutes(store.reads, clock.now())
        assert (kept["agent"], kept["kind"], kept["until"]) == ("a-000", None, clock.now() + 8 * HOUR)
        ended = await browser.send(f"/console/alerts/mutes/{kept['id']}/end")
        assert "Nothing is muted." in ended.text
        assert (await browser.send(f"/console/alerts/mutes/{kept['id']}/end")).status_code == 404
        timeline = (await browser.get("/console/agents/a-000")).text
        assert "Alert opened" in timeline and "Alert muted" in timeline
        assert "Alert opened" not in (await browser.get("/console/agents/a-000?show=decisions")).text

    browsing(database_url, clock, body)
