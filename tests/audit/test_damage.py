"""Promises about a damaged audit log: each damaged row is named, and keeps nothing that comes after it waiting."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from scim_bridge.audit.checking import Checking, last_check
from scim_bridge.audit.export import export_lines
from scim_bridge.audit.forms import FORMS, form_of
from scim_bridge.audit.seal import seal
from scim_bridge.audit.streaming import serve, standings
from scim_bridge.audit.verify import verify_database, verify_export
from scim_bridge.health import components
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Store
from scim_bridge.settings.audit import AuditSettings, SinkSettings
from tests.audit.test_chain import write
from tests.conftest import MASTER, TESTER, run_with_store
from tests.console.browser import context

LAST = "(SELECT MAX(id) FROM sb_audit)"
NULLED = "UPDATE sb_audit SET seq = NULL WHERE seq = {}"


def damage(url: str, *statements: str) -> None:
    """Do to a database what none of our code does."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"))
    else:
        connection = psycopg.connect(url)
    with connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
    connection.close()


def sealed_and_damaged(url: str, clock: Any, statements: tuple[str, ...], unsealed: int = 0) -> None:
    async def body(store: Store) -> None:
        await write(store, 6)
        await seal(store, MASTER)
        await write(store, unsealed)

    run_with_store(url, clock, body)
    damage(url, *statements)


def then(url: str, clock: Any, body: Callable[[Store], Awaitable[None]]) -> None:
    run_with_store(url, clock, body)


@pytest.mark.parametrize("seq", (3, 6))
def test_a_row_taken_out_of_its_place_is_named_gets_no_other_and_holds_nothing_up(
    database_url, clock, seq: int
) -> None:
    sealed_and_damaged(database_url, clock, (NULLED.format(seq),), unsealed=2)

    async def check(store: Store) -> None:
        assert await seal(store, MASTER) == 2, "what came after it is sealed"
        gone = await store.reads.one("SELECT id FROM sb_audit WHERE seq IS NULL")
        assert gone is not None, "it is not sealed again as if it were new"
        verdict = await verify_database(store.database)
        [named] = [finding.message for finding in verdict.findings if finding.row_id == gone["id"]]
        assert "out of its place" in named and verdict.unsealed == 0
        assert f"rows {seq} to {seq} are missing" in [finding.message for finding in verdict.findings]
        checking = Checking(context(store))
        await checking.begin(TESTER)
        assert checking.task is not None
        await checking.task
        found = await last_check(store.reads)
        assert (
            found is not None and found.state == "done" and any(gone["id"] in one for one in found.findings)
        )
        offline = verify_export(await export_lines(store, MASTER))
        assert f"rows {seq} to {seq} are missing" in [finding.message for finding in offline.findings]
        clock.advance(seconds=3600)
        await seal(store, MASTER)
        [audit] = [one for one in await components(context(store), _Web()) if one["component"] == "audit"]
        assert audit["state"] == "ok", "one damaged row takes no replica out of service"

    then(database_url, clock, check)


class _Web:
    """A process that only answers, as far as its health is asked for."""

    works = False


@pytest.mark.parametrize(
    "statement",
    (
        f"UPDATE sb_audit SET detail = x'ff' WHERE id = {LAST}",
        f"UPDATE sb_audit SET detail = CAST(x'ff' AS TEXT) WHERE id = {LAST}",
        f"UPDATE sb_audit SET id = CAST(x'ffff' AS TEXT) WHERE id = {LAST}",
        "UPDATE sb_audit SET hash = x'00ff' WHERE seq = 6",
        "UPDATE sb_audit SET seq = 'six' WHERE seq = 6",
        "UPDATE sb_audit SET seq = 9223372036854775807 WHERE seq = 6",
        "UPDATE sb_audit SET seq = NULL, prev = NULL, hash = NULL WHERE seq = 6",
    ),
)
def test_a_row_that_holds_what_no_row_of_ours_can_is_a_break_and_later_rows_are_sealed(
    sqlite_url, clock, statement: str
) -> None:
    sealed_and_damaged(sqlite_url, clock, (statement,), unsealed=2)

    async def check(store: Store) -> None:
        await seal(store, MASTER)
        await write(store, 1)
        assert await seal(store, MASTER) == 1, "no damaged row comes again and again"
        assert not (await verify_database(store.database)).ok

    then(sqlite_url, clock, check)


