"""A million audit rows: made, exported and verified offline; then broken in every way, and each break located.

python -m tests.audit.million [--rows N] [--every N] [--keep DIRECTORY]

`--every 100` signs a checkpoint for every hundred rows, as a server that is not busy does; else one for 5,000.

Times and peak memory are of this machine. The verification runs in a process of its own that gets
nothing but the export and the public keys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from scim_bridge.audit import seal as sealing
from scim_bridge.audit.export import chain_lines
from scim_bridge.audit.record import record_all
from scim_bridge.audit.verify import LONGEST_LINE, verify_database, verify_export
from scim_bridge.cli.files import lines
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.crypto import MasterKey, public_keys
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.migrations import upgrade

MASTER = MasterKey(b"a key for a million rows, thirty-two bytes")
FILLER = Actor("connection", "conn-1", "okta", "conn-1", "req-0001", "192.0.2.7")
BATCH = 5000


async def made(directory: Path, count: int, every: int) -> None:
    """Make the rows, seal them, export them beside the keys; says how long each took."""
    url = f"sqlite:///{directory / 'million.db'}"
    await upgrade(url)
    database = await open_database(url)
    clock = SystemClock()
    store = Store(database, clock, UuidV7(clock))
    try:
        began = time.perf_counter()
        for first in range(0, count, BATCH):
            await store.transact(
                FILLER, lambda work, first=first: _batch(work, first, min(BATCH, count - first))
            )
        written = time.perf_counter()
        sealing.BATCH = every
        await sealing.seal(store, MASTER)
        sealed = time.perf_counter()
        with (directory / "audit.jsonl").open("wb") as out:
            async for line in chain_lines(store, MASTER):
                out.write(line + b"\n")
        (directory / "keys.json").write_bytes(orjson.dumps(await public_keys(store.reads, "audit")))
        size = (directory / "audit.jsonl").stat().st_size
        print(f"written   {count:,} rows in {written - began:.1f} s")
        print(f"sealed    in {sealed - written:.1f} s")
        print(
            f"exported  {size / 1e6:.0f} MB in {time.perf_counter() - sealed:.1f} s, peak memory {_peak()} MB"
        )
        began = time.perf_counter()
        verdict = await verify_database(database, processes=True)
        print(
            f"living    {verdict.rows:,} rows in {verdict.checkpoints:,} checkpoints verified in"
            f" {time.perf_counter() - began:.1f} s: {'sound' if verdict.ok else verdict.findings[:2]}"
        )
    finally:
        await database.close()


async def _batch(work: Work, first: int, count: int) -> None:
    told = (
        (
            "agent.held",
            "agent",
            f"agent-{n}",
            {"source": "connection:okta", "code": "connection", "reason": f"row {n}"},
        )
        for n in range(first, first + count)
    )
    record_all(work, told)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def verified(file: Path, keys: Path) -> None:
    """Verify one export, alone; prints a JSON object."""
    before, began = _peak(), time.perf_counter()
    found = verify_export(lines(file, LONGEST_LINE), orjson.loads(keys.read_bytes()))
    told = [[one.seq, one.message] for one in found.findings]
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "ok": found.ok,
                "rows": found.rows,
                "seconds": seconds,
                "peak": _peak(),
                "start": before,
                "told": told,
            }
        )
    )


def offline(file: Path, keys: Path) -> dict[str, object]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.audit.million", "--verify", str(file), str(keys)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def broken(count: int) -> dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]]:
    """Ways to break an export, in the middle of it."""
    middle = count // 2 + 7

    def seq(line: bytes) -> int:
        return int(orjson.loads(line).get("seq", 0)) if line.startswith(b'{"type":"row"') else 0

    def edited(given: Iterator[bytes]) -> Iterator[bytes]:
        for line in given:
            yield line.replace(b'"okta"', b'"evil"', 1) if seq(line) == middle else line

    def removed(given: Iterator[bytes]) -> Iterator[bytes]:
        return (line for line in given if seq(line) != middle)

    def reordered(given: Iterator[bytes]) -> Iterator[bytes]:
        kept = b""
        for line in given:
            if seq(line) == middle:
                kept = line
                continue
            yield line
            if kept:
                yield kept
                kept = b""

    def truncated(given: Iterator[bytes]) -> Iterator[bytes]:
        for line in given:
            yield line
            if seq(line) == middle:
                return

    def cut_at_a_checkpoint(given: Iterator[bytes]) -> Iterator[bytes]:
        for line in given:
            yield line
            if line.startswith(b'{"type":"checkpoint"') and orjson.loads(line)["last_seq"] >= middle:
                return

    ways = (edited, removed, reordered, truncated, cut_at_a_checkpoint)
    return {way.__name__.replace("_", " "): way for way in ways}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=sealing.BATCH, help="rows in a checkpoint")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--verify", type=Path, nargs=2)
    asked = parser.parse_args()
    if asked.verify:
        verified(*asked.verify)
        return 0
    with tempfile.TemporaryDirectory() as aside:
        directory = asked.keep or Path(aside)
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(made(directory, asked.rows, asked.every))
        return _judged(directory, asked.rows)


def _judged(directory: Path, count: int) -> int:
    file, keys = directory / "audit.jsonl", directory / "keys.json"
    whole = offline(file, keys)
    print(
        f"verified  {whole['rows']:,} rows offline in {whole['seconds']:.1f} s,"
        f" peak memory {whole['peak']} MB ({whole['start']} MB before)"
    )
    good = bool(whole["ok"]) and whole["rows"] == count
    for name, way in broken(count).items():
        copy = directory / "broken.jsonl"
        with file.open("rb") as given, copy.open("wb") as out:
            out.writelines(way(given))
        found = offline(copy, keys)
        told: list[object] = list(found["told"])  # type: ignore[call-overload]
        good = good and not found["ok"] and bool(told)
        print(f"{name:20} {found['seconds']:.1f} s: {told[:2] or 'NOT FOUND'}")
        copy.unlink()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
