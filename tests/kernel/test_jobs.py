"""Promises of the effect engine: every committed effect is performed, in order within its lane."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from structlog.testing import capture_logs

from scim_bridge.audit.record import effect_settled
from scim_bridge.kernel.astray import LATE, taken_back
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.effects import (
    MAX_ATTEMPTS,
    MOST_ASKED,
    Dead,
    Done,
    Effect,
    Effects,
    Outcome,
    Retry,
)
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.work import BULK, URGENT, Store, Work
from tests.conftest import TESTER, run_with_store


def perform(url: str, handler, write, until: int) -> tuple[list[Effect], list[tuple[str, str]]]:
    """Run the engine on `url` until `until` effects are settled; the calls and the final states."""
    calls: list[Effect] = []

    async def main() -> list[tuple[str, str]]:
        clock = SystemClock()
        database = await open_database(url, pool_size=4)
        store = Store(database, clock, UuidV7(clock))

        async def handle(effect: Effect) -> Outcome:
            calls.append(effect)
            return await handler(effect)

        jobs = Jobs(store, Effects(store, {"call": handle}, [effect_settled]))
        await jobs.start()
        try:
            await store.transact(TESTER, write)
            async with asyncio.timeout(60):
                while True:
                    row = await store.reads.one(
                        "SELECT COUNT(*) AS n FROM sb_effect WHERE state IN ('done', 'dead')"
                    )
                    if row["n"] >= until:
                        break
                    await asyncio.sleep(0.05)
            rows = await store.reads.all("SELECT id, state FROM sb_effect ORDER BY created, id")
            return [(row["id"], row["state"]) for row in rows]
        finally:
            await jobs.stop()
            await database.close()

    return calls, asyncio.run(main())


def test_effects_are_performed_once_and_in_order_within_a_lane(database_url) -> None:
    async def write(work: Work) -> None:
        work.bookkeeping("test")
        for number in range(12):
            await work.effect("call", {"n": number}, lane=f"lane-{number % 2}", key=str(number))
        await work.effect("call", {"n": 3}, lane="lane-1", key="3")

    async def handler(effect: Effect) -> Outcome:
        await asyncio.sleep(0)
        return Done({"n": effect.payload["n"]})

    calls, states = perform(database_url, handler, write, 12)
    assert [state for _, state in states] == ["done"] * 12
    for lane in ("lane-0", "lane-1"):
        seen = [effect.payload["n"] for effect in calls if effect.lane == lane]
        assert sorted(seen) == seen or len(set(seen)) == 6
    assert len(calls) == 12


def test_a_failing_effect_is_tried_again_and_a_hopeless_one_is_kept_as_dead(database_url) -> None:
    tries: dict[str, int] = {}

    async def handler(effect: Effect) -> Outcome:
        name = effect.payload["name"]
        tries[name] = tries.get(name, 0) + 1
        if name == "hopeless":
            return Dead("410 gone")
        if name == "defect" and tries[name] == 1:
            raise ZeroDivisionError
        return Retry("503", 0.05) if tries[name] < 3 else Done()

    async def write(work: Work) -> None:
        work.bookkeeping("test")
        for name in ("flaky", "hopeless"):
            await work.effect("call", {"name": name}, lane=name, key=name)

    _, states = perform(database_url, handler, write, 2)
    assert sorted(state for _, state in states) == ["dead", "done"]
    assert tries == {"flaky": 3, "hopeless": 1}


def test_the_files_of_the_engine_are_for_their_owner_alone(sqlite_url) -> None:
    async def write(work: Work) -> None:
        work.bookkeeping("test")
        await work.effect("call", {}, lane="one", key="1")

    async def handler(effect: Effect) -> Outcome:
        return Done({})

    perform(sqlite_url, handler, write, 1)
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    made = list(database.parent.glob(f"{database.name}.*"))
    assert f"{database.name}.jobs" in [file.name for file in made]
    assert {oct(file.stat().st_mode & 0o777) for file in made} == {"0o600"}


def test_a_stop_overtakes_what_waits_and_no_stop_waits_for_another_that_fails(database_url) -> None:
    async def write(work: Work) -> None:
        work.bookkeeping("test")
        for number in range(150):
            await work.effect("call", {"name": f"bulk-{number}"}, lane=f"bulk:{number % 8}", rank=BULK)
        for number in range(40):
            await work.effect("call", {"name": "refused"}, lane=f"stop:{number}", rank=URGENT)
        await work.effect("call", {"name": "stop"}, lane="stop:last", rank=URGENT)
        await work.effect("call", {"name": "change"}, lane="bulk:3")

    async def handler(effect: Effect) -> Outcome:
        name = effect.payload["name"]
        if name == "refused":
            return Retry("429", 60.0, asked=True)
        await asyncio.sleep(0.2)
        return Done({})

    # So many settled that both must be among them, however the two cores are shared.
    calls, _ = perform(database_url, handler, write, 45)
    order = [effect.payload["name"] for effect in calls]
    assert order.index("stop") < 60, order
    assert sum(name.startswith("bulk") for name in order[: order.index("change")]) < 40, order


def test_what_waits_for_its_time_is_done_then_also_when_it_gave_its_place_back(sqlite_url) -> None:
    tries = 0

    async def write(work: Work) -> None:
        work.bookkeeping("test")
        await work.effect("call", {}, lane="stop:1", rank=URGENT)

    async def handler(_effect: Effect) -> Outcome:
        nonlocal tries
        tries += 1
        return Retry("429", 0.1, asked=True) if tries < 3 else Done({})

    quiet = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    with capture_logs() as lines:
        _, states = perform(sqlite_url, handler, write, 1)
    structlog.configure(wrapper_class=quiet)
    assert tries == 3 and [state for _, state in states] == ["done"]
    told = [(line["log_level"], line["event"]) for line in lines if line["event"].startswith("effect.")]
    assert told == [("info", "effect.paced")] * 2, "to wait because one is asked to is nothing to warn of"


def test_a_peer_that_only_asks_to_come_later_makes_nothing_dead(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        answers: list[Outcome] = []

        async def handle(_effect: Effect) -> Outcome:
            return answers.pop()

        async def write(work: Work) -> str:
            work.bookkeeping("test")
            return await work.effect("call", {}, lane="one")

        effect = await store.transact(TESTER, write)
        engine = Effects(store, {"call": handle}, [effect_settled])
        for _ in range(3 * MAX_ATTEMPTS):
            answers.append(Retry("429", 5.0, asked=True))
            assert await engine.attempt(effect) == 5.0
        failures = 0
        while True:
            answers.append(Retry("503"))
            failures += 1
            if await engine.attempt(effect) is None:
                break
        row = await store.reads.one("SELECT state FROM sb_effect WHERE id = ?", effect)
        assert row["state"] == "dead" and failures == MAX_ATTEMPTS - MOST_ASKED

    run_with_store(sqlite_url, clock, body)


def test_an_effect_whose_job_ended_without_it_is_handed_over_anew(database_url) -> None:
    async def main() -> list[str]:
        clock = SystemClock()
        database = await open_database(database_url, pool_size=4)
        store = Store(database, clock, UuidV7(clock))
        done: list[str] = []

        async def handle(effect: Effect) -> Outcome:
            done.append(effect.id)
            return Done({})

        async def write(work: Work) -> tuple[str, str]:
            work.bookkeeping("test")
            lost = await work.effect("call", {}, lane="one", key="lost")
            slow = await work.effect("call", {}, lane="two", key="slow")
            # Handed over long ago to a job that is no more; and a moment ago.
            handed = "UPDATE sb_effect SET state = 'handed', round = 1, next_at = next_at - ? WHERE id = ?"
            await work.tx.run(handed, 2 * LATE, lost)
            await work.tx.run(handed, 0, slow)
            return lost, slow

        jobs = Jobs(store, Effects(store, {"call": handle}, [effect_settled]))
        await jobs.start()
        await jobs.working()
        try:
            lost, slow = await store.transact(TESTER, write)
            # Unless the duty, which has just begun, was faster.
            assert await taken_back(store) <= 1
            async with asyncio.timeout(20):
                while not done:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            row = await store.reads.one("SELECT state FROM sb_effect WHERE id = ?", slow)
            assert done == [lost] and row["state"] == "handed" and await taken_back(store) == 0
        finally:
            await jobs.stop()
            await database.close()
        return done

    assert len(asyncio.run(main())) == 1
