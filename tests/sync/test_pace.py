"""Promises of the pace: a reserve is left for others, a stop may use it, Graph's budgets are kept unseen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.sandbox.entra.graph import throttle
from scim_bridge.sync.idp.entra.pace import Pace as EntraPace
from scim_bridge.sync.idp.okta.pace import Pace as OktaPace
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.rate import urgently

SECOND = 1_000_000


def okta_headers(remaining: int, limit: int = 100) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": "40",
        "date": "Thu, 01 Jan 1970 00:00:00 GMT",
    }


def test_a_stop_passes_while_only_oktas_reserve_is_left_and_nothing_else_does() -> None:
    async def main() -> None:
        pace = OktaPace(now=lambda: 0.0, reserve=20)
        pace.leave("POST users", await pace.enter("POST users"), okta_headers(20))
        with pytest.raises(IdpError) as told:
            await pace.enter("POST users")
        assert told.value.transient and told.value.retry_after == 42
        with urgently(True):
            for left in range(19, -1, -1):
                pace.leave("POST users", await pace.enter("POST users"), okta_headers(left))
            with pytest.raises(IdpError):
                await pace.enter("POST users")

    asyncio.run(main())


@dataclass
class Graph:
    """The sandbox's own budgets on a clock that only waiting moves."""

    units: tuple[float, float]
    writes: tuple[float, float]
    time: float = 0.0
    taken: dict[str, int] = field(default_factory=lambda: {"GET": 0, "PATCH": 0})
    refused: int = 0

    def __post_init__(self) -> None:
        self.buckets: dict[str, throttle.Bucket | None] = {"units": None, "writes": None}

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    def answer(self, method: str) -> tuple[int, dict[str, str]]:
        now, share = int(self.time * SECOND), 0.0
        limits = [("units", *self.units)] + ([("writes", *self.writes)] if method != "GET" else [])
        for name, capacity, seconds in limits:
            after, wait = throttle.take(self.buckets[name], 1, capacity, seconds, now)
            if wait:
                self.refused += 1
                return 429, {"retry-after": str(wait), "x-ms-throttle-limit-percentage": "1.00"}
            self.buckets[name] = after
            share = max(share, throttle.used_share(after, capacity))
        self.taken[method] += 1
        return 200, {
            "x-ms-resource-unit": "1",
            **({"x-ms-throttle-limit-percentage": f"{share:.2f}"} if share > 0.8 else {}),
        }

    def pace(self, **options) -> EntraPace:
        options = {"units": self.units, "writes": self.writes, "patience": 1e9, **options}
        return EntraPace(now=lambda: self.time, sleep=self.sleep, **options)


async def call(graph: Graph, pace: EntraPace, method: str) -> int:
    passing = await pace.enter(method)
    graph.time += 0.001
    status, headers = graph.answer(method)
    pace.leave(passing, status, headers)
    return status


@given(st.integers(0, 30), st.integers(20, 400), st.sampled_from(["GET", "PATCH"]))
def test_graph_refuses_nothing_and_nine_tenths_of_the_budget_are_used(reserve, capacity, method) -> None:
    graph = Graph((capacity * 3.0, 10.0), (float(capacity), 30.0))

    async def main() -> None:
        pace = graph.pace(reserve=reserve)
        while graph.time < 90:
            await call(graph, pace, method)

    asyncio.run(main())
    size, seconds = graph.units if method == "GET" else graph.writes
    allowed = (size + size / seconds * 90) * (100 - reserve) / 100
    assert graph.refused == 0
    assert graph.taken[method] >= 0.9 * allowed


def test_what_another_process_takes_is_made_room_for_before_graph_refuses() -> None:
    graph = Graph((3500.0, 10.0), (300.0, 15.0))

    async def main() -> None:
        paces = [graph.pace(), graph.pace(), graph.pace()]
        while graph.time < 300:
            for pace in paces:
                await call(graph, pace, "PATCH")

    asyncio.run(main())
    assert graph.refused <= 3, "each process learns of the others before it is refused again and again"
    assert graph.taken["PATCH"] >= 0.8 * (300 + 20 * 300)


def test_after_a_429_only_stops_pass_until_the_time_graph_named() -> None:
    async def main() -> None:
        pace = EntraPace(now=lambda: 0.0)
        pace.leave(await pace.enter("PATCH"), 429, {"retry-after": "30"})
        with pytest.raises(IdpError) as told:
            await pace.enter("GET")
        assert told.value.transient and told.value.retry_after == 31
        with urgently(True):
            await pace.enter("PATCH")

    asyncio.run(main())


def test_a_long_wait_is_handed_back_instead_of_slept() -> None:
    async def main() -> None:
        pace = EntraPace(now=lambda: 0.0, writes=(10.0, 600.0), reserve=0)
        for _ in range(10):
            await pace.enter("POST")
        with pytest.raises(IdpError) as told:
            await pace.enter("POST")
        assert told.value.transient and 59 <= (told.value.retry_after or 0) <= 70
        await pace.enter("GET")

    asyncio.run(main())
