"""T7 and T8: one change at a time, and many at once. Every change is looked for in the database afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from statistics import median

from tests.bench.compare import Load, Measured, Pace, Ratio, in_turn, ratio
from tests.bench.reads import HELLO, hello_load
from tests.bench.servers import Running
from tests.bench.site import Site, expect, tag
from tests.bench.table import Row

PATCHED = {"sqlite": 0.18, "postgresql": 0.12}
CREATED = {"sqlite": 0.12, "postgresql": 0.10}
MOST = 200


def change_rows(site: Site, hello: Running, pace: Pace) -> Iterator[Row]:
    """T7: PATCH of one attribute and POST, of agents and of people."""
    agents, people = site.ids_of(site.agent_names()), site.ids_of(site.person_names())
    owner, traffic, port = site.owner(), site.traffic, site.port
    loads = [
        hello_load(hello),
        Load("PATCH title of an agent", port, lambda: traffic.titles(agents, tag())),
        Load("PATCH title of a person", port, lambda: traffic.titles(people, tag())),
        Load("POST an agent with an owner", port, lambda: traffic.agent_creates(tag(), owner)),
        Load("POST a person", port, lambda: traffic.creates(tag())),
    ]
    kinds = ("agent.updated", "person.updated", "agent.created", "person.created")
    before = [site.count("sb_audit", f"action = '{kind}'") for kind in kinds]
    first, *measured = in_turn(loads, pace)
    for kind, was, found in zip(kinds, before, measured, strict=True):
        done = site.count("sb_audit", f"action = '{kind}'") - was
        expect(done >= found.requests, f"{found.name}: {found.requests} answered, {done} in the audit")
        wanted = (PATCHED if "PATCH" in found.name else CREATED)[site.place.backend]
        rows = site_rows(found)
        yield site.place.beside(
            "T7", found.name, found.rate, "/s", HELLO, ratio(found, first), ">=", wanted, rows
        )
    site.settled()


def site_rows(found: Measured) -> str:
    """Times of a load, for the note of its row."""
    return f"p50 {found.quantile(0.5) * 1e3:.2f} ms, p99 {found.quantile(0.99) * 1e3:.2f} ms, each with its audit row"


def hold_rows(site: Site, hello: Running, pace: Pace) -> Iterator[Row]:
    """T7, told only: what `active` costs, with holds and effects for agents and signals for people."""
    agents, people = site.ids_of(site.agent_names()), site.ids_of(site.person_names())
    loads = [
        hello_load(hello),
        Load("PATCH active of an agent", site.port, lambda: site.traffic.activity(agents)),
        Load("PATCH active of a person", site.port, lambda: site.traffic.activity(people)),
    ]
    holds, effects = site.count("sb_hold"), site.count("sb_effect")
    first, held, left = in_turn(loads, pace)
    expect(site.count("sb_hold") > holds, "PATCH active of an agent placed no hold")
    made = site.count("sb_effect") - effects
    note = f"holds, audit rows, re-rendered documents; {made} effects in all"
    for found in (held, left):
        yield site.place.beside("T7", found.name, found.rate, "/s", HELLO, ratio(found, first), note=note)
    site.settled()


def bulk_rows(site: Site, pace: Pace) -> Iterator[Row]:
    """T8: creates in Bulk by one client, beside single POSTs by sixteen."""
    people, size = site.count("sb_person"), min(MOST, max(20, site.agents // 5))
    posts, bulks = in_turn(
        [
            Load("single POSTs", site.port, lambda: site.traffic.creates(tag())),
            Load("Bulk", site.port, lambda: site.traffic.bulk(tag(), size), clients=1),
        ],
        pace,
    )
    statuses = {step["status"] for step in json.loads(bulks.last)["Operations"]}
    expect(statuses == {"201"}, f"Bulk: {statuses}")
    made = site.count("sb_person") - people
    expected = posts.requests + bulks.requests * size
    expect(made >= expected, f"Bulk: {expected} created by the answers, {made} in the database")
    rates = [rate * size for rate in bulks.rates]
    found = Ratio.of(rates, posts.rates)
    what = f"Bulk create, {size} operations a request, one client"
    beside = "single POSTs by 16 clients"
    yield site.place.beside("T8", what, median(rates), "created/s", beside, found, ">=", 2.0)
    site.settled()
