"""T9: what readers notice while somebody imports by Bulk."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from statistics import median

from tests.bench.client import Result, drive, forever, pulse, run
from tests.bench.compare import Pace, Ratio
from tests.bench.site import Site, expect, tag
from tests.bench.table import Row

MOST = 500
IMPORTED = 100_000
BEAT = 0.005


def import_rows(site: Site, pace: Pace) -> Iterator[Row]:
    """GETs on a quiet server and during an import, in turn; 100,000 people are imported at most."""
    created = IMPORTED // (2 * pace.rounds)
    reads = site.traffic.get("Users", site.ids_of(site.agent_names()))
    quiet: dict[str, list[float]] = {"beat": [], "load": []}
    busy: dict[str, list[float]] = {"beat": [], "load": []}
    made = 0
    before = site.count("sb_person")
    for _ in range(pace.rounds):
        made += _beat(site, reads, pace.seconds, created, quiet["beat"], busy["beat"])
        made += _load(site, reads, pace.seconds, created, quiet["load"], busy["load"])
    there = site.count("sb_person") - before
    expect(there >= made > 0, f"import: {made} answered, {there} in the database")
    for name, what in (
        ("beat", "200 GETs a second over one connection"),
        ("load", "GETs by 16 clients without pause"),
    ):
        found = Ratio.of(busy[name], quiet[name])
        note = f"{median(quiet[name]):.2f} ms on a quiet server; {made:,} people imported meanwhile"
        what = f"p99 of {what}, during a Bulk import"
        yield site.place.beside(
            "T9", what, median(busy[name]), "ms", "p99 on a quiet server", found, "<=", 5.0, note
        )
    site.settled()


def operations(site: Site) -> int:
    """Operations of one Bulk request: 500, fewer where that would be the whole database."""
    return min(MOST, max(20, site.agents // 10))


def _imported(site: Site, seconds: float, created: int) -> Awaitable[Result]:
    size = operations(site)
    limit = max(1, created // size)
    return drive(site.port, site.traffic.bulk(tag(), size), clients=1, seconds=seconds, limit=limit)


def _beat(
    site: Site, reads: list[bytes], seconds: float, created: int, quiet: list[float], busy: list[float]
) -> int:
    alone = run(pulse(site.port, reads, every=BEAT, seconds=seconds))[0]
    beside, bulk = run(
        pulse(site.port, reads, every=BEAT, seconds=seconds), _imported(site, seconds, created)
    )
    return _noted(alone, beside, bulk, quiet, busy) * operations(site)


def _load(
    site: Site, reads: list[bytes], seconds: float, created: int, quiet: list[float], busy: list[float]
) -> int:
    alone = run(drive(site.port, forever(reads), seconds=seconds))[0]
    beside, bulk = run(drive(site.port, forever(reads), seconds=seconds), _imported(site, seconds, created))
    return _noted(alone, beside, bulk, quiet, busy) * operations(site)


def _noted(alone: Result, beside: Result, bulk: Result, quiet: list[float], busy: list[float]) -> int:
    for found in (alone, beside, bulk):
        expect(set(found.statuses) == {200}, f"during import: {found.statuses}")
    quiet.append(alone.quantile(0.99) * 1e3)
    busy.append(beside.quantile(0.99) * 1e3)
    return bulk.requests
