"""`python -m tests.chaos.capacity [--for 100000000]`: what so many agents would take, computed from what few take.

PostgreSQL is filled with N and 2 N agents as an import leaves them; every table and index is measured, a line put
through both, and the line held against a third database of 4 N before it is believed. From the bytes an entry takes in
an index follows its depth, and from that the pages a lookup reads. Nothing here knows a price list: it is arithmetic,
and it is repeated by running it.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from scim_bridge.access.log import INSERT
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.ids import UuidV7
from tests.bench.fill import fill
from tests.chaos.demand import SERVER_CORES, Bytes, Cost, Habit, demanded, most_on_one_server
from tests.chaos.postgres import Postgres
from tests.conftest import with_database

SECRET = "capacity master key, thirty-two bytes or more"
PAGE = 8192
# A page of an index: its header, nine tenths filled (B-tree's fillfactor), four bytes a pointer to each entry.
USABLE = (PAGE - 40) * 0.9
GIGABYTE = 2**30
DECISIONS = 20_000

Sizes = Mapping[str, "Size"]


@dataclass(frozen=True, slots=True)
class Size:
    """A table or an index: its bytes and its entries."""

    table: str
    index: bool
    bytes: int
    entries: int


def measured(url: str) -> dict[str, Size]:
    """Every table and index that has something in it."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("VACUUM (ANALYZE)")
        rows = database.execute(
            "SELECT c.relname, COALESCE(t.relname, c.relname), c.relkind = 'i',"
            " pg_total_relation_size(c.oid) * (c.relkind = 'i')::int"
            " + pg_table_size(c.oid) * (c.relkind = 'r')::int, c.reltuples::bigint"
            " FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')"
            " AND COALESCE(t.relname, c.relname) LIKE 'sb\\_%'"
        ).fetchall()
    return {name: Size(table, index, int(size), max(0, int(n))) for name, table, index, size, n in rows}


def filled(postgres: Postgres, agents: int, decisions: int = 0) -> dict[str, Size]:
    """A database of so many agents, measured."""
    name = f"c{agents}"
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url = with_database(postgres.url, name)
    fill(url, SECRET, agents)
    if decisions:
        _decide(url, decisions)
    return measured(url)


def _decide(url: str, number: int) -> None:
    """So many decisions as the log keeps them."""
    clock = SystemClock()
    ids = UuidV7(clock)
    reason = json.dumps([{"id": "source-code-read", "text": "Group source-code may read repositories."}])
    policies = '["source-code-read"]'
    with psycopg.connect(url) as database, database.cursor() as cursor:
        agents = [row[0] for row in cursor.execute("SELECT id FROM sb_agent LIMIT 1000").fetchall()]
        rows = []
        for n in range(number):
            agent = agents[n % len(agents)]
            asked = (agent, agent, "read", "repository", f"repo-{n % 500}", 1, reason, policies)
            asker = (ids.new(), "gateway", ids.new(), "agent", "{}", "{}", None)
            rows.append((ids.new(), clock.now(), *asked, *asker))
        cursor.executemany(INSERT.replace("?", "%s"), rows)


def line(few: Size, many: Size, ratio: float = 2.0) -> tuple[float, float]:
    """(bytes that do not grow, bytes an agent-share): through N (1.0) and `ratio` N."""
    each = (many.bytes - few.bytes) / (ratio - 1)
    return few.bytes - each, each


def depth(index: Size, entries: float) -> int:
    """Pages from the root of a B-tree to an entry, both counted."""
    if not index.entries:
        return 1
    entry = max(16.0, index.bytes / index.entries * 0.9)
    fan = max(2.0, USABLE / entry)
    leaves = max(1.0, entries / fan)
    return 1 + max(0, math.ceil(math.log(leaves, fan))) if leaves > 1 else 1


def grown(few: Sizes, many: Sizes, base: int, agents: int) -> list[dict[str, Any]]:
    """Each table with its indexes at so many agents."""
    found: dict[str, dict[str, Any]] = {}
    for name, size in many.items():
        earlier = few.get(name)
        if earlier is None or size.entries == 0:
            continue
        fixed, each = line(earlier, size)
        there = max(0.0, fixed + each * agents / base)
        row = found.setdefault(size.table, {"table": size.table, "GB": 0.0, "index GB": 0.0, "deepest": 0})
        entries = size.entries / 2 * agents / base
        if size.index:
            row["index GB"] += there / GIGABYTE
            row["deepest"] = max(row["deepest"], depth(size, entries))
        else:
            row["GB"] += there / GIGABYTE
            row["rows"] = round(entries)
            row["bytes a row"] = round(each * 2 / max(1, size.entries) if size.entries else 0)
    return sorted(found.values(), key=lambda one: -one["GB"] - one["index GB"])


