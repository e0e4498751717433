"""T1 to T5 and T10: reading one user, finding one, paging through all, and filters that are hard."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial
from statistics import median
from urllib.parse import quote

from scim_bridge.kernel import counters
from scim_bridge.kernel.database import open_database
from tests.bench.client import drive, forever, measure, pulse, run
from tests.bench.compare import Load, Pace, Ratio, in_turn, ratio
from tests.bench.servers import Running
from tests.bench.site import Site, expect
from tests.bench.table import Row
from tests.bench.traffic import Traffic

HELLO = "hello"
WANTED = {  # SQLite, PostgreSQL
    "T1": {"sqlite": 0.55, "postgresql": 0.40},
    "T2": {"sqlite": 0.40, "postgresql": 0.25},
}
FLAT = 1.3
PAGE = 100


def hello_load(hello: Running) -> Load:
    """What everything is compared with."""
    wanted = [Traffic("", "").send("GET", "/")]
    return Load(HELLO, hello.port, lambda: forever(wanted))


def finds(site: Site) -> dict[str, list[bytes]]:
    """GET by id and the three equality filters, over agents from all over the database."""
    names, traffic = site.agent_names(), site.traffic
    found = {
        "GET by id": traffic.get("Users", site.ids_of(names)),
        "filter userName eq": traffic.equal("Users", "userName", names),
        "filter externalId eq": traffic.equal("Users", "externalId", site.external_ids(names)),
        "filter emails.value eq": traffic.equal("Users", "emails.value", names),
    }
    for what, requests in found.items():
        _check_find(site, what, requests)
    return found


def _check_find(site: Site, what: str, requests: list[bytes]) -> None:
    """Every kind of request finds exactly the one agent it asks for."""
    name = site.agent_names()[0]
    answer = measure(site.port, requests[:1], clients=1, limit=1)
    body = json.loads(answer.last)
    if what.startswith("filter"):
        expect(body["totalResults"] == 1 and len(body["Resources"]) == 1, f"{what}: {body}")
        body = body["Resources"][0]
    expect(body["userName"] == name, f"{what} found {body['userName']}, not {name}")


def find_rows(site: Site, hello: Running, pace: Pace) -> Iterator[Row]:
    """T1 and T2."""
    base = hello_load(hello)
    loads = [Load(what, site.port, partial(forever, requests)) for what, requests in finds(site).items()]
    first, *measured = in_turn([base, *loads], pace)
    for found in measured:
        target = "T1" if found.name == "GET by id" else "T2"
        wanted = WANTED[target][site.place.backend]
        note = f"p50 {found.quantile(0.5) * 1e3:.2f} ms, p99 {found.quantile(0.99) * 1e3:.2f} ms"
        yield site.place.beside(
            target, found.name, found.rate, "/s", HELLO, ratio(found, first), ">=", wanted, note
        )


def size_rows(small: Site, large: Site, pace: Pace) -> Iterator[Row]:
    """T3: the same requests, in a small database and in a large one."""
    here, there = finds(small), finds(large)
    for what in here:
        loads = [
            Load(f"{what} ({site.agents})", site.port, partial(forever, requests))
            for site, requests in ((small, here[what]), (large, there[what]))
        ]
        few, many = in_turn(loads, pace)
        time_ratio = ratio(many, few).inverse()
        beside = f"the time at {small.agents:,}"
        yield large.place.beside("T3", what, many.rate, "/s", beside, time_ratio, "<=", FLAT)


def list_rows(site: Site, hello: Running, pace: Pace) -> Iterator[Row]:
    """T4: the first page beside hello, and the deepest beside the first.

    Depth is compared among agents alone: the first users are people, whose documents are less than half as long.
    """
    agents = site.call("GET", "/Agents?count=1")[1]["totalResults"]
    first = [site.traffic.page("Users", 1)]
    starts = [max(1, agents - PAGE * back + 1) for back in range(1, 11)]
    near, deep = ([site.traffic.page("Agents", at) for at in each] for each in (range(1, 11), starts))
    status, body = site.call("GET", f"/Agents?startIndex={starts[0]}&count={PAGE}")
    expect(status == 200 and len(body["Resources"]) == min(PAGE, agents), f"deepest page: {status}")
    hello_, page, shallow, far = in_turn(
        [
            hello_load(hello),
            Load("first page of 100", site.port, lambda: forever(first)),
            Load("first pages of 100 agents", site.port, lambda: forever(near)),
            Load("deepest pages of 100 agents", site.port, lambda: forever(deep)),
        ],
        pace,
    )
    yield site.place.beside("T4", page.name, page.rate, "/s", HELLO, ratio(page, hello_), ">=", 0.12)
    beside = "the time of the first pages"
    yield site.place.beside("T4", far.name, far.rate, "/s", beside, ratio(far, shallow).inverse(), "<=", FLAT)


def total_rows(site: Site, pace: Pace) -> Iterator[Row]:
    """T5: what a page of 100 would take if it did not say how many there are.

    SCIM has no list without totalResults, so reading the total is timed on its own, in this process on the
    same database, and taken off the time of the page.
    """
    listed = [site.traffic.page("Users", 1)]
    whole, bare = [], []
    for _ in range(pace.rounds):
        page = 1 / measure(site.port, forever(listed), clients=1, seconds=pace.seconds).rate
        total = asyncio.run(_total(site, pace.seconds / 4))
        expect(
            total < page, f"reading the total took {total * 1e3:.3f} ms, the whole page {page * 1e3:.3f} ms"
        )
        whole.append(page)
        bare.append(page - total)
    found = Ratio.of(whole, bare)
    what, beside = "page of 100 with totalResults, one client", "the time without the total"
    yield site.place.beside("T5", what, 1e3 * median(whole), "ms", beside, found, "<=", 1.1)


async def _total(site: Site, seconds: float) -> float:
    """Seconds that reading the number of users takes; Dishonest when it is wrong."""
    database = await open_database(site.url, pool_size=1)
    try:
        found = await counters.total(database.reads, "live:user")
        there = site.count("sb_resource", "space = 'user' AND deleted IS NULL")
        expect(found == there, f"the counter says {found}, there are {there}")
        began, calls = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            await counters.total(database.reads, "live:user")
            calls += 1
        return (time.perf_counter() - began) / calls
    finally:
        await database.close()


def scan_rows(site: Site, pace: Pace) -> Iterator[Row]:
    """T10: filters without an index, while a probe asks for a user every few milliseconds."""
    scans = [
        'title co "zzz"',
        'name.familyName ew "Agent9" and title pr',
        'not (displayName sw "Invoices")',
        'meta.created gt "2020-01-01T00:00:00Z" and title eq "nobody"',
    ]
    loads = [site.traffic.send("GET", f"/Users?filter={quote(each)}&count=10") for each in scans]
    probe = site.traffic.get("Users", site.ids_of(site.agent_names(200)))
    idle, scanned = [], []
    statuses: dict[int, int] = {}
    for _ in range(pace.rounds):
        quiet = run(pulse(site.port, probe, every=0.005, seconds=pace.seconds))[0]
        idle.append(max(quiet.times))
        load, beat = run(
            drive(site.port, forever(loads), clients=2, seconds=pace.seconds),
            pulse(site.port, probe, every=0.005, seconds=pace.seconds),
        )
        scanned.append(max(beat.times))
        for status, count in load.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
        expect(set(load.statuses) <= {200, 400}, f"scans: {load.statuses}")
        expect(set(beat.statuses) == {200}, f"probe: {beat.statuses}")
    # The operating system only ever adds: what the loop itself blocks for is there in every round.
    worst, calm = min(scanned), min(idle)
    note = (
        f"least of the rounds' worst; {calm * 1e3:.1f} ms without; scans answered {statuses} (400: tooMany)"
    )
    yield site.place.alone("T10", "loop blocked by unindexed filters", worst * 1e3, "ms", "<=", 20, note)
