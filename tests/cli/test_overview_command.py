"""Promises of `overview`, `status`, timelines, and lists of audit rows and runs: what the console shows, by command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scim_bridge.kernel.clock import DAY, ManualClock, iso
from scim_bridge.kernel.work import Store, Work
from tests.cli.company import Company, company
from tests.conftest import TESTER, run_with_store

__all__ = ["company"]


def test_the_overview_counts_what_needs_a_look_and_names_the_command_for_it(company: Company) -> None:
    assert company.run("agents", "hold", "code-review", "--reason", "x").code == 0
    told = company.read("overview")
    agents = company.read("agents", "list")
    assert (told["agents"], told["held"], told["active"]) == (len(agents), 1, len(agents) - 1)
    assert told["owners_at_risk"] == {"counted": 0, "more": False} and told["connections"] == []
    assert told["departures"]["open"] == 0 and told["decisions"]["denied"] == 0
    table = company.run("overview").out
    assert "agents list state:held" in table and "people list --at-risk" not in table


def test_the_status_says_what_is_not_well_and_ends_with_one_when_asked_to_check(company: Company) -> None:
    told = company.read("status")
    states = {one["component"]: one["state"] for one in told["components"]}
    assert states["database"] == states["migrations"] == "ok" and states["worker"] == "none"
    assert told["ready"] is False and set(told) >= {"doors", "effects", "departures"}
    assert company.run("status").code == 0
    checked = company.run("status", "--check")
    assert checked.code == 1 and "no server runs on this database" in checked.out


def test_a_timeline_has_everything_once_newest_first_page_by_page(company: Company) -> None:
    for number in range(3):
        assert company.run("agents", "hold", "code-review", "--reason", f"reason {number}").code == 0
        assert company.run("agents", "resume", "code-review", "--reason", "over").code == 0
    whole = company.read("agents", "timeline", "code-review")
    assert [one["what"] for one in whole][-1] == "Created"
    assert [one["at"] for one in whole] == sorted((one["at"] for one in whole), reverse=True)
    held = [one["told"] for one in whole if one["what"] == "Held by admin"]
    assert held == ["reason 2", "reason 1", "reason 0"]
    walked, mark = [], ""
    while page := company.read("agents", "timeline", "code-review", "--limit", "2", "--before", mark):
        walked += page
        mark = page[-1]["mark"]
    assert walked == whole
    assert company.read("agents", "timeline", "code-review", "--only", "decisions") == []
    assert "--limit 2 --before" in company.run("agents", "timeline", "code-review", "--limit", "2").out
    assert company.run("agents", "timeline", "code-review", "--before", "x").code == 2
    assert company.run("agents", "timeline", "nobody").code == 1


def test_the_audit_is_searched_by_action_subject_name_outcome_and_day(company: Company) -> None:
    assert company.run("agents", "hold", "code-review", "--reason", "x").code == 0
    agent = company.read("agents", "show", "code-review")["id"]
    [held] = company.read("audit", "list", "--action", "agent.held")
    assert held["subject_id"] == agent
    found = company.read("audit", "list", "--action", "agent.*", "--about", "code-review")
    assert [one["action"] for one in found] == ["agent.held", "agent.created"]
    assert company.read("audit", "list", "--subject", agent, "--action", "agent.*") == found
    assert company.read("audit", "list", "--by", "nobody-at-all") == []
    assert company.read("audit", "list", "--outcome", "refused") == []
    assert company.read("audit", "list", "--until", "2000-01-01") == []
    for wrong in (("--since", "soon"), ("--before", "x")):
        refused = company.run("audit", "list", *wrong)
        assert refused.code == 2 and "error: " in refused.err
    pages, mark = [], ""
    while page := company.read("audit", "list", "--action", "agent.*", "--limit", "20", "--before", mark):
        pages += page
        mark = page[-1]["mark"]
    assert len(pages) == len({one["mark"] for one in pages}) == len(company.read("agents", "list")) + 1


def test_every_run_of_a_connection_is_listed_page_by_page(company: Company, database_url: str) -> None:
    assert company.run("connections", "create", "corp", "--kind", "okta").code == 0
    assert "It never ran" in company.run("sync", "runs", "corp").out
    assert company.run("sync", "runs", "nowhere").code == 1
    clock = ManualClock()

    async def furnish(store: Store) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("runs of a test")
            there = await work.tx.one("SELECT id FROM sb_connection")
            for number in range(5):
                await work.tx.run(
                    "INSERT INTO sb_run (id, connection_id, stage, state, started, started_by, finished, total, done,"
                    " moved, failed, cancelled, reason)"
                    " VALUES (?, ?, 'finished', 'ok', ?, 'ann', ?, 3, 3, 0, 0, 0, '')",
                    f"r{number}",
                    there["id"],
                    work.now + number * DAY,
                    work.now + number * DAY,
                )

        await store.transact(TESTER, body)

    run_with_store(database_url, clock, furnish)
    whole = company.read("sync", "runs", "corp")
    assert [one["run"] for one in whole] == ["r4", "r3", "r2", "r1", "r0"]
    assert (whole[0]["by"], whole[0]["started"]) == ("ann", iso(clock.now() + 4 * DAY))
    assert company.read("sync", "runs", "corp", "--limit", "2", "--before", "r3") == whole[2:4]
    assert "--limit 2 --before r3" in company.run("sync", "runs", "corp", "--limit", "2").out


def test_credentials_that_end_within_thirty_days_are_listed_alone(company: Company) -> None:
    assert company.run("connections", "create", "corp", "--kind", "okta").code == 0
    assert "None ends within" in company.run("credentials", "list", "--ending", "--connection", "corp").out
    for name, days in (("soon", 10), ("later", 90)):
        ends = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        entry = ("--system", "github", "--reference", name, "--expires", ends)
        assert company.run("credentials", "register", "--agent", "code-review", *entry).code == 0
    # The example has some of its own, whose ends do not move with the calendar.
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    every = [
        one["reference"]
        for one in company.read("credentials", "list")
        if one["expires"] and one["expires"] < until
    ]
    assert [one["reference"] for one in company.read("credentials", "list", "--ending")] == every
    assert "soon" in every and "later" not in every
