"""Bad peers: each way an IdP goes wrong is scripted, is shown to have struck, and harms nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store
from scim_bridge.sandbox.entra.app import build
from scim_bridge.sandbox.kit.clock import SystemClock
from scim_bridge.sandbox.okta.app import build as build_okta
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.run import run
from scim_bridge.sync.service import status
from tests.conftest import run_with_store
from tests.sandbox.servers import Running, running
from tests.sync.bench import Bench
from tests.sync.engine_bench import redescribe
from tests.sync.entra_tenant import PEOPLE, Tenant, upn
from tests.sync.okta_org import Org
from tests.sync.sides import MARIA, Side, entra_side, okta_side

SLUGS = ("triage", "review", "deploy", "audit", "draft", "label", "merge", "query", "route", "watch")


@pytest.fixture(scope="module")
def running_tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("entra", build, tmp_path_factory.mktemp("entra")) as found:
        yield found


@pytest.fixture(params=["okta", "entra"])
def side(request: pytest.FixtureRequest) -> Side:
    if request.param == "okta":
        org: Org = request.getfixturevalue("running_org")
        org.afresh()
        org.people(MARIA)
        return okta_side(org)
    return entra_side(Tenant.fresh(request.getfixturevalue("running_tenant")))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses inside reading take no time; how long they are is what other tests look at."""

    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    quick = SimpleNamespace(**{**vars(asyncio), "sleep": at_once})
    for module in ("draft", "idp.okta.patience", "idp.entra.graph"):
        monkeypatch.setattr(f"scim_bridge.sync.{module}.asyncio", quick)


Body = Callable[[Bench, list[str]], Awaitable[None]]


@pytest.fixture
def on_side(side: Side, sqlite_url: str, clock: ManualClock) -> Callable[..., None]:
    """Run a body with a bench at this side and three agents (`agents` for more), written there already."""

    def runner(body: Body, *, agents: int = 3, written: bool = True, **settings: Any) -> None:
        async def main(store: Store) -> None:
            idp = side.peer.open(store)
            try:
                bench = await Bench.open(store, idp, **settings)
                maria = await bench.person(upn(PEOPLE[0]))
                ids = [await bench.agent(slug, maria) for slug in SLUGS[:agents]]
                if written:
                    assert (await bench.apply()).state == "OK"
                await body(bench, ids)
            finally:
                await idp.close()

        run_with_store(sqlite_url, clock, main)

    return runner


async def written(bench: Bench, side: Side, state: str = "OK", tries: int = 40) -> None:
    """Apply whatever the plan says, with patience; nothing is left and nothing is there twice."""
    started = await bench.apply(perform=False)
    await bench.perform(tries=tries)
    found = await run(bench.store.reads, started.id)
    troubles = (await status(bench.store.reads, bench.connection)).troubles
    assert found.state == state, (found, [trouble.reason for trouble in troubles])
    side.agents()


async def nothing_left(bench: Bench) -> None:
    plan = await bench.plan()
    left = [
        (k.change.slug, k.change.before, k.change.after) for k in await changes_of(bench.store.reads, plan.id)
    ]
    assert plan.changes == 0, left


def test_a_storm_of_429s_is_outlasted(side: Side, on_side) -> None:
    async def body(bench: Bench, _ids: list[str]) -> None:
        await bench.idp.make_ready()
        side.fault(side.throttled(side.create, 25))
        await written(bench, side)
        assert side.fired() == [25]
        await nothing_left(bench)

    on_side(body, written=False)


def test_500s_are_tried_again(side: Side, on_side) -> None:
    async def body(bench: Bench, _ids: list[str]) -> None:
        await bench.idp.make_ready()
        broken = {"action": "status", "status": 500, "body": "<html>oops</html>", "times": 2}
        side.fault({"match": side.listing, **broken}, {"match": side.create, **broken})
        await written(bench, side)
        assert side.fired() == [2, 2]
        await nothing_left(bench)

    on_side(body, written=False)


