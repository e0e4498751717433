"""The machine a run happened on, and which core does what.

Every number is a ratio in one run, because machines differ and this one may be shared.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("scim-bridge", "starlette", "uvicorn", "uvloop", "httptools", "orjson", "asyncpg", "scim2-server")
# Runnable tasks a core, above which a run warns, and above which it has to be asked for.
BUSY = 0.5
OVERLOADED = 1.5

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def apart() -> bool:
    """True when client and server each get a core of their own."""
    return len(CORES) >= 2


def on_server_core() -> None:
    """Put this process where servers run: every core but the first. Called between fork and exec."""
    if apart():
        os.sched_setaffinity(0, CORES[1:2])


@contextmanager
def on_client_core() -> Iterator[None]:
    """Keep this process on the first core while it is the client."""
    if not apart():
        yield
        return
    os.sched_setaffinity(0, CORES[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def load() -> float:
    """Runnable tasks a core, over the last minute."""
    return os.getloadavg()[0] / max(1, len(CORES))


def complaint(busy: bool) -> str | None:
    """Why a run should not start now, or None. `busy`: the caller knows and wants it all the same."""
    now = load()
    if now <= BUSY:
        return None
    said = f"The machine is busy: {now:.1f} runnable tasks a core over the last minute."
    if now > OVERLOADED and not busy:
        raise SystemExit(f"{said} Wait, or add --busy: ratios stand, but with a wide spread.")
    return f"{said} Ratios stand, absolute numbers do not."


def facts(data: Path) -> dict[str, Any]:
    """What a reader has to know to judge the numbers. `data`: where the databases are."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(CORES),
        "cpu": _cpu(),
        "memory_mb": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "file_system": _file_system(data),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "pinned": "client on one core, server on another" if apart() else "one core for both",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError):
        return 0


def _file_system(data: Path) -> str:
    """The kind of file system below a folder: durable commits cost nothing on a RAM disk."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    above = {str(data.resolve()), *map(str, data.resolve().parents)}
    found = [(place, kind) for place, kind in mounts if place in above]
    return max(found, key=lambda mount: len(mount[0]))[1] if found else ""
