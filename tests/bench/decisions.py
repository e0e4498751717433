"""T12: decisions over HTTP beside the bare Cedar call and beside node-casbin, and how soon a hold is seen."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import cedarpy
import orjson

from scim_bridge.access.cedar import entities_of, request_of
from scim_bridge.access.facts import facts_about
from scim_bridge.access.model import Question
from scim_bridge.access.policies import Policies, load_policies
from scim_bridge.kernel.database import open_database
from tests.bench.client import forever
from tests.bench.compare import Load, Measured, Pace, Ratio, in_turn, ratio
from tests.bench.databases import Databases, query
from tests.bench.machine import on_client_core
from tests.bench.peers.casbin import casbin
from tests.bench.peers.start import TOKEN
from tests.bench.population import slug
from tests.bench.servers import bridge
from tests.bench.site import Site, expect, site
from tests.bench.table import Place, Row
from tests.bench.teams import (
    EVALUATION,
    EVALUATIONS,
    POLICIES,
    Asked,
    asked,
    fill_teams,
    peer_members,
    peer_policies,
    posted,
    write_policies,
)

QUESTIONS = 2000
BARE = 300
BATCH = 50
END_TO_END = 3.0
HOLD_SECONDS = 1.0
Calls = Sequence[tuple[dict[str, Any], str]]


def decision_rows(source: Databases, scratch: Path, agents: int, pace: Pace, peers: bool) -> Iterator[Row]:
    """Every row of T12 on one back end."""
    url = source.filled(agents)
    token = fill_teams(url)
    file = scratch / f"access-{source.name}.cedar"
    write_policies(file)
    place = Place(source.name, agents)
    with ExitStack() as stack:
        running = stack.enter_context(bridge(url, {"SCIM_BRIDGE_POLICIES": str(file)}))
        allowed = [posted(EVALUATION, token, orjson.dumps(q.body())) for q in asked(agents, QUESTIONS)]
        mixed = asked(agents, QUESTIONS, denied_every=10)
        some = [posted(EVALUATION, token, orjson.dumps(q.body())) for q in mixed]
        loads = [
            Load("one client", running.port, lambda: forever(allowed), clients=1),
            Load("allowed", running.port, lambda: forever(allowed)),
            Load("one in ten denied", running.port, lambda: forever(some)),
            Load("batches", running.port, lambda: forever(_batches(agents, token)), clients=2),
        ]
        if peers:
            other = stack.enter_context(casbin(scratch, peer_policies(), peer_members(agents)))
            questions = [posted("/", TOKEN, orjson.dumps(q.body())) for q in asked(agents, QUESTIONS)]
            loads.append(Load("casbin", other.port, lambda: forever(questions)))
        bare = _Bare(url, load_policies(file), list(asked(agents, BARE)))
        whole, sliced = bare.whole(pace), bare.sliced(pace)
        measured = in_turn(loads, pace)
        whole += bare.whole(pace)
        sliced += bare.sliced(pace)
        for load in measured[:2]:
            expect(json.loads(load.last)["decision"] is True, f"{load.name}: {load.last[:300]!r}")
    yield from _beside_cedar(place, measured[0], whole, sliced)
    yield from _rates(place, measured)


def _beside_cedar(
    place: Place, alone: Measured, whole: Sequence[float], sliced: Sequence[float]
) -> Iterator[Row]:
    took = alone.quantile(0.5)
    what = f"a decision over HTTP, {POLICIES:,} policies, one client"
    note = (
        f"median {took * 1e6:,.0f} µs from request to answer, p99 {alone.quantile(0.99) * 1e6:,.0f} µs; the bare call"
        f" {median(whole) * 1e6:,.0f} µs over all policies, {median(sliced) * 1e6:,.0f} µs over those that can match"
    )
    for name, bare, judged in (
        ("the bare Cedar call over all policies", whole, ("<=", END_TO_END)),
        ("the bare Cedar call over the few that can match", sliced, ("", None)),
    ):
        found = Ratio(took / median(bare), took / max(bare), took / min(bare))
        yield place.beside("T12", what, took * 1e6, "µs", name, found, *judged, note)


def _rates(place: Place, measured: Sequence[Measured]) -> Iterator[Row]:
    _, allowed, some, batches, *others = measured
    for load, what in (
        (allowed, "decisions, allowed"),
        (some, "decisions, one in ten denied (committed first)"),
    ):
        note = f"16 clients; p99 {load.quantile(0.99) * 1e3:.1f} ms, median {load.quantile(0.5) * 1e3:.1f} ms"
        yield place.alone("T12", what, load.rate, "/s", note=note)
    size = len(json.loads(batches.last)["evaluations"])
    note = f"2 clients; p99 of a batch {batches.quantile(0.99) * 1e3:.0f} ms"
    yield place.alone("T12", f"decisions in batches of {size}", batches.rate * size, "/s", note=note)
    for other in others:
        note = (
            f"casbin {other.rate:,.0f}/s, p99 {other.quantile(0.99) * 1e3:.1f} ms; in memory, nothing logged"
        )
        yield place.beside(
            "T12", "decisions, allowed", allowed.rate, "/s", "node-casbin", ratio(allowed, other), note=note
        )


def _batches(agents: int, token: str) -> list[bytes]:
    questions = [question.body() for question in asked(agents, QUESTIONS)]
    return [
        posted(EVALUATIONS, token, orjson.dumps({"evaluations": questions[start : start + BATCH]}))
        for start in range(0, len(questions), BATCH)
    ]


class _Bare:
    """The calls a decision makes of Cedar, with everything prepared that Cedar does not do itself."""

    def __init__(self, url: str, policies: Policies, questions: Sequence[Asked]) -> None:
        self._policies = policies
        self._calls, self._groups = asyncio.run(_prepared(url, questions))

    def whole(self, pace: Pace) -> list[float]:
        """Seconds of one call over all policies, a round each."""
        return self._timed(pace, lambda _: self._policies.compiled.whole)

    def sliced(self, pace: Pace) -> list[float]:
        """The same over the policies that can match."""
        slices = [
            self._policies.compiled.of(request, groups)
            for (request, _), groups in zip(self._calls, self._groups, strict=True)
        ]
        return self._timed(pace, lambda index: slices[index])

    def _timed(self, pace: Pace, policies: Callable[[int], Any]) -> list[float]:
        rounds = []
        schema = self._policies.schema
        with on_client_core():
            for _ in range(max(2, pace.rounds)):
                began = time.perf_counter()
                for index, (request, entities) in enumerate(self._calls):
                    answer = cedarpy.is_authorized(request, policies(index), entities, schema)
                    expect(answer.allowed, f"the bare call denied: {answer.diagnostics.errors}")
                rounds.append((time.perf_counter() - began) / len(self._calls))
        return rounds


async def _prepared(url: str, questions: Sequence[Asked]) -> tuple[Calls, list[tuple[str, ...]]]:
    database = await open_database(url)
    try:
        calls, groups = [], []
        now = time.time_ns() // 1000
        for asked_ in questions:
            facts = (await facts_about(database.reads, slug(asked_.number)))[0]
            question = Question("agent", facts.slug, asked_.action, asked_.kind, "storefront")
            entities = orjson.dumps(entities_of(facts, question, now)).decode()
            request = request_of(facts, question, now)
            calls.append(({**request, "context": orjson.dumps(request["context"]).decode()}, entities))
            groups.append(facts.groups)
        return calls, groups
    finally:
        await database.close()


def replica_rows(source: Databases, scratch: Path, agents: int, pace: Pace) -> Iterator[Row]:
    """How long after the answer to a hold another replica still allows: two processes on one PostgreSQL."""
    url = source.filled(agents)
    token = fill_teams(url)
    file = scratch / "access-replicas.cedar"
    write_policies(file)
    settings = {"SCIM_BRIDGE_POLICIES": str(file)}
    with site(url, source.name, agents) as first, bridge(url, settings) as second:
        chosen = list(asked(agents, max(10, pace.rounds * 10)))
        waits = [_seen(first, second.port, token, question) for question in chosen]
    middle = f"median {median(waits):.4f} s"
    note = f"{len(waits)} holds by SCIM at one process, asked at the other until it denies; {middle}"
    what = "a hold seen by another replica after its commit was answered"
    yield Place(source.name, agents).alone("T12", what, max(waits), "s", "<=", HOLD_SECONDS, note)


def _seen(first: Site, port: int, token: str, question: Asked) -> float:
    import http.client

    def decided() -> bool:
        connection.request(
            "POST",
            EVALUATION,
            orjson.dumps(question.body()),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        return bool(json.loads(connection.getresponse().read())["decision"])

    identity = query(first.url, f"SELECT id FROM sb_agent WHERE slug = '{slug(question.number)}'")[0][0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        expect(decided(), f"{slug(question.number)} was denied before it was held")
        change = {"op": "replace", "value": {"active": False}}
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]}
        status, answer = first.call("PATCH", f"/Users/{identity}", body)
        held = time.perf_counter()
        expect(status == 200, f"the hold was answered {status} {answer}")
        while decided():
            expect(time.perf_counter() - held < 30, "the hold was never seen")
        return time.perf_counter() - held
    finally:
        connection.close()
