"""Promises of asking Okta's System Log: nothing is missed without being said, nothing is acted on twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from scim_bridge.kernel.clock import DAY, MINUTE, SECOND, iso
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import configure_connection
from scim_bridge.sandbox.kit.clock import http_date
from scim_bridge.signals.idp import okta_log
from scim_bridge.signals.idp.compare import GRACE
from scim_bridge.sync.idp.okta import news as okta_news
from tests.conftest import MASTER, TESTER, run_with_store
from tests.signals.idp_stage import Stage, real_time, stage
from tests.sync.okta_org import CLIENT, Org, okta_org, private_key

SECRETS = {"ssws_token": "00Tokenofthetests0000000000000000000000000"}
APP = {"client_id": CLIENT, "private_key": private_key(), "kid": "k1"}
Body = Callable[[Stage, Org], Awaitable[None]]
LOGS = {"method": "GET", "path": "/api/v1/logs"}


@pytest.fixture(scope="module")
def running_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """An org that runs as long as this file's tests."""
    with okta_org(tmp_path_factory.mktemp("okta")) as made:
        yield made


@pytest.fixture
def on_log(running_org: Org, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a test with Maria, who owns an agent, and her org's log; on SQLite, or the URL that is given."""

    def runner(body: Body, url: str = "", **secrets: Any) -> None:
        clock = real_time()
        running_org.emptied(SECRETS["ssws_token"])
        running_org.people("maria@corp.test", "omar@corp.test")

        async def main(store: Store) -> None:
            settings = {"org_url": running_org.sandbox.url, "ca_file": running_org.sandbox.ca_file}
            given = secrets or SECRETS
            async with stage(store, clock, running_org.sandbox, "okta", settings, given) as made:
                await made.owner("maria", running_org.user("maria@corp.test")["id"])
                await body(made, running_org)

        run_with_store(url or request.getfixturevalue("sqlite_url"), clock, main)

    return runner


async def poll(made: Stage) -> int:
    """Let a turn pass and ask."""
    made.clock.advance(seconds=okta_log.EVERY // SECOND)
    return await okta_log.poll(made.ctx, made.idps.news)


async def act(made: Stage, action: str, login: str = "maria@corp.test") -> None:
    """What an Okta admin does to a person."""
    await made.control("POST", "/people/lifecycle", {"login": login, "action": action})


def test_a_person_deactivated_at_okta_is_found_in_the_log_and_a_receipt_closes(on_log, database_url) -> None:
    async def body(made: Stage, org: Org) -> None:
        assert await poll(made) == 0
        await act(made, "deactivate")
        assert await poll(made) == 1
        await made.look()
        assert not await made.active("maria-bot")
        await made.finish()
        assert [case["state"] for case in await made.cases()] == ["closed"]
        heard = await made.door("okta-log")
        assert heard.cursor.startswith("/api/v1/logs?")
        assert heard.lag is not None
        assert heard.gaps == ()

    on_log(body, database_url)


def test_quiet_polls_read_one_page_and_go_on_where_the_last_one_ended(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await act(made, "suspend")
        assert await poll(made) == 1
        before = len(org.calls())
        for _ in range(3):
            assert await poll(made) == 0
        calls = org.calls()[before:]
        assert [call["method"] for call in calls] == ["GET"] * 3
        assert all("after=" in call["url"] and "since=" not in call["url"] for call in calls)
        # Before its turn has come a door does not ask.
        assert await okta_log.poll(made.ctx, made.idps.news) == 0
        assert len(org.calls()) == before + 3

    on_log(body)


def test_what_the_hook_told_and_the_log_tells_again_is_one_event_and_one_signal(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await made.control("POST", "/hooks/settings", {"hold": True})
        secret = await made.signals_token()
        await made.control("POST", "/hooks/add", {"url": f"{made.url}/signals/okta/acme", "secret": secret})
        await act(made, "deactivate")
        await made.control("POST", "/hooks/deliver")
        assert await poll(made) == 0
        row = await made.store.reads.one(
            "SELECT COUNT(*) AS n, MAX(pushed) AS p, MAX(asked) AS a FROM sb_news"
        )
        assert row["n"] == 1
        assert row["p"] is not None
        assert row["a"] is not None
        await made.look()
        assert await made.signals() == [("person.left", "maria")]

    on_log(body)


def test_what_only_one_of_the_doors_told_is_noted_on_the_other(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await made.control("POST", "/hooks/settings", {"hold": True})
        secret = await made.signals_token()
        await made.control("POST", "/hooks/add", {"url": f"{made.url}/signals/okta/acme", "secret": secret})
        await act(made, "suspend")
        await made.control("POST", "/hooks/deliver")
        await poll(made)
        await made.control("POST", "/hooks/settings", {"lose": 1})
        made.clock.advance(seconds=60)
        await act(made, "unsuspend")
        await made.control("POST", "/hooks/deliver")
        await poll(made)
        assert (await made.door("okta-hook")).gaps == ()
        made.clock.advance(seconds=2 * GRACE // SECOND)
        await poll(made)
        (gap,) = (await made.door("okta-hook")).gaps
        assert "1 event came by okta-log:acme only" in gap.why
        await poll(made)
        assert len((await made.door("okta-hook")).gaps) == 1
        assert (await made.door("okta-log")).gaps == ()

    on_log(body)


def test_a_late_event_is_found_although_later_ones_were_read_before(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await act(made, "suspend", "omar@corp.test")
        await poll(made)
        late = {"eventType": "user.lifecycle.suspend", "login": "maria@corp.test"}
        await made.control("POST", "/log/add", {**late, "published": iso(made.clock.now() - 3 * DAY)})
        await made.control("POST", "/log/add", {**late, "published": "2199-01-01T00:00:00.000Z"})
        assert await poll(made) == 2
        await made.look()
        assert await made.active("maria-bot")
        assert (await made.door("okta-log")).event == made.clock.now()

    on_log(body)


def test_more_than_a_page_is_read_to_its_end_in_one_turn(on_log, monkeypatch) -> None:
    monkeypatch.setattr(okta_news, "PAGE", 20)

    async def body(made: Stage, org: Org) -> None:
        user_id = org.user("maria@corp.test")["id"]
        store = made.running.sandbox.store
        with store.transaction():
            for number in range(45):
                key = f"zzzzzz{number:06d}"
                target = [{"id": user_id, "type": "User"}]
                event = {"key": key, "uuid": key, "eventType": "user.lifecycle.unsuspend", "target": target}
                store.put("log", key, {**event, "published": "2026-11-30T00:00:00.000Z", "outcome": {}})
        assert await poll(made) == 45
        assert await poll(made) == 0
        # One look at the person serves all of them.
        before = len(org.calls())
        await made.look()
        assert len(org.calls()) - before == 1
        assert await made.signals() == []

    on_log(body)


def test_a_cursor_that_is_not_taken_any_more_is_a_gap_and_reading_goes_on_by_time(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await poll(made)
        await act(made, "suspend")
        error = {"errorCode": "E0000001", "errorSummary": "Api validation failed: after", "errorCauses": []}
        fault = {"match": LOGS, "times": 1, "action": "status", "status": 400, "body": error}
        await made.control("PUT", "/faults", {"faults": [fault]})
        assert await poll(made) == 0
        assert await poll(made) == 1
        (gap,) = (await made.door("okta-log")).gaps
        assert "cursor" in gap.why

    on_log(body)


def test_a_log_last_read_longer_ago_than_okta_keeps_it_is_a_gap(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await poll(made)

        async def age(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run("UPDATE sb_door SET heard = ?", work.now - 100 * DAY)

        await made.store.transact(TESTER, age)
        await act(made, "suspend")
        assert await poll(made) == 1
        (gap,) = (await made.door("okta-log")).gaps
        assert "90 days" in gap.why

    on_log(body)


def test_okta_away_or_busy_is_trouble_of_the_door_and_everything_is_found_afterwards(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await poll(made)
        now = made.clock.now()
        headers = {"x-rate-limit-reset": str(now // SECOND + 60), "date": http_date(now)}
        busy = {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit"}
        fault = {"match": LOGS, "times": None, "action": "status", "status": 429, "body": busy}
        await made.control("PUT", "/faults", {"faults": [{**fault, "headers": headers}]})
        await act(made, "deactivate")
        before = len(org.calls())
        assert await poll(made) == 0
        assert "E0000047" in (await made.door("okta-log")).trouble
        # As long as Okta asks to wait nobody asks again.
        assert await poll(made) == 0
        assert len([c for c in org.calls()[before:] if "/logs" in c["url"]]) == 1
        await made.control("PUT", "/faults", {"faults": []})
        made.clock.advance(seconds=2 * MINUTE // SECOND)
        assert await poll(made) == 1
        await made.look()
        assert not await made.active("maria-bot")
        assert (await made.door("okta-log")).trouble == ""

    on_log(body)


def test_without_the_scope_the_door_says_so_and_switched_off_it_does_not_ask(on_log) -> None:
    async def body(made: Stage, org: Org) -> None:
        await poll(made)
        trouble = (await made.door("okta-log")).trouble
        assert "okta.logs.read" in trouble
        assert "okta_log=off" in trouble

        async def off(work: Work) -> None:
            await configure_connection(work, MASTER, "acme", settings={"okta_log": "off"})

        await made.store.transact(TESTER, off)
        made.clock.advance(seconds=3600)
        assert await okta_log.poll(made.ctx, made.idps.news) == 0
        assert org.calls() == []

    on_log(body, **APP, scopes=["okta.users.manage"])
