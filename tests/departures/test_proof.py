"""Promises of the proof: late is told once, an IdP away for an hour shows in both times, old keys go on to verify."""

from __future__ import annotations

import math
from functools import partial

import orjson

from scim_bridge.departures.canary import handlers
from scim_bridge.departures.cases import find_case
from scim_bridge.departures.drill import begin, finish, tick
from scim_bridge.departures.receipt import export, rotate_key, verify_case, verify_file
from scim_bridge.departures.rules import RULES
from scim_bridge.departures.service import due, reactor
from scim_bridge.departures.status import DRILL_OK, SECONDS, line, show_in_metrics, status
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.crypto import public_keys
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.signal import Signal
from scim_bridge.registry.signing_keys import forget_signing_keys
from scim_bridge.signals.service import accept
from tests.conftest import MASTER, TESTER
from tests.departures.house import cases, context, drain, engine, facts, furnish, heard, left, waiting


def test_with_an_idp_away_for_an_hour_agents_are_denied_at_once_and_told_there_when_it_returns(
    on_store, receiver, clock
) -> None:
    receiver.answer = lambda path, _before: (503, {}) if path == "/idp" else (204, {})

    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)
        effects = engine(ctx, receiver)
        start = clock.now()
        await heard(store, left(ids["priya"], start))
        assert not (await facts(store, ids["refund"])).resource.active
        for _ in range(6):
            await drain(effects, store)
            await due(ctx)
            clock.advance(seconds=600)
        late = [n for n in receiver.bodies("/notify") if n["template"] == "departure-late"]
        assert len(late) == 1, "somebody is paged once"
        assert {step["kind"] for step in late[0]["data"]["steps"]} == {"idp.push"}
        found = await status(store.reads, clock.now())
        assert (found["open"], found["late"]) == (1, 1)
        assert line(found) == "1 open, 1 late"

        receiver.answer = lambda _path, _before: (204, {})
        await drain(effects, store)
        measured = SECONDS._sum.get()
        await due(ctx)
        assert SECONDS._sum.get() - measured == 3600.0
        case = await find_case(store.reads, "priya@corp.test")
        verdict = await verify_case(ctx, case)
        assert verdict.ok, verdict.findings
        assert not verdict.within_budget
        refund = next(a for a in verdict.content["agents"] if a["agent"] == "refund")
        assert refund["denied_here"] == iso(start)
        assert refund["told_there"] == {"okta": iso(clock.now())}
        assert next(a for a in verdict.content["agents"] if a["agent"] == "triage")["denied_here"] is None
        assert (await status(store.reads, clock.now()))["late"] == 0
        await ctx.outbound.aclose()

    on_store(body)


def test_a_held_agent_nobody_takes_over_is_told_of_once_after_a_day(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)
        await heard(store, left(ids["priya"], clock.now()))
        for days in (0.5, 0.6, 0.2):
            clock.advance(days=days)
            await due(ctx)
        rows = await store.reads.all("SELECT payload FROM sb_effect WHERE payload LIKE '%departure-unowned%'")
        assert len(rows) == 1
        assert "refund" in rows[0]["payload"]
        await ctx.outbound.aclose()

    on_store(body)


def test_receipts_of_before_a_key_rotation_verify_with_the_published_keys_and_no_others(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)
        effects = engine(ctx, receiver)
        files = []
        for number, name in enumerate(("priya", "lena")):
            await heard(store, left(ids[name], clock.now(), key=str(number)))
            await drain(effects, store)
            await due(ctx)
            case = await find_case(store.reads, f"{name}@corp.test")
            files.append(orjson.dumps(await export(ctx, case)))
            await store.transact(TESTER, lambda work: rotate_key(work, MASTER))
        # What they were signed with is not only replaced: nobody can sign with it any more.
        await store.transact(TESTER, lambda work: forget_signing_keys(work, "receipt"))
        published = await public_keys(store.reads, "receipt")
        assert len(published) == 3
        for file in files:
            assert verify_file(file, published).ok
            raw = bytearray(file)
            raw[raw.index(b".") + 30] ^= 1
            assert not verify_file(bytes(raw), published).ok
        newest = dict([list(published.items())[-1]])
        assert not verify_file(files[0], newest).ok
        assert (await verify_case(ctx, await find_case(store.reads, "priya@corp.test"))).ok
        await ctx.outbound.aclose()

    on_store(body)