DAMAGES = (
    "UPDATE sb_audit SET detail = 'no JSON' WHERE seq = 3",
    "UPDATE sb_audit SET hash = 'short' WHERE seq = 3",
    "UPDATE sb_audit SET prev = NULL WHERE seq = 3",
)
LOOSE = (
    "UPDATE sb_audit SET at = 'noon' WHERE seq = 3",
    "UPDATE sb_audit SET at = x'00' WHERE seq = 3",
    "UPDATE sb_audit SET at = 9223372036854775807 WHERE seq = 3",
    "UPDATE sb_audit SET actor_name = x'00ff' WHERE seq = 3",
)


@pytest.mark.parametrize("statement", DAMAGES)
def test_a_damaged_row_is_named_and_goes_out_as_one_that_says_so(
    database_url, clock, tmp_path, statement: str
) -> None:
    sealed_and_damaged(database_url, clock, (statement,))
    then(database_url, clock, lambda store: _named_and_sent(store, tmp_path))


@pytest.mark.parametrize("statement", LOOSE)
def test_a_row_with_a_value_of_another_kind_is_named_and_goes_out_as_one_that_says_so(
    sqlite_url, clock, tmp_path, statement: str
) -> None:
    sealed_and_damaged(sqlite_url, clock, (statement,))
    then(sqlite_url, clock, lambda store: _named_and_sent(store, tmp_path))


async def _named_and_sent(store: Store, folder: Path) -> None:
    verdict = await verify_database(store.database)
    assert 3 in {finding.seq for finding in verdict.findings}
    rows = list(await store.reads.all("SELECT * FROM sb_audit WHERE seq IS NOT NULL ORDER BY seq"))
    assert {len([form_of(row, form) for row in rows]) for form in FORMS} == {6}
    sink = SinkSettings(kind="file", to=str(folder / "sink.jsonl"), form="ocsf")
    assert await serve(context(store), "siem", sink) == 6
    assert len((folder / "sink.jsonl").read_bytes().splitlines()) == 6


def test_what_cannot_be_read_at_all_stops_a_stream_that_says_which_row_it_was(
    sqlite_url, clock, tmp_path
) -> None:
    bad = "UPDATE sb_audit SET detail = CAST(x'ff' AS TEXT) WHERE seq = 3"
    sealed_and_damaged(sqlite_url, clock, (bad,))
    sink = SinkSettings(kind="file", to=str(tmp_path / "sink.jsonl"), form="json")

    async def check(store: Store) -> None:
        assert await serve(context(store), "siem", sink) == 0
        [stand] = await standings(store.reads, replace(AuditSettings(), sinks={"siem": sink}))
        assert stand.failures == 1 and "Row 3 " in stand.error and "audit verify" in stand.error
        with pytest.raises(Refused, match="Row 3 "):
            await export_lines(store, MASTER)

    then(sqlite_url, clock, check)


def test_a_damaged_row_says_in_its_place_that_it_is_damaged(sqlite_url, clock) -> None:
    sealed_and_damaged(sqlite_url, clock, ("UPDATE sb_audit SET detail = 'no JSON' WHERE seq = 3",))

    async def check(store: Store) -> None:
        row = await store.reads.one("SELECT * FROM sb_audit WHERE seq = 3")
        said = orjson.loads(form_of(row, "ocsf"))
        assert said["metadata"]["event_code"] == "audit.damaged" and said["metadata"]["sequence"] == 3
        assert said["status_id"] == 2 and "verify" in said["unmapped"]["detail"]["damaged"]

    then(sqlite_url, clock, check)
