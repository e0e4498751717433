"""Promises of the benchmark: every row comes, what is filled is what is imported, and lies are noticed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from scim_bridge.migrations import upgrade
from tests.bench.__main__ import _parsed
from tests.bench.client import Answers
from tests.bench.compare import Dishonest, Load, Ratio, once
from tests.bench.fill import FILLER, fill
from tests.bench.once import manifest
from tests.bench.population import owners_of, people_of
from tests.bench.run import Results, run
from tests.bench.servers import SECRET, hello
from tests.bench.table import Row, markdown, printed
from tests.bench.traffic import Traffic

AGENTS = 40
# What differs between two fillings: ids, instants, and what is made of them.
VARYING = {
    "id",
    "created",
    "modified",
    "since",
    "at",
    "seq",
    "prev",
    "hash",
    "resource_id",
    "agent_id",
    "person_id",
}


def _rows(path: Path, table: str, where: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = dict(connection.execute("SELECT id, name FROM sb_resource"))
        rows = connection.execute(f"SELECT * FROM {table} WHERE {where}").fetchall()
        return sorted(_told(dict(row), names) for row in rows)


def _told(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Any, ...]:
    """A row with names in the place of ids, without what may vary."""
    told = []
    for column, value in sorted(row.items()):
        if column in VARYING and value not in names:
            continue
        text = value.decode() if isinstance(value, bytes) else str(names.get(value, value))
        for known, name in names.items():
            if known in text:
                text = text.replace(known, name)
        told.append(f"{column}={text}")
    return tuple(told)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A filled database, and one the same agents were imported into."""
    folder = tmp_path_factory.mktemp("filled")
    filled, imported, file = folder / "filled.db", folder / "imported.db", folder / "manifest.json"
    fill(f"sqlite:///{filled}", SECRET, AGENTS)
    manifest(file, AGENTS)

    async def load() -> None:
        await upgrade(f"sqlite:///{imported}")
        database = await open_database(f"sqlite:///{imported}")
        clock = SystemClock()
        try:
            store = Store(database, clock, UuidV7(clock))
            await import_manifest(store, FILLER, file.read_bytes(), file.name)
        finally:
            await database.close()

    asyncio.run(load())
    yield filled, imported


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("sb_resource", "kind = 'agent'"),
        ("sb_agent", "1 = 1"),
        ("sb_owner", "1 = 1"),
        ("sb_attr", "key LIKE '%@agents.example'"),
        ("sb_audit", "subject_kind = 'agent'"),
    ],
)
def test_what_is_filled_is_what_an_import_writes(both: tuple[Path, Path], table: str, where: str) -> None:
    filled, imported = (_rows(path, table, where) for path in both)
    assert filled and filled == imported


def test_filled_people_are_those_an_import_writes(both: tuple[Path, Path]) -> None:
    filled, imported = (_rows(path, "sb_resource", "kind = 'person'") for path in both)
    assert len(filled) == people_of(AGENTS)
    assert len(imported) == owners_of(AGENTS)
    assert set(imported) <= set(filled)


def test_a_tiny_run_measures_every_target(tmp_path: Path) -> None:
    sizes, short = (
        ["--agents", "40,60", "--backend", "sqlite"],
        ["--seconds", "0.05", "--rounds", "1", "--peers", "none", "--busy"],
    )
    options = _parsed([*sizes, *short, "--json", str(tmp_path / "results.json")])
    results = run(options, lambda line: None)
    assert [row.failed for row in results.rows if row.failed] == []
    measured = {row.target for row in results.rows}
    assert measured == {"T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11a", "T11b", "T12"}
    assert {row.agents for row in results.rows if row.target == "T1"} == {40, 60}
    again = Results.of_dict(json.loads(json.dumps(results.as_dict())))
    assert again.rows == results.rows
    assert len(printed(results.rows).splitlines()) == len(results.rows) + 2
    assert markdown(results.rows).count("\n") == len(results.rows) + 1


def test_a_wrong_status_is_no_measurement() -> None:
    with hello() as running:
        wrong = [Traffic("", "").send("GET", "/nothing-here")]
        with pytest.raises(Dishonest, match="404"):
            once(Load("wrong", running.port, lambda: wrong), 0.05)


def test_a_row_is_met_by_its_ratio_and_else_by_its_value() -> None:
    compared = Row("T1", "x", "sqlite", 1, 5.0, "/s", "hello", 0.5, 0.4, 0.6, ">=", 0.55)
    alone = Row("T11b", "x", "sqlite", 1, 150.0, "MB", sense="<=", wanted=160.0)
    assert (compared.verdict, alone.verdict) == ("missed", "met")
    assert Row("T1", "x", "sqlite", 1, None, "", failed="no").met is False
    assert Row("T7", "x", "sqlite", 1, 5.0, "/s").met is None


def test_ratios_are_taken_round_by_round() -> None:
    # The machine was half as fast in the second round: for both.
    assert Ratio.of([100.0, 50.0, 99.0], [200.0, 100.0, 200.0]).middle == 0.5


@pytest.mark.parametrize("cut", [1, 7, 50, 1000])
def test_answers_are_told_apart_wherever_the_stream_is_cut(cut: int) -> None:
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    empty = b'HTTP/1.1 204 No Content\r\netag: W/"1"\r\n\r\n'
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    answers = Answers()
    for wire, status, body in (
        (plain, 200, b"hello"),
        (empty, 204, b""),
        (chunked, 200, b"5\r\nhello\r\n0\r\n\r\n"),
    ):
        found = [answers.feed(wire[start : start + cut]) for start in range(0, len(wire), cut)]
        assert found[-1] == (status, body)
        assert found[:-1] == [None] * (len(found) - 1)
