"""Promises of `scim-bridge people` and `groups`: what the console shows of both, page by page, in every form."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.people import create_person
from tests.cli.command import Command
from tests.cli.company import LENA, Company, company
from tests.conftest import TESTER, run_with_store

__all__ = ["company"]
# What a shell, or a program that runs us, may hand on as an argument.
ODD = (
    "",
    " ",
    "'",
    '"; DROP TABLE sb_resource; --',
    "%",
    "\\",
    "\x1b[31m",
    "\u202e\u0000",
    "\udcff",
    "ﷺ" * 300,
    "\n",
    "x" * 10_000,
    "0" * 36,
)


def test_people_who_answer_for_agents_are_listed_with_what_they_own_and_searched(company: Company) -> None:
    listed = company.read("people", "list")
    agents = company.read("agents", "list")
    owners = [one["owner"] for one in agents]
    assert {one["userName"] for one in listed} >= set(owners)
    assert all(one["owns"] == owners.count(one["userName"]) for one in listed)
    assert all(one["owns"] + one["helps"] for one in listed)
    assert {one["state"] for one in listed} == {"here"}
    [lena] = company.read("people", "list", "LENA fisch")
    assert (lena["userName"], lena["displayName"], lena["owns"]) == (LENA, "Lena Fischer", 2)
    assert "Nobody is found." in company.run("people", "list", "nobody-at-all").out


def test_everybody_is_listed_whoever_answers_for_agents_or_not(company: Company, database_url: str) -> None:
    async def furnish(store: Store) -> None:
        async def body(work: Work) -> None:
            await create_person(work, {"userName": "new.hire@corp.test"}, origin="test")

        await store.transact(TESTER, body)

    run_with_store(database_url, ManualClock(), furnish)
    answering = {one["userName"] for one in company.read("people", "list")}
    everybody = {one["userName"] for one in company.read("people", "list", "--all")}
    assert everybody - answering == {"new.hire@corp.test"}
    [found] = company.read("people", "list", "new.hire")
    assert (found["owns"], found["helps"]) == (0, 0)
    assert "They answer for no agent." in company.run("people", "show", "new.hire@corp.test").out


def test_owners_at_risk_are_those_who_leave_soon(company: Company) -> None:
    assert "No owner is at risk." in company.run("people", "list", "--at-risk").out
    soon = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    assert company.run("departures", "open", LENA, "--last-day", soon).code == 0
    [risk] = company.read("people", "list", "--at-risk")
    assert (risk["userName"], risk["state"]) == (LENA, "leaves soon")
    assert risk["leaves"] is not None and risk["leaves"][:10] >= soon
    for more in (("lena",), ("--all",)):
        refused = company.run("people", "list", "--at-risk", *more)
        assert refused.code == 2 and "Leave one of them out" in refused.err


def test_a_person_is_shown_by_any_name_with_each_agent_role_and_state(company: Company) -> None:
    assert company.run("agents", "hold", "voice-of-customer", "--reason", "x").code == 0
    shown = company.read("people", "show", LENA)
    assert [(one["agent"], one["role"], one["state"]) for one in shown["agents"]] == [
        ("knowledge-writer", "owner", "active"),
        ("support-triage", "co-owner", "active"),
        ("voice-of-customer", "owner", "held"),
    ]
    assert (shown["department"], shown["manager"]) == ("Customer Support", "priya.nair@harborpine.example")
    assert (shown["owns"], shown["helps"], shown["leaves"]) == (2, 1, None)
    assert company.read("people", "show", shown["id"]) == shown
    assert company.read("people", "show", LENA.upper()) == shown
    cut = company.run("people", "show", LENA, "--limit", "1")
    assert "knowledge-writer" in cut.out and "voice-of" not in cut.out and "There is more" in cut.out
    assert f"departures simulate {LENA}" in cut.out
    unknown = company.run("people", "show", "nobody")
    assert (
        unknown.code == 1 and "No person is known as 'nobody'. See `scim-bridge people list`" in unknown.err
    )


def test_groups_are_listed_with_what_they_grant_and_the_policies_that_name_them(company: Company) -> None:
    listed = {one["group"]: one for one in company.read("groups", "list")}
    source = listed["source-code"]
    assert source["grants"] == "Read repositories, comment on pull requests."
    assert source["policies"] == ["source-code-read", "source-code-comment"]
    [found] = company.read("groups", "list", "SOURCE code")
    assert found == source
    shown = company.read("groups", "show", "source-code")
    inside = {one["slug"] for one in company.read("agents", "list", "group:source-code")}
    assert {one["member"] for one in shown["members"]} == inside and source["size"] == len(inside)
    assert {one["kind"] for one in shown["members"]} == {"agent"}
    assert all(one["since"] and one["by"] and one["until"] is None for one in shown["members"])
    assert company.read("groups", "show", shown["id"]) == shown
    given = ("--until", "2d", "--reason", "an incident")
    assert company.run("grants", "add", "invoice-matcher", "source-code", *given).code == 0
    ends = {one["member"]: one["until"] for one in company.read("groups", "show", "SOURCE-CODE")["members"]}
    assert ends["invoice-matcher"] is not None
    unknown = company.run("groups", "show", "nowhere")
    assert unknown.code == 1 and "no group 'nowhere'" in unknown.err and "groups list" in unknown.err


@pytest.mark.parametrize(
    ("words", "of"),
    [(("people", "list"), None), (("groups", "list"), None), (("groups", "show", "source-code"), "members")],
)
def test_pages_follow_each_other_and_show_everything_once(
    company: Company, words: tuple[str, ...], of: str | None
) -> None:
    def ids(*more: str) -> list[str]:
        told = company.read(*words, *more)
        return [one["id"] for one in (told if of is None else told[of])]

    whole, walked, after = ids(), list[str](), ""
    while page := ids("--limit", "2", "--after", after):
        assert len(page) <= 2
        walked += page
        after = page[-1]
    assert walked == whole and len(whole) > 2
    first = company.run(*words, "--limit", "2").out
    assert f"--limit 2 --after {whole[1]}" in first
    assert "There is more" not in company.run(*words, "--limit", str(len(whole))).out


@pytest.mark.parametrize("words", [("people", "list"), ("groups", "list"), ("people", "show", LENA)])
def test_every_form_says_the_same(company: Company, words: tuple[str, ...]) -> None:
    told = company.read(*words)
    rows = told if isinstance(told, list) else [told]
    lines = company.run(*words, "--output", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = list(csv.DictReader(io.StringIO(company.run(*words, "--output", "csv").out)))
    assert [one["id"] for one in table] == [one["id"] for one in rows] and list(table[0]) == list(rows[0])


def test_odd_names_are_answered_in_one_line_and_never_with_a_traceback(company: Company) -> None:
    for odd in ODD:
        for words in (("people", "show"), ("groups", "show"), ("agents", "timeline")):
            done = company.run(*words, odd)
            assert done.code in (1, 2) and done.err.startswith("error: "), (words, odd[:20])
            assert len(done.err) < 400 and done.err.count("\n") == 1
        for words in (("people", "list"), ("groups", "list")):
            assert company.run(*words, odd).code in (0, 2)
            assert company.run(*words, "--after", odd).code in (0, 2)


def test_an_argument_that_is_no_text_is_refused_by_every_command(command: Command) -> None:
    for odd in ("a\udcffb", "a\0b"):
        refused = command("agents", "show", odd)
        assert refused.code == 2 and "not UTF-8 text" in refused.err