def test_a_write_that_is_acted_on_but_never_answered_is_made_once(
    side: Side, on_side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_bridge.sync.idp.okta.transport.TIMEOUT", 1.5)
    monkeypatch.setattr("scim_bridge.sync.idp.entra.graph.SECONDS", 1.5)

    async def body(bench: Bench, ids: list[str]) -> None:
        await bench.idp.make_ready()
        late = {"action": "delay", "seconds": 2.0, "times": 1}
        side.fault({"match": side.create, **late})
        await bench.apply(perform=False)
        pauses = await bench.perform(tries=1)
        assert len(pauses) == 1
        # As long as the first pause at least: what was sent is acted on by then.
        await asyncio.sleep(2.0)
        await bench.perform()
        assert side.fired() == [1]
        assert len(side.agents()) == len(ids)
        await nothing_left(bench)

    on_side(body, written=False)


def test_a_page_that_breaks_off_is_read_again(side: Side, on_side) -> None:
    async def body(bench: Bench, _ids: list[str]) -> None:
        side.fault({"match": side.listing, "action": "truncate", "bytes": 40, "times": 2})
        await nothing_left(bench)
        assert side.fired() == [2]

    on_side(body)


@pytest.mark.parametrize("keep, said", [(0, "empty"), (7, "3 of 10")])
def test_a_listing_that_comes_back_empty_or_short_is_held_and_nobody_is_touched(
    side: Side, on_side, keep: int, said: str
) -> None:
    async def body(bench: Bench, ids: list[str]) -> None:
        await redescribe(bench, ids[0], "something else")
        before = side.agents()
        side.fault(side.listed(keep))
        stopped = await bench.apply()
        assert side.fired() == [1]
        assert (stopped.state, stopped.stage) == ("HELD", "held") and said in stopped.reason
        await bench.perform()
        assert side.agents() == before
        await written(bench, side)
        assert side.agents()["triage"]["purpose"] == "something else"

    on_side(body, agents=10)


def test_a_listing_whose_next_page_was_forgotten_is_begun_anew(
    side: Side, on_side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_bridge.sync.idp.okta.adapter.PAGE", 2)
    monkeypatch.setattr("scim_bridge.sync.idp.entra.reading.TOP", "2")

    async def body(bench: Bench, _ids: list[str]) -> None:
        following = {"method": "GET", "path": "after=|skiptoken="}
        code = "E0000001" if side.kind == "okta" else "Directory_ExpiredPageToken"
        side.fault(side.refused(following, 400, code, times=1))
        await nothing_left(bench)
        assert side.fired() == [1]

    on_side(body, agents=5)


def test_revoked_credentials_park_nothing_and_the_run_goes_on_when_they_are_mended(
    side: Side, on_side
) -> None:
    async def body(bench: Bench, ids: list[str]) -> None:
        for agent in ids:
            await redescribe(bench, agent, "something else")
        started = await bench.apply(perform=False)
        code = "E0000011" if side.kind == "okta" else "InvalidAuthenticationToken"
        side.fault(side.refused({"path": "^/(api/v1|v1.0)/"}, 401, code, times=None))
        await bench.perform(tries=2)
        assert side.fired()[0] >= len(ids)
        seen = await status(bench.store.reads, bench.connection)
        assert seen.runs[0].state == "RUNNING" and seen.next_try is not None
        assert "credentials" in seen.troubles[0].reason
        side.fault()
        await bench.perform()
        assert (await run(bench.store.reads, started.id)).state == "OK"
        await nothing_left(bench)

    on_side(body)


def test_a_permission_missing_for_one_feature_parks_what_needs_it_and_says_which(side: Side, on_side) -> None:
    async def body(bench: Bench, ids: list[str]) -> None:
        omar = await bench.person(upn(PEOPLE[1]))
        if side.kind == "okta":
            side.peer.people(upn(PEOPLE[1]))
        await bench.agent("fresh", omar)
        await redescribe(bench, ids[0], "something else")
        code = "E0000006" if side.kind == "okta" else "Authorization_RequestDenied"
        fault = side.refused(side.one_feature, 403, code, times=1)
        side.fault(fault)
        await written(bench, side, "WARNING")
        assert side.fired() == [1]
        (trouble,) = (await status(bench.store.reads, bench.connection)).troubles
        assert code in trouble.reason and "Grant" in trouble.reason
        await written(bench, side)
        await nothing_left(bench)

    on_side(body)


def test_an_object_deleted_while_the_run_goes_on_is_told_and_made_anew_by_the_next(
    side: Side, on_side
) -> None:
    async def body(bench: Bench, ids: list[str]) -> None:
        for agent in ids:
            await redescribe(bench, agent, "something else")
        started = await bench.apply(perform=False)
        side.vanish("review")
        await bench.perform()
        found = await run(bench.store.reads, started.id)
        for _ in range(10):
            # Graph may say for a moment that it lists what it does not find; the worker waits as it is told.
            if found.state != "RUNNING":
                break
            await asyncio.sleep(0.5)
            await bench.perform(tries=1)
            found = await run(bench.store.reads, started.id)
        assert (found.state, found.done, found.moved) == ("WARNING", 2, 1)
        (trouble,) = (await status(bench.store.reads, bench.connection)).troubles
        assert "gone" in trouble.reason
        await written(bench, side)
        assert set(side.agents()) == {"triage", "review", "deploy"}
        await nothing_left(bench)

    on_side(body)


def test_an_attribute_the_peer_keeps_in_its_own_form_is_written_once(side: Side, on_side) -> None:
    async def body(bench: Bench, ids: list[str]) -> None:
        await redescribe(bench, ids[0], "Sorts  New Tickets")
        side.fault(
            {
                "match": side.update,
                "action": "alter",
                "find": "Sorts +New Tickets",
                "put": "sorts new tickets",
                "times": None,
            }
        )
        await written(bench, side)
        assert side.agents()["triage"]["purpose"] == "sorts new tickets"
        await nothing_left(bench)
        assert side.fired() == [1]
        await redescribe(bench, ids[0], "sorts OLD tickets")
        await written(bench, side)
        assert side.agents()["triage"]["purpose"] == "sorts OLD tickets"

    on_side(body)


def test_two_objects_with_one_agents_mark_are_told_and_only_ours_is_written(side: Side, on_side) -> None:
    async def body(bench: Bench, ids: list[str]) -> None:
        twin = side.doubled("triage")
        await redescribe(bench, ids[0], "something else")
        plan = await bench.plan()
        assert any("Several objects carry the mark" in note for note in plan.notes), plan.notes
        assert (await bench.apply(plan)).state == "OK"
        assert side.purpose_of(twin) == "the triage"
        assert side.purpose_of(side.remote("triage", twin)) == "something else"
        await nothing_left(bench)

    on_side(body)


def test_a_key_that_is_somebody_elses_parks_that_one_agent(side: Side, on_side) -> None:
    async def body(bench: Bench, ids: list[str]) -> None:
        await bench.idp.make_ready()
        if side.kind == "okta":
            taken = {"errorCode": "E0000001", "errorSummary": "Api validation failed: login"}
            cause = "login: An object with this field already exists in the current organization"
            body: Any = {**taken, "errorCauses": [{"errorSummary": cause}]}
        else:
            body = {"error": {"code": "Request_MultipleObjectsWithSameKeyValue", "message": "already exists"}}
        fault = {"match": side.create, "action": "status", "status": 400, "body": body, "times": 1}
        side.fault(fault)
        await written(bench, side, "WARNING")
        assert side.fired() == [1]
        (trouble,) = (await status(bench.store.reads, bench.connection)).troubles
        assert "already exists" in trouble.reason and len(side.agents()) == len(ids) - 1
        await written(bench, side)
        await nothing_left(bench)

    on_side(body, written=False)


class Skewed(SystemClock):
    """A clock that is some minutes off."""

    def __init__(self, seconds: int) -> None:
        self._off = seconds * 1_000_000

    def now(self) -> int:
        return super().now() + self._off


@pytest.mark.parametrize("seconds", [-900, 7200])
def test_a_clock_that_is_wrong_is_named_as_what_to_check(
    seconds: int, sqlite_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    async def main(store: Store) -> None:
        idp = org.open(store)
        try:
            bench = await Bench.open(store, idp)
            found = await bench.apply()
        finally:
            await idp.close()
        assert (found.state, found.stage) == ("FAILED", "reading")
        assert "invalid_client" in found.reason and "clock" in found.reason
        assert {call["status"] for call in org.calls() if "/token" in call["url"]} == {401}

    with running("okta", build_okta, tmp_path, Skewed(seconds)) as sandbox:
        org = Org(sandbox)
        org.afresh()
        run_with_store(sqlite_url, clock, main)
