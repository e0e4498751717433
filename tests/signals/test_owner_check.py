"""Promises of the daily reading of owners: what every door missed is found, and nobody is gone for not being there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from scim_bridge.departures.service import react
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.signals.idp import owners
from scim_bridge.signals.idp.listeners import take
from tests.conftest import MASTER, run_with_store
from tests.signals.idp_stage import Stage, real_time, stage
from tests.sync.okta_org import Org, okta_org

SECRETS = {"ssws_token": "00Tokenofthetests0000000000000000000000000"}


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """An org that runs as long as this file's tests."""
    with okta_org(tmp_path_factory.mktemp("okta")) as made:
        yield made


@pytest.fixture
def on_org(org: Org, sqlite_url: str):
    """Run a test with an org of three people."""

    def runner(body) -> None:
        clock = real_time()
        org.emptied(SECRETS["ssws_token"])
        org.people("maria@corp.test", "omar@corp.test", "lena@corp.test")

        async def main(store: Store) -> None:
            settings = {"org_url": org.sandbox.url, "ca_file": org.sandbox.ca_file}
            async with stage(store, clock, org.sandbox, "okta", settings, SECRETS) as made:
                await body(made)

        run_with_store(sqlite_url, clock, main)

    return runner


async def check(made: Stage) -> int:
    """Let a day pass and read the owners."""
    made.clock.advance(days=1)
    return await owners.check(made.ctx, made.idps.news, react)


def test_an_owner_who_went_while_nobody_listened_is_found(on_org, org) -> None:
    async def body(made: Stage) -> None:
        await made.owner("maria", org.user("maria@corp.test")["id"])
        await made.owner("omar")
        assert await check(made) == 2
        assert await made.signals() == []
        for login in ("maria@corp.test", "omar@corp.test"):
            await made.control("POST", "/people/lifecycle", {"login": login, "action": "deactivate"})
        # Only after a day it is their turn again.
        assert await owners.check(made.ctx, made.idps.news, react) == 0
        assert await check(made) == 2
        assert sorted(await made.signals()) == [("person.left", "maria"), ("person.left", "omar")]
        assert not await made.active("maria-bot")
        assert await check(made) == 0

    on_org(body)


def test_who_has_no_account_there_or_was_never_seen_there_is_not_gone(on_org, org) -> None:
    async def body(made: Stage) -> None:
        await made.owner("nadia")
        await made.owner("maria", "00u00000000000000zzz")
        await made.owner("omar", "E-1001")
        assert await check(made) == 0
        assert await made.signals() == []
        for slug in ("nadia-bot", "maria-bot", "omar-bot"):
            assert await made.active(slug)

    on_org(body)


def test_who_was_seen_there_and_is_not_any_more_is_deleted(on_org, org) -> None:
    async def body(made: Stage) -> None:
        await made.owner("lena", org.user("lena@corp.test")["id"])
        assert await check(made) == 1
        for action in ("deactivate", "delete"):
            await made.control("POST", "/people/lifecycle", {"login": "lena@corp.test", "action": action})
        await check(made)
        assert await made.signals() == [("person.deleted", "lena")]

    on_org(body)


def test_more_owners_than_a_turn_reads_are_read_in_several(on_org, org, monkeypatch) -> None:
    monkeypatch.setattr(owners, "AT_ONCE", 2)

    async def body(made: Stage) -> None:
        for name in ("maria", "omar", "lena"):
            await made.owner(name)
        assert await check(made) == 2
        assert await owners.check(made.ctx, made.idps.news, react) == 1
        assert await owners.check(made.ctx, made.idps.news, react) == 0
        assert await check(made) == 2

    on_org(body)


def test_okta_away_is_trouble_and_the_turn_comes_again(on_org, org) -> None:
    async def body(made: Stage) -> None:
        await made.owner("maria", org.user("maria@corp.test")["id"])
        rule = {"match": {"path": "/api/v1/users"}, "times": 1, "action": "status", "status": 503}
        await made.control("PUT", "/faults", {"faults": [rule]})
        assert await check(made) == 0
        assert "503" in (await made.door("owner-check")).trouble
        made.clock.advance(seconds=60)
        assert await owners.check(made.ctx, made.idps.news, react) == 1
        assert (await made.door("owner-check")).trouble == ""

    on_org(body)


def test_of_processes_that_want_a_turn_at_once_exactly_one_has_it(database_url) -> None:
    clock = ManualClock()

    async def body(store: Store) -> None:
        ctx = Context(store, MASTER, Outbound(), "https://bridge.test", Path())
        for _ in range(3):
            took = await asyncio.gather(*(take(ctx, "okta-log:acme", "c1") for _ in range(5)))
            assert sorted(took) == [False, False, False, False, True]
            clock.advance(seconds=600)
        await ctx.outbound.aclose()

    run_with_store(database_url, clock, body)
