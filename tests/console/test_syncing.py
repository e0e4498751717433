"""Promises of sync in the console: a plan is seen before it is applied, exactly that is, and people settle the rest."""

from __future__ import annotations

import asyncio
import re

import pytest

from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import delete_agent
from scim_bridge.sync.idp.port import ENABLED, IdpError
from tests.conftest import TESTER, run_with_store
from tests.console.syncing import desk
from tests.sync.drift_bench import OTHER_PURPOSE, drifts, facts, strangers
from tests.sync.engine_bench import by_login, redescribe, remote


@pytest.fixture
def on_both(database_url, clock):
    """Run a body on both back ends."""
    return lambda body: run_with_store(database_url, clock, body)


def test_a_plan_shows_old_and_new_and_the_button_writes_exactly_that(on_both) -> None:
    async def body(store: Store) -> None:
        async with desk(store) as at:
            agent = (await facts(at.bench, "triage")).resource.id
            await redescribe(at.bench, agent, "sorts <b>tickets</b>")
            sent = await at.post("plan")
            waiting = await at.browser.get(sent.headers["location"])
            assert "Reading the IdP for a plan" in waiting.text and "data-again" in waiting.text
            assert "script-src 'self'; connect-src 'self'" in waiting.headers["content-security-policy"]
            now = (
                await at.browser.get("/console/sync/there/now?" + sent.headers["location"].split("?")[1])
            ).text
            assert "Reading" in now and "data-go" not in now and "<html" not in now
            page = await at.done(sent)
            assert "<del>the triage</del>" in page and "sorts &lt;b&gt;tickets" in page
            assert "review" not in page and at.idp.calls[-1][0] != "update"
            where = re.search(r'action="/console/sync/there/(plans/[0-9a-f-]+)/apply"', page)
            assert where is not None
            # Somebody changes another agent meanwhile: it is no part of what was shown.
            await redescribe(at.bench, (await facts(at.bench, "review")).resource.id, "reads code")
            await at.done(await at.post(f"{where.group(1)}/apply"))
            assert by_login(at.idp, "triage")["purpose"] == "sorts <b>tickets</b>"
            assert by_login(at.idp, "review")["purpose"] == "the review"
            again = await at.post(f"{where.group(1)}/apply")
            assert again.status_code == 422 and "plan-applied" in again.text

    on_both(body)


