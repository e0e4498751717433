"""Promises of Okta's event hooks: what is true there is acted on here, once, and no call is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from scim_bridge.departures.service import react
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import configure_connection, create_connection
from scim_bridge.registry.news import RemotePerson, There
from scim_bridge.registry.tokens import revoke_token
from scim_bridge.signals.idp import news
from scim_bridge.signals.idp.guard import REFUSALS_A_MINUTE
from scim_bridge.signals.idp.reading import act as acted
from tests.conftest import MASTER, TESTER, run_with_store
from tests.signals.idp_stage import Stage, real_time, stage
from tests.sync.okta_org import Org, okta_org

SECRETS = {"ssws_token": "00Tokenofthetests0000000000000000000000000"}
Body = Callable[[Stage, Org], Awaitable[None]]


@pytest.fixture(scope="module")
def running_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """An org that runs as long as this file's tests."""
    with okta_org(tmp_path_factory.mktemp("okta")) as made:
        yield made


@pytest.fixture
def on_hook(running_org: Org, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a test with Maria, who owns an agent, and a verified hook of her org; on SQLite, or the URL that is given."""

    def runner(body: Body, url: str = "") -> None:
        clock = real_time()
        running_org.emptied(SECRETS["ssws_token"])
        running_org.people("maria@corp.test", "omar@corp.test")
        running_org.control("POST", "/hooks/settings", {"hold": True})

        async def main(store: Store) -> None:
            settings = {"org_url": running_org.sandbox.url, "ca_file": running_org.sandbox.ca_file}
            async with stage(store, clock, running_org.sandbox, "okta", settings, SECRETS) as made:
                await made.owner("maria", running_org.user("maria@corp.test")["id"])
                await hooked(made)
                await body(made, running_org)

        run_with_store(url or request.getfixturevalue("sqlite_url"), clock, main)

    return runner


async def hooked(made: Stage) -> str:
    """A hook of the org with a fresh secret of ours; the secret."""
    secret = await made.signals_token()
    url = f"{made.url}/signals/okta/acme"
    await made.control("POST", "/hooks/add", {"url": url, "secret": secret})
    return secret


async def act(made: Stage, org: Org, login: str, action: str) -> None:
    """What an Okta admin does to a person, and Okta's hooks about it."""
    await made.control("POST", "/people/lifecycle", {"login": login, "action": action})
    await made.control("POST", "/hooks/deliver")


def test_a_person_deactivated_at_okta_has_no_agent_that_acts_and_a_receipt_closes(
    on_hook, database_url
) -> None:
    async def body(made: Stage, org: Org) -> None:
        await act(made, org, "maria@corp.test", "deactivate")
        assert await made.active("maria-bot")
        assert await made.look() == 1
        assert not await made.active("maria-bot")
        assert await made.signals() == [("person.left", "maria")]
        (row,) = await made.audited("signal.confirmed")
        assert row["source"] == "okta:acme"
        assert row["matched"] == "externalId"
        await made.finish()
        (case,) = await made.cases()
        assert case["state"] == "closed"
        assert case["source"] == "okta:acme"
        heard = await made.door("okta-hook")
        assert heard.events == 1
        assert heard.lag is not None
        assert heard.lag < 60 * SECOND

    on_hook(body, database_url)


def test_told_twice_and_in_any_order_it_is_one_departure(on_hook, database_url) -> None:
    async def body(made: Stage, org: Org) -> None:
        await made.control("POST", "/hooks/settings", {"copies": 2, "reverse": True})
        for action in ("suspend", "unsuspend", "deactivate"):
            await made.control("POST", "/people/lifecycle", {"login": "maria@corp.test", "action": action})
        await made.control("POST", "/hooks/deliver")
        rows = await made.store.reads.one("SELECT COUNT(*) AS n FROM sb_news")
        assert rows["n"] == 3
        await made.look()
        assert await made.signals() == [("person.left", "maria")]
        replayed = await made.control("POST", "/hooks/misbehave", {"flaw": "replay"})
        assert replayed["status"] == 200
        assert await made.look() == 0
        assert len(await made.cases()) == 1

    on_hook(body, database_url)


def test_a_late_or_future_event_is_held_against_what_is_true_now(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        for published in ("2020-01-01T00:00:00.000Z", "2199-01-01T00:00:00.000Z"):
            await made.control(
                "POST",
                "/log/add",
                {
                    "eventType": "user.lifecycle.deactivate",
                    "login": "maria@corp.test",
                    "published": published,
                },
            )
        await made.control("POST", "/hooks/deliver")
        assert await made.look() == 2
        assert await made.active("maria-bot")
        assert await made.signals() == []
        heard = await made.door("okta-hook")
        assert heard.event == made.clock.now()

    on_hook(body)


def test_forged_calls_are_refused_and_audited_and_every_live_secret_counts(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        await act(made, org, "maria@corp.test", "suspend")
        for flaw in ("forged", "no_secret"):
            assert (await made.control("POST", "/hooks/misbehave", {"flaw": flaw}))["status"] == 401
        assert len(await made.audited("signal.refused")) == 2
        path = "/signals/okta/acme"
        empty = {"eventType": "com.okta.event_hook", "data": {"events": []}}
        second, scim = await made.signals_token(), await made.signals_token(("users",))
        for given, status in ((second, 200), (f"Bearer {second}", 200), (scim, 401), ("", 401), ("é", 401)):
            headers = {b"authorization": given.encode("latin-1")}
            answer = await made.call("POST", path, headers=headers, json=empty)
            assert answer.status_code == status, given
        row = await made.store.reads.one("SELECT id FROM sb_token ORDER BY created DESC, id DESC LIMIT 2")
        assert row is not None
        rows = await made.store.reads.all("SELECT id FROM sb_token WHERE scopes = 'signals'")
        for token in rows:
            await made.store.transact(TESTER, lambda work, one=token: revoke_token(work, one["id"]))
        answer = await made.call("POST", path, headers={"authorization": second}, json=empty)
        assert answer.status_code == 401

    on_hook(body)


def test_no_call_goes_out_while_a_hook_is_answered_and_what_cannot_be_read_is_a_gap(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        before = len(org.calls())
        await act(made, org, "maria@corp.test", "suspend")
        assert len(org.calls()) == before
        for flaw in ("empty", "not_json_object"):
            assert (await made.control("POST", "/hooks/misbehave", {"flaw": flaw}))["status"] == 400
        gaps = (await made.door("okta-hook")).gaps
        assert len(gaps) == 2
        assert "could not be read" in gaps[0].why

    on_hook(body)


def test_the_challenge_is_echoed_for_okta_connections_only(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        async def other(work: Work) -> None:
            await create_connection(work, MASTER, "corp", "entra")

        await made.store.transact(TESTER, other)
        asked = {"x-okta-verification-challenge": "abc<123>"}
        answer = await made.call("GET", "/signals/okta/acme", headers=asked)
        assert answer.json()["verification"] == "abc<123>"
        assert answer.headers["content-type"] == "application/json"
        assert (await made.call("GET", "/signals/okta/acme")).status_code == 400
        for unknown in ("corp", "nobody", made.connection.id):
            assert (await made.call("GET", f"/signals/okta/{unknown}", headers=asked)).status_code == 404

    on_hook(body)


def test_a_flood_of_forgeries_stops_being_written_down(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        answers = []
        async with made.calling() as client:
            for _ in range(REFUSALS_A_MINUTE + 5):
                answers.append((await client.post("/signals/okta/acme", json={})).status_code)
        assert answers.count(401) == REFUSALS_A_MINUTE
        assert answers[-1] == 429
        assert len(await made.audited("signal.refused")) == REFUSALS_A_MINUTE

    on_hook(body)


def test_okta_away_is_trouble_of_the_door_and_the_news_waits_for_it(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        await act(made, org, "maria@corp.test", "deactivate")
        rule = {"match": {"method": "GET", "path": "/api/v1/users/"}, "times": None, "action": "status"}
        await made.control("PUT", "/faults", {"faults": [{**rule, "status": 503}]})
        for _ in range(20):
            await made.look()
        assert await made.active("maria-bot")
        assert "503" in (await made.door("okta-hook")).trouble
        dead = await made.store.reads.one("SELECT COUNT(*) AS n FROM sb_effect WHERE state = 'dead'")
        assert dead["n"] == 0
        assert await news.upkeep(made.ctx) == 0
        await made.control("PUT", "/faults", {"faults": []})
        made.clock.advance(seconds=3600)
        assert await news.upkeep(made.ctx) == 1
        await made.look()
        assert not await made.active("maria-bot")
        assert (await made.door("okta-hook")).trouble == ""
        assert await news.upkeep(made.ctx) == 0

    on_hook(body)


def test_suspended_is_gone_and_unsuspended_is_back_but_nothing_starts_by_itself(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        await act(made, org, "maria@corp.test", "suspend")
        await made.look()
        assert not await made.active("maria-bot")
        made.clock.advance(seconds=5)
        await act(made, org, "maria@corp.test", "unsuspend")
        await made.look()
        assert await made.signals() == [("person.left", "maria"), ("person.returned", "maria")]
        assert not await made.active("maria-bot")

    on_hook(body)


def test_an_owner_who_is_not_assigned_is_known_by_login_unless_the_connection_wants_ids(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        await made.owner("omar")

        async def strict(work: Work) -> None:
            await configure_connection(work, MASTER, "acme", settings={"people_by": "external-id"})

        await made.store.transact(TESTER, strict)
        await act(made, org, "omar@corp.test", "suspend")
        await made.look()
        assert await made.active("omar-bot")

        async def lenient(work: Work) -> None:
            await configure_connection(work, MASTER, "acme", settings={"people_by": None})

        await made.store.transact(TESTER, lenient)
        made.clock.advance(seconds=5)
        await act(made, org, "omar@corp.test", "deactivate")
        await made.look()
        assert not await made.active("omar-bot")

    on_hook(body)


def test_a_login_that_another_org_calls_otherwise_is_unclear_and_nobody_is_touched(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        async def other(work: Work) -> Any:
            return await create_connection(work, MASTER, "subsidiary", "okta")

        there = await made.store.transact(TESTER, other)
        mine, made.connection = made.connection, there
        await made.owner("omar", "00usubsidiary000001")
        made.connection = mine
        await act(made, org, "omar@corp.test", "deactivate")
        await made.look()
        assert await made.active("omar-bot")
        (row,) = await made.audited("signal.unmatched")
        assert row["named"] == "omar@corp.test"

    on_hook(body)


def test_a_login_that_was_read_at_another_org_before_names_nobody_at_this_one(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        there = await made.store.transact(
            TESTER, lambda work: create_connection(work, MASTER, "subsidiary", "okta")
        )
        omar = await made.owner("omar")
        began = made.clock.now()
        seen = RemotePerson("00usubsidiary000001", There.PRESENT, "omar@corp.test")
        meant = await made.store.transact(TESTER, lambda work: acted(work, there, seen, began, react))
        assert meant.person_id == omar
        await act(made, org, "omar@corp.test", "deactivate")
        await made.look()
        assert await made.active("omar-bot")
        assert len(await made.audited("signal.unmatched")) == 1

    on_hook(body)


def test_a_deleted_person_is_told_as_deleted_and_an_unknown_id_names_nobody(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        target = {"id": "00u00000000000000000", "type": "User", "alternateId": "omar@corp.test"}
        await made.owner("omar")
        await made.control("POST", "/log/add", {"eventType": "user.lifecycle.deactivate", "target": target})
        await act(made, org, "maria@corp.test", "deactivate")
        await act(made, org, "maria@corp.test", "delete")
        await made.look()
        assert await made.active("omar-bot")
        assert await made.signals() == [("person.deleted", "maria")]
        assert not await made.active("maria-bot")

    on_hook(body)


def test_a_reading_that_began_earlier_and_ends_later_changes_nothing(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        _, source = await made.idps.news(made.connection.id)
        user_id = org.user("maria@corp.test")["id"]
        began = made.clock.now()
        early = await source.person(user_id)
        made.clock.advance(seconds=1)
        await act(made, org, "maria@corp.test", "deactivate")
        await made.look()
        await made.store.transact(TESTER, lambda work: acted(work, made.connection, early, began, react))
        assert await made.signals() == [("person.left", "maria")]

    on_hook(body)


def test_manager_and_department_of_an_owner_are_news_when_they_change(on_hook) -> None:
    async def body(made: Stage, org: Org) -> None:
        for department in ("Finance", "Sales"):
            made.clock.advance(seconds=5)
            users = [{"login": "maria@corp.test", "department": department}]
            await made.control("POST", "/directory", {"users": users})
            await made.control("POST", "/hooks/deliver")
            await made.look()
        assert await made.signals() == [("person.moved", "maria")]
        assert await made.active("maria-bot")

    on_hook(body)


def test_a_slow_database_is_answered_within_three_seconds_and_the_news_is_kept(on_hook, monkeypatch) -> None:
    async def body(made: Stage, org: Org) -> None:
        from scim_bridge.signals.idp import okta_hook

        monkeypatch.setattr(okta_hook, "SECONDS", 0.05)
        transact = made.store.transact

        async def slow(*args: Any, **more: Any) -> Any:
            await asyncio.sleep(0.2)
            return await transact(*args, **more)

        monkeypatch.setattr(made.store, "transact", slow)
        headers = {"authorization": await made.signals_token()}
        user_id = org.user("maria@corp.test")["id"]
        event = {
            "uuid": "u1",
            "eventType": "user.lifecycle.suspend",
            "target": [{"id": user_id, "type": "User"}],
        }
        payload = {"eventType": "com.okta.event_hook", "data": {"events": [event]}}
        answer = await made.call("POST", "/signals/okta/acme", headers=headers, json=payload)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        await asyncio.sleep(0.4)
        row = await made.store.reads.one("SELECT key FROM sb_news")
        assert row["key"] == "u1"

    on_hook(body)
