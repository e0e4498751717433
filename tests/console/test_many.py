"""Promises of changes of many agents: seen first, done exactly so, told agent by agent, by two where policy says so."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from scim_bridge.attestations.model import first_answerable
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry import bulk
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.bulk_doing import carry_on, carry_out
from scim_bridge.registry.bulk_model import ATTEST, DONE, FAILED, MOVED, NOTHING, PLANNED, STOP, Target
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.holds import place_hold
from tests.conftest import MASTER, TESTER
from tests.console.browser import Browser, browsing, company


async def _state(browser: Browser, *ids: str) -> list[bool]:
    facts = await facts_of(browser.store.reads, ids)
    return [facts[one].resource.active for one in ids]


def test_nothing_happens_before_the_preview_is_confirmed_and_then_exactly_that(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store, 4)
        await browser.sign_in()
        chosen = [ids["a-000"], ids["a-001"]]
        page = await browser.send("/console/bulk/stop", agent=chosen, scope="ticked", q="")
        assert "active → held" in page.text and "Stop: 2 agents" in page.text, page.text
        assert await _state(browser, *chosen) == [True, True]
        url = str(page.url.path)
        nameless = await browser.send(f"{url}/stop", reason=" ")
        assert nameless.status_code == 400 and await _state(browser, *chosen) == [True, True]
        other = await browser.send(f"{url}/resume", reason="another button")
        assert other.status_code in (409, 422) and await _state(browser, *chosen) == [True, True]
        # One moves before the word is given: it is left alone and told of.
        await browser.store.transact(
            TESTER, lambda work: place_hold(work, ids["a-001"], "watch", "watch", "odd", "somebody looks")
        )
        done = await browser.send(f"{url}/stop", reason="A leak at the platform.")
        assert "left alone" in done.text and "stays held, by an admin too" in done.text
        facts = await facts_of(browser.store.reads, chosen)
        assert [one.source for one in facts[ids["a-000"]].holds] == ["admin"]
        assert [one.source for one in facts[ids["a-001"]].holds] == ["watch"]
        again = await browser.send(f"{url}/stop", reason="A leak at the platform.")
        assert again.status_code >= 400 and "bulk-over" in again.text
        row = await browser.store.reads.one(
            "SELECT actor_name, detail FROM sb_audit WHERE action = 'bulk.begun'"
        )
        assert row["actor_name"] == "Ada" and "A leak at the platform." in row["detail"]

    browsing(database_url, clock, body)


def test_owners_groups_and_questions_of_all_that_fit_a_search(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store, 4)
        await browser.sign_in()
        search = {"scope": "all", "q": "owner:olga@corp.test"}
        page = await browser.send("/console/bulk/owner", person="carl@corp.test", **search)
        assert "Olga Tester → Carl Tester" in page.text and "owner:olga@corp.test" in page.text
        await browser.send(f"{page.url.path}/owner", reason="Olga changes teams.")
        facts = await facts_of(browser.store.reads, [ids["a-000"], ids["a-002"]])
        assert {one.owners.owner.user_name for one in facts.values()} == {"carl@corp.test"}
        search = {"scope": "all", "q": "env:production"}
        page = await browser.send("/console/bulk/join", group="support tools", **search)
        # a-000 is in it already.
        assert "is in Support Tools already" in page.text and "Add to a group: 1 agents" in page.text
        await browser.send(f"{page.url.path}/join", reason="They answer tickets.")
        page = await browser.send("/console/bulk/attest", **search)
        done = await browser.send(f"{page.url.path}/attest", reason="Twice a year.")
        assert "Done" in done.text
        row = await browser.store.reads.one("SELECT COUNT(*) AS n FROM sb_attestation_request")
        members = await browser.store.reads.one("SELECT COUNT(*) AS n FROM sb_member")
        assert (row["n"], members["n"]) == (2, 2)
        refusals = (
            ("stop", {"scope": "all", "q": "colour:red"}, "agent-search"),
            ("stop", {"scope": "ticked"}, "bulk-none"),
            ("owner", {**search, "person": "nobody"}, "person-unknown"),
            ("join", search, "bulk-target"),
        )
        for action, fields, code in refusals:
            assert code in (await browser.send(f"/console/bulk/{action}", **fields)).text, action
        page = await browser.send("/console/bulk/leave", group="Support Tools", **search)
        given_up = await browser.send(f"{page.url.path}/cancel")
        assert "Given up" in given_up.text
        assert "bulk-over" in (await browser.send(f"{page.url.path}/leave", reason="no")).text

    browsing(database_url, clock, body)


def test_more_than_policy_allows_one_needs_a_second_person_and_a_fresh_sign_in(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store, 3)
        chosen = [ids[f"a-00{n}"] for n in range(3)]
        settings = {"four_eyes": "2"}
        await browser.store.transact(
            TESTER, lambda work: create_connection(work, MASTER, "okta", "okta", settings=settings)
        )
        await browser.sign_in()
        page = await browser.send("/console/bulk/stop", agent=chosen, scope="ticked")
        url = f"{page.url.path}/stop"
        assert "need 2 different people" in page.text
        clock.advance(seconds=960)
        stale = await browser.send(url, reason="A leak.")
        assert stale.status_code == 403 and "sign-in-again" in stale.text
        await browser.sign_in()
        first = await browser.send(url, reason="A leak.")
        assert "Ada: A leak." in first.text and await _state(browser, *chosen) == [True] * 3
        assert "bulk-same-person" in (await browser.send(url, reason="Again.")).text
        await browser.sign_in("day")
        second = await browser.send(url, reason="I saw it, too.")
        assert "Done" in second.text and await _state(browser, *chosen) == [False] * 3
        reasons = {
            hold.reason
            for one in (await facts_of(browser.store.reads, chosen)).values()
            for hold in one.holds
        }
        assert reasons == {"A leak."}

    browsing(sqlite_url, clock, body)


def test_what_fails_fails_for_that_agent_and_what_broke_off_goes_on(on_store) -> None:
    asked: list[str] = []
    broken = {"away": True}

    async def main(store: Store) -> None:
        ids = await company(store, 4)
        slugs = [f"a-00{n}" for n in range(4)]

        async def ask(work: Work, agent_id: str) -> object:
            if agent_id == ids["a-001"]:
                raise Refused("mail-full", "Their mailbox is full.", "Ask again tomorrow.")
            if agent_id == ids["a-002"] and broken.pop("away", False):
                raise RuntimeError("the process is killed here")
            work.bookkeeping("asked")
            asked.append(agent_id)
            return None

        asking = bulk.Asking(first_answerable, ask)
        chosen = [ids[slug] for slug in slugs]
        made = await store.transact(
            TESTER, lambda work: bulk.plan(work, ATTEST, chosen, Target(), asking, "q")
        )
        await store.transact(TESTER, lambda work: bulk.approve(work, made, ATTEST, "Twice a year."))
        with suppress(RuntimeError):
            await carry_out(store, TESTER, made, asking)
        half = await bulk.bulk(store.reads, made)
        assert [item.state for item in half.items] == [DONE, FAILED, PLANNED, PLANNED]
        # The worker of two processes takes it up at once.
        both = await asyncio.gather(*(carry_on(store, asking) for _ in range(2)))
        ended = await bulk.bulk(store.reads, made)
        assert [item.state for item in ended.items] == [DONE, FAILED, DONE, DONE] and ended.state == DONE
        assert "mailbox is full" in ended.items[1].told and max(both) == 1
        assert sorted(set(asked)) == sorted(chosen[i] for i in (0, 2, 3))
        row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'bulk.done'")
        assert row["n"] == 1

        nobody = Actor("admin", "t", "T")
        steps = (await bulk.steps_of(store.reads, STOP, [*chosen, "gone"], Target(), asking))[1]
        assert [(step.slug, step.will, step.stops) for step in steps] == [
            (slug, True, True) for slug in slugs
        ]
        old = await store.transact(nobody, lambda work: bulk.plan(work, STOP, chosen, Target(), asking))
        assert (await bulk.bulk(store.reads, old)).count(NOTHING) == 0
        assert (await bulk.bulk(store.reads, old)).count(MOVED) == 0

    on_store(main)


def test_views_are_ones_own_or_everybodys_and_the_search_stays_in_the_address(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        await browser.sign_in()
        page = await browser.send("/console/views", name="Held here", q="state:held  env:dev")
        assert str(page.url.query, "ascii") == "q=state%3Aheld+env%3Adev" and "Held here" in page.text
        await browser.send("/console/views/shared", name="No owner", q="owner:none")
        await browser.send("/console/views", name="Held here", q="state:active")
        assert "view-name" in (await browser.send("/console/views", name=" ", q="")).text
        mine = (await browser.get("/console")).text
        assert mine.count("Delete the view Held here") == 1 and "q=state%3Aactive" in mine
        await browser.sign_in("day")
        others = (await browser.get("/console")).text
        assert "Held here" not in others and "No owner" in others
        own = re.search(r'action="(/console/views/[^"/]+/delete)"', mine)
        shared = re.search(r'action="(/console/views/shared/[^"]+/delete)"', others)
        assert own and shared
        assert (await browser.send(own.group(1))).status_code == 404, "another's view is not there"
        assert "No owner" not in (await browser.send(shared.group(1), q="")).text

    browsing(sqlite_url, clock, body)
