"""Promises of policies in the console: a mistake is named by its place, a change is tried before, and goes back."""

from __future__ import annotations

import asyncio
import re

from scim_bridge.access.facts import facts_about
from scim_bridge.access.in_force import in_force
from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies
from scim_bridge.access.versions import latest
from scim_bridge.console.known import Known
from tests.conftest import TESTER
from tests.console.browser import Browser, browsing, company

NOBODY = '@id("nobody") forbid (principal, action, resource);\n'


async def _asked(browser: Browser) -> bool:
    """A question that is allowed today, as a gateway asked it."""
    policies, store = load_policies(), browser.store
    question = Question("agent", "a-000", "read", "ticket", "T-1")
    facts = (await facts_about(store.reads, "a-000"))[0]
    answered = policies.decide(facts, question, store.clock.now())
    log = DecisionLog(store)
    await log.keep(Entry(store.ids.new(), store.clock.now(), question, answered, TESTER))
    await log.drained()
    return answered.allowed


def test_a_change_is_checked_tried_and_put_in_force_with_a_fresh_sign_in_and_taken_back(
    sqlite_url, clock
) -> None:
    force = in_force()
    known = Known(lambda: force.current, of_settings=lambda: force.settings)

    async def body(browser: Browser) -> None:
        await company(browser.store)
        allowed = await _asked(browser)
        await browser.sign_in()
        text = force.current.text.policies
        broken = (
            text + '\n@id("x")\npermit (principal, action, resource) when { principal.colour == "red" };\n'
        )
        page = await browser.send("/console/access/drafts", policies=broken)
        before = broken[: broken.index("colour")]
        place = f"Line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
        assert place in page.text and "cannot be activated" in page.text, page.text
        draft = str(page.url.path)
        assert f'action="{draft}/activate"' not in page.text
        refused = await browser.send(f"{draft}/activate", reason="Try.", base="")
        assert refused.status_code == 422 and "colour" in refused.text

        page = await browser.send(draft, policies=text + NOBODY)
        changed = 1 if allowed else 0
        assert f"{changed} newly denied, 0 newly allowed" in page.text
        assert "added: </span>@id(&#34;nobody&#34;)" in page.text
        clock.advance(seconds=960)
        stale = await browser.send(f"{draft}/activate", reason="Freeze.", base="", accept="yes")
        assert "sign-in-again" in stale.text and await latest(browser.store.reads) is None
        await browser.sign_in()
        if allowed:
            unseen = await browser.send(f"{draft}/activate", reason="Freeze.", base="")
            assert unseen.status_code == 409 and "simulation-moved" in unseen.text
        page = await browser.send(f"{draft}/activate", reason="Freeze.", base="", accept="yes")
        assert await latest(browser.store.reads) == 1 and "Freeze." in page.text
        assert (await browser.get(draft)).status_code == 404, "what is in force is no draft any more"
        await force.refresh(browser.store.reads)

        asked = "agent=a-000&action=read&type=ticket&resource=T-1"
        page = await browser.get(f"/console/access?{asked}")
        assert "Denied: a-000 read ticket:T-1" in page.text and "Determined by: nobody" in page.text

        # Somebody else changes policies while a draft is open.
        page = await browser.send("/console/access/drafts", policies=text)
        mine = str(page.url.path)
        page = await browser.send("/console/access/drafts", policies=text)
        await browser.send(f"{page.url.path}/activate", reason="Thaw.", base="1", accept="yes")
        await force.refresh(browser.store.reads)
        assert "activated meanwhile" in (await browser.get(mine)).text
        late = await browser.send(f"{mine}/activate", reason="Thaw, too.", base="1", accept="yes")
        assert late.status_code == 409 and await latest(browser.store.reads) == 2
        page = await browser.get("/console/access/versions/1")
        assert "Go back to version 1" in page.text and "@id(&#34;nobody&#34;)" in page.text
        assert "From line " in page.text and "@@" not in page.text and "Activated</dt>" in page.text
        await browser.send("/console/access/versions/1/activate", reason="Freeze.", base="2", accept="yes")
        await force.refresh(browser.store.reads)
        assert "nobody" in force.current.ids.values() and force.current.version == 3
        assert (await browser.get("/console/access/versions/9")).status_code == 404
        assert (await browser.get("/console/access/versions/x")).status_code == 404

    browsing(sqlite_url, clock, body, known=known)


def test_a_draft_is_kept_as_it_was_written_and_is_not_endless(database_url, clock) -> None:
    policies = load_policies()

    async def body(browser: Browser) -> None:
        await browser.sign_in()
        odd = "// a\x00b\r\n\tpermit\r" + NOBODY + "</textarea><b>"
        page = await browser.send("/console/access/drafts", policies=odd)
        assert "// ab\n\tpermit\n" in page.text and "&lt;/textarea&gt;&lt;b&gt;" in page.text
        assert "<b>" not in page.text
        long = await browser.send("/console/access/drafts", policies="x" * 140_000)
        assert long.status_code == 400 and "policy-long" in long.text
        kept = (await browser.get("/console/access/drafts")).text
        assert kept.count("/console/access/drafts/") == 1
        assert (await browser.get("/console/access/drafts/none")).status_code == 404

    browsing(database_url, clock, body, known=Known(lambda: policies))


def test_of_two_who_write_one_draft_the_second_is_told_and_nothing_unseen_is_put_in_force(
    database_url, clock
) -> None:
    force = in_force()
    known = Known(lambda: force.current, of_settings=lambda: force.settings)

    async def body(browser: Browser) -> None:
        await browser.sign_in()
        text = force.current.text.policies
        page = await browser.send("/console/access/drafts", policies=text)
        draft = str(page.url.path)
        marks = set(re.findall(r'name="seen" value="([0-9a-f]+)"', page.text))
        assert page.text.count('name="seen"') == 2 and len(marks) == 1, "where it is kept, and activated"
        seen = marks.pop()
        # Another session keeps another text, while this one still shows the first.
        await browser.sign_in("day")
        await browser.send(draft, policies=text + NOBODY, seen=seen)
        await browser.sign_in()
        late = await browser.send(draft, policies=text + "// mine\n", seen=seen)
        assert late.status_code == 409 and "D changed this draft meanwhile" in late.text
        blind = await browser.send(f"{draft}/activate", reason="As seen.", base="", accept="yes", seen=seen)
        assert blind.status_code == 409 and await latest(browser.store.reads) is None
        page = (await browser.get(draft)).text
        assert "nobody" in page and "// mine" not in page
        # Both at once, each with what is kept now: one text stands, and the other is told.
        seen = re.findall(r'name="seen" value="([0-9a-f]+)"', page)[0]
        key = await browser.form_key()
        both = await asyncio.gather(
            *(browser.post(draft, form_key=key, policies=f"{text}// {n}\n", seen=seen) for n in range(2))
        )
        assert sorted(one.status_code for one in both) == [303, 409]

    browsing(database_url, clock, body, known=known)