def checked(few: Sizes, many: Sizes, most: Sizes) -> dict[str, float]:
    """By how many percent the line through N and 2 N misses 4 N: in all, and the worst of the large relations."""
    predicted = {
        name: sum(x * y for x, y in zip(line(few[name], many[name]), (1, 4), strict=True))
        for name in most
        if name in few and name in many
    }
    total = sum(most[name].bytes for name in predicted)
    off = 100 * (sum(predicted.values()) - total) / total
    large = [name for name in predicted if most[name].bytes > total / 50]
    worst = max((100 * (predicted[n] - most[n].bytes) / most[n].bytes for n in large), key=abs, default=0.0)
    return {"in all %": round(off, 2), "worst large relation %": round(worst, 2)}


def lookup_pages(postgres: Postgres, name: str) -> int:
    """Pages PostgreSQL itself says a read by id touches."""
    with psycopg.connect(with_database(postgres.url, name)) as database:
        row = database.execute("SELECT id FROM sb_resource OFFSET 100 LIMIT 1").fetchone()
        assert row is not None
        database.execute("SELECT rendered FROM sb_resource WHERE id = %s", row)
        plan = database.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT rendered FROM sb_resource WHERE id = %s", row
        ).fetchone()
    assert plan is not None
    found = plan[0][0]["Plan"]
    return int(found["Shared Hit Blocks"]) + int(found["Shared Read Blocks"])


def _costs(report: Path) -> dict[str, Cost]:
    """What a request takes, by mix, with the fewest replicas that were measured."""
    lines = sorted(json.loads(report.read_text()), key=lambda one: -one["replicas"])
    return {one["mix"]: Cost(one["us bridge"], one["us postgresql"]) for one in lines}


def _demand(given: argparse.Namespace, habit: Habit, sizes: Sizes, decision: float) -> dict[str, Any]:
    """Processors and history for each number of agents, printed and returned."""
    audit = [size for size in sizes.values() if size.table == "sb_audit"]
    rows = next(size.entries for size in audit if not size.index)
    kept = Bytes(decision, sum(size.bytes for size in audit) / rows)
    costs = _costs(given.costs)
    found = {n: demanded(n, habit, costs, kept) for n in map(int, given.agents.split(","))}
    print(f"\n{habit}\n{costs}\naudit: {kept.audit:,.0f} bytes a row with its indexes\n")
    names = list(next(iter(found.values())))
    print("| agents | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    for agents, line_ in found.items():
        print(f"| {agents:,} | " + " | ".join(f"{line_[name]:,}" for name in names) + " |")
    most = most_on_one_server(habit, costs)
    print(f"\none server of PostgreSQL with {SERVER_CORES} cores bears {most:,} agents with these habits")
    return {"at": found, "most on one server": most}


def main() -> None:
    """Measure, check, compute, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.capacity", description=__doc__)
    parser.add_argument("--base", type=int, default=5_000, help="N: databases of N, 2 N and 4 N are filled")
    parser.add_argument("--for", dest="agents", default="1000000,10000000,100000000")
    parser.add_argument("--costs", type=Path, help="the report of `python -m tests.chaos.replicas`")
    parser.add_argument("--decisions", type=float, default=Habit().decisions, help="an agent and day")
    parser.add_argument("--changes", type=float, default=Habit().changes, help="an agent and day")
    parser.add_argument("--peak", type=float, default=Habit().peak, help="busiest hour, times the average")
    parser.add_argument("--report", type=Path, help="a file for the figures as JSON")
    given = parser.parse_args()
    postgres = Postgres()
    try:
        few, many, most = (filled(postgres, given.base * factor, DECISIONS * factor) for factor in (1, 2, 4))
        pages = lookup_pages(postgres, f"c{given.base * 4}")
    finally:
        postgres.close()
    off = checked(few, many, most)
    print(f"the line through {given.base:,} and {2 * given.base:,} agents misses {4 * given.base:,} by {off}")
    print(f"a read by id touched {pages} pages of {4 * given.base:,} agents")
    whole: dict[str, Any] = {"base": given.base, "misses": off, "pages": pages, "at": {}}
    for agents in map(int, given.agents.split(",")):
        # Decisions are counted by themselves: they grow with questions, not with agents.
        tables = [one for one in grown(few, many, given.base, agents) if one["table"] != "sb_decision"]
        total = sum(one["GB"] + one["index GB"] for one in tables)
        whole["at"][agents] = {"GB": round(total, 1), "tables": tables}
        print(f"\n{agents:,} agents: {total:,.1f} GB\n")
        print("| table | rows | GB | indexes, GB | deepest index, pages |\n|---|---|---|---|---|")
        for one in tables[:8]:
            row = (
                one["table"],
                f"{one['rows']:,}",
                f"{one['GB']:,.2f}",
                f"{one['index GB']:,.2f}",
                one["deepest"],
            )
            print("| " + " | ".join(map(str, row)) + " |")
    decisions = [one for one in grown(few, many, given.base, given.base) if one["table"] == "sb_decision"]
    for one in decisions:
        each = (one["GB"] + one["index GB"]) * GIGABYTE / DECISIONS
        whole["bytes a decision"] = round(each)
        print(f"\na decision that is kept: {each:,.0f} bytes with its indexes")
    if given.costs:
        habit = Habit(decisions=given.decisions, changes=given.changes, peak=given.peak)
        whole["demand"] = _demand(given, habit, many, whole["bytes a decision"])
    if given.report:
        given.report.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