def test_a_plan_that_no_longer_fits_is_refused_and_the_page_says_why(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with desk(store) as at:
            agent = (await facts(at.bench, "triage")).resource.id
            await redescribe(at.bench, agent, "one")
            _, where = await at.plan()
            await redescribe(at.bench, agent, "two")
            page = await at.done(await at.post(f"{where}/apply"))
            assert "That did not work." in page and "Changed here since the plan was made: triage" in page
            assert by_login(at.idp, "triage")["purpose"] == "the triage"
            at.idp.hidden = set(at.idp.objects)
            page = await at.done(await at.post("plan"))
            assert "The brake holds this plan" in page

    run_with_store(sqlite_url, clock, body)


async def pushes_forgotten(work: Work) -> None:
    work.bookkeeping("a test has the IdP told by nothing but its plan")
    await work.tx.run("DELETE FROM sb_effect WHERE kind = 'idp.push' AND state IN ('pending', 'handed')")


def test_a_held_plan_takes_an_admin_who_proved_it_is_them_and_two_for_a_mass_stop(on_both) -> None:
    async def body(store: Store) -> None:
        async with desk(store, four_eyes=2) as at:
            for slug in ("triage", "review", "deploy"):
                agent = (await facts(at.bench, slug)).resource.id
                await store.transact(TESTER, lambda work, agent=agent: delete_agent(work, agent, "gone"))
            # Each deletion tells the IdP of itself, which is not held; here the plan comes first.
            await store.transact(TESTER, pushes_forgotten)
            _, where = await at.plan()
            refused = await at.post(f"{where}/apply")
            assert refused.status_code == 422 and "plan-held" in refused.text
            assert (await at.post(f"{where}/release", reason=" ")).status_code == 400
            store.clock.advance(seconds=HOUR / 1e6 / 2)  # type: ignore[attr-defined]
            stale = await at.post(f"{where}/release", reason="the platform is closed")
            assert stale.status_code == 403 and "Sign in again" in stale.text
            await at.browser.sign_in()
            held = await at.done(await at.post(f"{where}/release", reason="the platform is closed"))
            assert "takes two persons" in held
            assert "Ada let it go" in await at.page(f"/{where}")
            await at.browser.sign_in("day")
            await at.done(await at.post(f"{where}/release", reason="I know of it"))
            assert not any(one[ENABLED] for one in at.idp.objects.values())

    on_both(body)


def test_drift_is_settled_from_the_page_by_either_word(on_both) -> None:
    async def body(store: Store) -> None:
        async with desk(store, drift="*:ask") as at:
            for slug in ("triage", "review"):
                at.idp.objects[remote(at.idp, slug)]["purpose"] = OTHER_PURPOSE
            await at.plan()
            page = await at.page()
            assert page.count("mallory@corp.test") == 2 and "Take theirs" in page
            rows = {row.slug: row.agent_id for row in await drifts(at.bench)}
            theirs = {"agent": rows["triage"], "attribute": "purpose", "take": "theirs"}
            assert (await at.post("settle", **theirs)).status_code == 400, "a reason is needed"
            assert (await at.post("settle", **{**theirs, "take": "all"}, reason="x")).status_code == 400
            store.clock.advance(seconds=1)  # type: ignore[attr-defined]
            await at.done(await at.post("settle", **theirs, reason="they know better"))
            assert (await facts(at.bench, "triage")).resource.doc is not None
            await at.done(
                await at.post("settle", agent=rows["review"], attribute="purpose", take="ours", reason="no")
            )
            assert by_login(at.idp, "review")["purpose"] == "the review"
            assert by_login(at.idp, "triage")["purpose"] == OTHER_PURPOSE
            assert "Nothing differs that somebody else changed" in await at.page()
            gone = await at.post("settle", **theirs, reason="again")
            assert gone.status_code == 404 and "drift-unknown" in gone.text

    on_both(body)


def test_of_two_who_settle_one_drift_the_second_is_told_and_nothing_unseen_is_taken(on_both) -> None:
    async def body(store: Store) -> None:
        async with desk(store, drift="*:ask") as at:
            at.idp.objects[remote(at.idp, "triage")]["purpose"] = OTHER_PURPOSE
            await at.plan()
            found = re.search(r'name="seen" value="([0-9a-f]+)"', await at.page())
            assert found is not None
            (row,) = await drifts(at.bench)
            said = {"agent": row.agent_id, "attribute": "purpose", "take": "theirs", "reason": "they know"}
            # While the page is open somebody writes something else there, and a reading finds it.
            at.idp.objects[remote(at.idp, "triage")]["purpose"] = "mines coins"
            await at.plan()
            blind = await at.post("settle", **said, seen=found.group(1))
            assert blind.status_code == 409 and "drift-moved" in blind.text
            shown = re.search(r'name="seen" value="([0-9a-f]+)"', await at.page())
            assert shown is not None
            key = await at.browser.form_key()
            form = {**said, "form_key": key, "seen": shown.group(1)}
            both = await asyncio.gather(
                *(at.browser.post("/console/sync/there/settle", **form) for _ in range(2))
            )
            assert sorted(one.status_code for one in both) == [303, 404]

    on_both(body)


def test_what_is_nobodys_is_adopted_left_alone_or_retired(on_both) -> None:
    async def body(store: Store) -> None:
        async with desk(store) as at:
            for number in range(4):
                at.idp.objects[f"x{number}"] = {
                    "login": f"stray{number}@agents.test",
                    "purpose": "helps",
                    "owner": "omar@corp.test",
                    ENABLED: True,
                }
            await at.bench.agent("spare", await at.bench.person("nora@corp.test"))
            await at.plan()
            assert "stray0@agents.test" in await at.page()
            why = {"reason": "looked into it"}
            adopted = await at.done(
                await at.post("strangers", remote="x0", **{"as": "new"}, slug="stray", **why)
            )
            assert "stray is an agent of this object now" in adopted
            assert (await facts(at.bench, "stray")).owners.owner.user_name == "omar@corp.test"
            await at.done(await at.post("strangers", remote="x1", **{"as": "into"}, slug="spare", **why))
            await at.done(await at.post("strangers", remote="x2", **{"as": "ignored"}, **why))
            await at.done(await at.post("strangers", remote="x3", **{"as": "retiring"}, **why))
            states = {row.remote_id: row.state for row in await strangers(at.bench, every=True)}
            assert states == {"x0": "adopted", "x1": "adopted", "x2": "ignored", "x3": "retiring"}
            unowned = await at.done(
                await at.post("strangers", remote="x2", **{"as": "new"}, slug="other", owner="nobody", **why)
            )
            assert "That did not work." in unowned and "nobody" in unowned

    on_both(body)


def test_one_agent_is_shown_step_by_step_and_only_what_was_seen_is_written(on_both) -> None:
    async def body(store: Store) -> None:
        async with desk(store) as at:
            agent = (await facts(at.bench, "deploy")).resource.id
            await redescribe(at.bench, agent, "ships")
            page = await at.done(await at.post("one", agent="deploy"))
            assert "found by the id it was written under" in page and "<ins>ships</ins>" in page
            seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
            assert seen is not None
            await redescribe(at.bench, agent, "ships at night")
            moved = await at.done(await at.post("one/write", agent="deploy", seen=seen.group(1)))
            assert "nothing was written" in moved and by_login(at.idp, "deploy")["purpose"] == "the deploy"
            seen = re.search(r'name="seen" value="([0-9a-f]{64})"', moved)
            assert seen is not None
            written = await at.done(await at.post("one/write", agent="deploy", seen=seen.group(1)))
            assert "Written:" in written and by_login(at.idp, "deploy")["purpose"] == "ships at night"
            assert "In step:" in await at.done(await at.post("one", agent="deploy"))
            assert (await at.post("one", agent="nobody")).status_code == 404
            assert (await at.post("one/write", agent="deploy")).status_code == 400

    on_both(body)


def test_a_run_is_cancelled_and_what_is_parked_is_tried_again(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with desk(store) as at:
            ids = {slug: (await facts(at.bench, slug)).resource.id for slug in ("triage", "review")}
            for agent in ids.values():
                await redescribe(at.bench, agent, "new")
            at.idp.broken["triage"] = IdpError("memory-403", "not allowed", transient=False)
            _, where = await at.plan()
            page = await at.done(await at.post(f"{where}/apply"))
            assert "not allowed" in page and "Try again" in page
            effect = re.search(r'name="effect" value="([0-9a-f]{32})"', page)
            assert effect is not None
            at.idp.broken.clear()
            assert (await at.post("retry", effect="0" * 32)).status_code == 404
            await at.done(await at.post("retry", effect=effect.group(1)))
            assert by_login(at.idp, "triage")["purpose"] == "new"
            await redescribe(at.bench, ids["review"], "newer")
            run = await at.bench.apply(perform=False)
            assert "Cancel the run" in await at.page()
            assert (await at.post("cancel", run=run.id)).status_code == 400
            assert (await at.post("cancel", run="nobody's", reason="x")).status_code == 404
            await at.done(await at.post("cancel", run=run.id, reason="a freeze"))
            assert by_login(at.idp, "review")["purpose"] == "new"
            over = await at.post("cancel", run=run.id, reason="again")
            assert over.status_code == 422 and "run-over" in over.text

    run_with_store(sqlite_url, clock, body)


ODD = ("", "\0", "\ud800", "x" * 900, "' OR 1=1", "../..", "%00", "🤖")


def test_no_form_and_no_address_of_sync_or_the_wizard_makes_the_server_fail(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with desk(store) as at:
            key = await at.browser.form_key()
            names = ("plan", "cancel", "retry", "settle", "strangers", "one", "one/write", "one/release")
            addresses = [
                f"/console/sync/there/{name}" for name in (*names, "plans/x/apply", "plans/x/release")
            ]
            addresses += [f"/console/connect{rest}" for rest in ("", "/there/token", "/there/credentials")]
            addresses += ["/console/connect/there/check", "/console/connect/nobody/token"]
            fields = (
                "reason",
                "run",
                "effect",
                "agent",
                "attribute",
                "take",
                "remote",
                "as",
                "slug",
                "owner",
            )
            for odd in ODD:
                told = odd.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
                for address in addresses:
                    form = {**dict.fromkeys((*fields, "seen", "what", "name", "kind"), told), "form_key": key}
                    answer = await at.browser.post(address, **form)
                    assert answer.status_code < 500, (address, odd, answer.text)
                    forged = await at.browser.post(address, **{**form, "form_key": told})
                    assert forged.status_code == 403, (address, odd)
                for page in (
                    "sync/there",
                    "sync/there/now",
                    "sync/there/one",
                    "connect/there",
                    "connect/there/now",
                ):
                    params = {"asked": told, "agent": told, "adopted": told, "seen": told}
                    answer = await at.browser.get(f"/console/{page}", params=params)
                    assert answer.status_code == 200, (page, odd, answer.text)
            assert (await at.browser.get("/console/sync/there/plans/x?after=%ff")).status_code == 404
            assert (await at.browser.get("/console/connect/nobody")).status_code == 404

    run_with_store(sqlite_url, clock, body)