async def told(work: Work, signal: Signal) -> object:
    return await accept(work, signal, reactor(RULES))


def drilling(ctx, receiver, answers: list[bool]) -> Effects:
    async def probe(_connection_id: str) -> object:
        if answers and not answers.pop(0):
            raise Refused("idp-away", "The IdP does not answer.")
        return None

    made = engine(ctx, receiver)
    made._handlers = {**made._handlers, **handlers(probe)}
    return made


def test_a_drill_goes_the_whole_way_measures_each_hop_touches_nobody_and_cleans_up(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        await furnish(store)
        ctx = context(store)
        effects = drilling(ctx, receiver, [])
        everybody = await store.reads.one("SELECT COUNT(*) AS n FROM sb_resource WHERE deleted IS NULL")
        await tick(ctx, DAY, told)
        await tick(ctx, DAY, told)
        (case,) = await cases(store)
        assert (case["drill"], case["counted"]) == (1, None)
        row = await store.reads.one("SELECT active FROM sb_resource WHERE name LIKE 'canary%agent@%'")
        assert row["active"] == 0, "the canary is denied"
        assert (await status(store.reads, clock.now()))["open"] == 0, "no real departure"
        clock.advance(seconds=3)
        await drain(effects, store)
        said = await finish(ctx)
        assert said is not None
        assert (said["state"], said["seconds"]) == ("passed", 3.0), said
        assert [hop["hop"] for hop in said["hops"]] == [
            "denied here",
            "told worker",
            "told okta",
            "receipt signed",
        ]
        assert receiver.calls == [], "nobody was told anything"
        left_over = await store.reads.one("SELECT COUNT(*) AS n FROM sb_resource WHERE deleted IS NULL")
        assert left_over["n"] == everybody["n"]
        assert await waiting(store) == []
        assert (await status(store.reads, clock.now()))["drill"]["state"] == "passed"
        await tick(ctx, DAY, told)
        assert len(await cases(store)) == 1
        clock.advance(days=1)
        await tick(ctx, DAY, told)
        assert len(await cases(store)) == 2
        await ctx.outbound.aclose()

    on_store(body)


def test_a_drill_that_does_not_arrive_fails_is_told_and_cleans_up(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        await furnish(store)
        ctx = context(store)
        effects = drilling(ctx, receiver, [False] * 9)
        await store.transact(TESTER, partial(begin, accept=told))
        await drain(effects, store)
        assert await finish(ctx) is None
        clock.advance(seconds=361)
        said = await finish(ctx)
        assert said is not None
        assert said["state"] == "failed"
        assert "The IdP does not answer." in {hop.get("error") for hop in said["hops"]}
        await drain(effects, store)
        assert [n["template"] for n in receiver.bodies("/notify")] == ["drill-failed"]
        names = await store.reads.all(
            "SELECT name FROM sb_resource WHERE name LIKE 'canary%' AND deleted IS NULL"
        )
        assert names == []
        await ctx.outbound.aclose()

    on_store(body)


def test_before_the_first_drill_its_gauge_says_nothing_and_alerts_nobody(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        await show_in_metrics(store.reads, clock.now())
        assert math.isnan(DRILL_OK._value.get())
        await furnish(store)
        ctx = context(store)
        effects = drilling(ctx, receiver, [False] * 9)
        await store.transact(TESTER, partial(begin, accept=told))
        await drain(effects, store)
        clock.advance(seconds=361)
        await finish(ctx)
        await show_in_metrics(store.reads, clock.now())
        assert DRILL_OK._value.get() == 0
        await ctx.outbound.aclose()

    on_store(body)
