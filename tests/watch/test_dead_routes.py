"""Promises of alert routes that do not answer: each holds one place of the worker, and other calls go on at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from scim_bridge.audit.record import effect_settled
from scim_bridge.kernel.clock import ManualClock, SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import Done, Effect, Effects, Outcome, Retry, lane
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.work import Store, Work
from scim_bridge.settings.watch import AlertRouteSettings, AlertSettings
from scim_bridge.watch.alerts import Alert
from scim_bridge.watch.baseline_model import HIGH
from scim_bridge.watch.telling import ALERT, OPENED, RESOLVED, tell
from tests.conftest import TESTER, run_with_store

ROUTES = [f"dead-{number}" for number in range(8)]
ALERTS = 24
CALLS = 16
SETTINGS = AlertSettings(
    routes=tuple(AlertRouteSettings(name, "webhook", "https://dead.example/x", "low") for name in ROUTES)
)


def an_alert(number: int) -> Alert:
    """One of many alerts, each of another agent."""
    named = (f"alert-{number:03d}", f"agent-{number}", f"bot-{number}", "rate", "calls", HIGH, "open")
    return Alert(*named, "Too many calls.", {}, (), 0, 0, 0, 1, None, (), None, None, None)


async def all_told(work: Work) -> None:
    """Every route is told of every alert."""
    work.bookkeeping("test")
    for number in range(ALERTS):
        await tell(work, SETTINGS, an_alert(number), OPENED)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


def test_beginning_and_end_of_all_alerts_of_a_route_are_one_row_of_calls_in_their_order(
    database_url: str, clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        async def ended(work: Work) -> None:
            work.bookkeeping("test")
            await tell(work, SETTINGS, an_alert(0), RESOLVED)

        await store.transact(TESTER, all_told)
        await store.transact(TESTER, ended)
        rows = await store.reads.all("SELECT DISTINCT lane FROM sb_effect")
        assert sorted(row["lane"] for row in rows) == [f"alert:{name}" for name in ROUTES]

    run_with_store(database_url, clock, body)


def test_ordinary_calls_go_on_at_once_while_eight_routes_hang_and_while_they_wait(database_url: str) -> None:
    hanging: Counter[str] = Counter()
    most: Counter[str] = Counter()
    tried: Counter[str] = Counter()

    async def main() -> None:
        store = Store(await open_database(database_url, pool_size=4), SystemClock(), UuidV7(SystemClock()))
        timed_out = asyncio.Event()

        async def dead(effect: Effect) -> Outcome:
            route = str(effect.payload["route"])
            hanging[route] += 1
            most[route] = max(most[route], hanging[route])
            await timed_out.wait()
            hanging[route] -= 1
            tried[route] += 1
            return Retry(f"the route {route} did not answer", 3600.0)

        async def answered(_: Effect) -> Outcome:
            return Done({})

        async def called(first: int) -> None:
            """Ordinary calls in as many lanes as they have are made."""

            async def write(work: Work) -> None:
                work.bookkeeping("test")
                for number in range(first, first + CALLS):
                    await work.effect("call", {}, lane=lane("call", str(number)), subject_id=str(number))

            async def done() -> bool:
                row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_effect WHERE state = 'done'")
                return bool(row["n"] == first + CALLS)

            await store.transact(TESTER, write)
            await until(done)

        async def all_hang() -> bool:
            return set(hanging) == set(ROUTES)

        async def all_wait() -> bool:
            return set(tried) == set(ROUTES)

        jobs = Jobs(store, Effects(store, {ALERT: dead, "call": answered}, [effect_settled]))
        await jobs.start()
        try:
            await store.transact(TESTER, all_told)
            await until(all_hang)
            await called(0)
            assert most == Counter(ROUTES) and not tried, "they hang still, and one call of each at most"
            timed_out.set()
            await until(all_wait)
            await called(CALLS)
            assert most == tried == Counter(ROUTES), "a route is asked again after its pause only"
        finally:
            timed_out.set()
            await jobs.stop()
            await store.database.close()

    asyncio.run(main())
