"""T8, second half, and T11b: the importer, memory, and the first answer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from scim_bridge.migrations import upgrade
from tests.bench.compare import Pace, Ratio
from tests.bench.databases import Databases, number
from tests.bench.machine import on_server_core
from tests.bench.million import agent_said, person_said, write
from tests.bench.population import agent, owners_of, person
from tests.bench.servers import REPOSITORY, environment, free_port, process
from tests.bench.site import Site, expect
from tests.bench.table import Place, Row

IMPORTED = 100_000
FIRST_ANSWER = 1.5
RESIDENT = {100_000: 160.0, 1_000_000: 250.0}


def manifest(path: Path, agents: int) -> None:
    """A manifest of so many agents and their owners, as JSON."""
    path.write_text(json.dumps({"people": _people(agents), "agents": _agents(agents)}))


def manifest_lines(path: Path, agents: int) -> None:
    """The same as JSON Lines, which has no limit."""
    people = ({"person": each} for each in _people(agents))
    write(path, chain(people, ({"agent": each} for each in _agents(agents))))


def _people(agents: int) -> list[dict[str, Any]]:
    return [person_said(person(each)) for each in range(owners_of(agents))]


def _agents(agents: int) -> list[dict[str, Any]]:
    return [agent_said(agent(each, agents)) for each in range(agents)]


def import_rows(source: Databases, scratch: Path, agents: int, pace: Pace) -> Iterator[Row]:
    """T8: `agents import` of a manifest, beside reading, checking and rendering it without a database."""
    agents = min(agents, IMPORTED)
    file = scratch / "manifest.jsonl"
    manifest_lines(file, agents)
    url = source.empty()
    # The schema is made once in the life of a database, so it is there before the clock starts.
    asyncio.run(upgrade(url))
    rendering = [sys.executable, "-m", "tests.bench.rendering", str(file)]
    command = [sys.executable, "-m", "scim_bridge", "agents", "import", str(file), "--output", "json"]
    alone = [_timed(rendering, {})]
    imported = _timed(command, environment(url))
    if pace.rounds > 1:
        alone.append(_timed(rendering, {}))
    quick = _timed([*rendering, "--quick"], {})
    there = number(url, "SELECT COUNT(*) FROM sb_agent")
    expect(there == agents, f"import: {there} of {agents} agents are there")
    place = Place(source.name, agents)
    what = f"agents import of {agents:,} lines"
    note = f"{agents / imported:,.0f} agents/s; alone {median(alone):.1f} s; both with the start of Python"
    found = Ratio.of([imported] * len(alone), alone)
    # Of fewer, most of the time is the start of Python on both sides, and more of it on one.
    judged = ("<=", 2.0) if agents == IMPORTED else ("", None)
    yield place.beside("T8", what, imported, "s", "validating and rendering alone", found, *judged, note)
    note = f"alone {quick:.1f} s: lines that are right are read without the place of each value"
    found = Ratio.of([imported], [quick])
    yield place.beside("T8", what, imported, "s", "the same by the quick reader of lines", found, note=note)


def _timed(command: list[str], env: dict[str, str]) -> float:
    """Seconds a command takes; RuntimeError with its words when it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, **env},
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=on_server_core,
    )
    took = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[2:5])}: {done.stderr.decode(errors='replace')[-500:]}")
    return took


def memory_rows(site: Site) -> Iterator[Row]:
    """T11b: what the process holds after everything that was asked of it."""
    resident = site.running.memory() / 2**20
    wanted = next((limit for size, limit in sorted(RESIDENT.items()) if site.agents <= size), None)
    note = "after the load of the rows above"
    what = "memory of the server process"
    if site.agents not in RESIDENT and wanted is not None:
        note += "; judged by the limit of the next larger size"
    yield site.place.alone("T11b", what, resident, "MB", "<=", wanted, note)


def start_rows(site: Site, pace: Pace) -> Iterator[Row]:
    """T11b: from exec to the first answered GET of a user, on the filled database. The site's bridge has ended."""
    path = f"{site.traffic.base}/Users/{site.ids_of(site.agent_names(1))[0]}"
    headers = {"Authorization": f"Bearer {site.traffic.token}"}
    times = []
    for _ in range(pace.rounds):
        port = free_port()
        command = [sys.executable, "-m", "scim_bridge", "serve", "--port", str(port)]
        with process("scim-bridge", command, port, path, environment(site.url), headers=headers) as running:
            times.append(running.started)
    note = "a user by id with a token; the median"
    yield site.place.alone("T11b", "first answer after exec", median(times), "s", "<=", FIRST_ANSWER, note)
