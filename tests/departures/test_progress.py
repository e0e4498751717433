"""Promises about a case under way: stuck and told once while a step is dead, closed by the last step, truly."""

from __future__ import annotations

import asyncio

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import verify_case
from scim_bridge.departures.service import due
from scim_bridge.departures.view import shown
from scim_bridge.kernel.effects import revive
from scim_bridge.kernel.work import Store, Work
from tests.conftest import TESTER
from tests.departures.house import cases, context, drain, engine, furnish, heard, left, waiting


async def dead(store: Store) -> list[str]:
    rows = await store.reads.all("SELECT id FROM sb_effect WHERE state = 'dead' ORDER BY id")
    return [row["id"] for row in rows]


async def quietly(work: Work) -> None:
    work.bookkeeping("test")


def test_a_dead_step_makes_the_case_stuck_security_hears_once_and_a_retry_closes_it(
    on_store, receiver, clock
) -> None:
    receiver.answer = lambda path, _before: (410, {}) if path == "/vault" else (204, {})

    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        ctx = context(store)
        effects = engine(ctx, receiver)
        await drain(effects, store)
        gone = await dead(store)
        assert len(gone) == 2
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert (seen["state"], seen["dead"], seen["waiting"]) == ("stuck", 2, 0)
        assert [told["data"]["step"] for told in notices()] == ["credential.revoke"]
        assert "410" in notices()[0]["data"]["reason"]

        receiver.answer = lambda _path, _before: (204, {})
        clock.advance(seconds=360)
        for effect_id in gone:
            await revive(store, TESTER, effect_id, quietly)
            await drain(effects, store)
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert (seen["state"], seen["within_budget"], seen["seconds"]) == ("closed", False, 360.0)
        verdict = await verify_case(ctx, await find_case(store.reads, seen["id"]))
        assert verdict.ok
        assert not verdict.within_budget
        assert verdict.content["complete"] is True
        assert len(notices()) == 1
        await ctx.outbound.aclose()

    def notices() -> list:
        return [told for told in receiver.bodies("/notify") if told["template"] == "departure-stuck"]

    on_store(body)
    notices_per_backend = [t for t in receiver.bodies("/notify") if t["template"] == "departure-stuck"]
    assert notices_per_backend[0]["to"] is None


def test_a_dropped_step_closes_the_case_and_the_receipt_says_it_was_not_done(
    on_store, receiver, clock
) -> None:
    receiver.answer = lambda path, _before: (410, {}) if path == "/vault" else (204, {})

    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        ctx = context(store)
        await drain(engine(ctx, receiver), store)

        async def drop(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run("UPDATE sb_effect SET state = 'dropped' WHERE state = 'dead'")

        await store.transact(TESTER, drop)
        await due(ctx)
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert (seen["state"], seen["within_budget"]) == ("closed", False)
        verdict = await verify_case(ctx, await find_case(store.reads, seen["id"]))
        assert verdict.ok, verdict.findings
        assert verdict.content["complete"] is False
        states = [s["state"] for s in verdict.content["steps"] if s["what"] == "credential.revoke"]
        assert states == ["dropped", "dropped"]
        await ctx.outbound.aclose()

    on_store(body)


def test_last_effects_that_end_at_the_same_moment_close_the_case_exactly_once(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        ctx = context(store)
        effects = engine(ctx, receiver)
        await asyncio.gather(*(effects.attempt(effect) for effect in await waiting(store)))
        (case,) = await cases(store)
        assert case["state"] == "closed"
        issued = await store.reads.one(
            "SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'departure.receipt_issued'"
        )
        assert issued["n"] == 1
        await ctx.outbound.aclose()

    on_store(body)


def test_a_case_that_runs_longer_than_five_minutes_says_so_while_it_runs(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        clock.advance(seconds=299)
        assert (await shown(store.reads, "priya@corp.test", clock.now()))["within_budget"] is None
        clock.advance(seconds=2)
        seen = await shown(store.reads, "priya@corp.test", clock.now())
        assert (seen["within_budget"], seen["seconds"], seen["waiting"]) == (False, 301.0, 11)

    on_store(body)
