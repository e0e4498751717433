"""Promises about growth: nothing grows for ever without a reason that is written down."""

from __future__ import annotations

import asyncio

import pytest

from scim_bridge.duties import jobs_of
from scim_bridge.kernel import effect_retention
from scim_bridge.kernel.clock import DAY, ManualClock
from scim_bridge.kernel.key_holders import Presence
from scim_bridge.kernel.work import Store, Work
from scim_bridge.migrations.rooms import metadata
from scim_bridge.moving.kept import TABLES
from scim_bridge.moving.status import UNKNOWN, status
from scim_bridge.server import open_bridge
from scim_bridge.settings.model import Settings, TransmitterSettings
from tests.conftest import TESTER, Runner


def test_every_table_says_what_it_grows_with_and_what_bounds_it() -> None:
    ours = {name: table for name, table in metadata.tables.items() if name.startswith("sb_")}
    assert set(TABLES) == set(ours), (
        "scim_bridge/moving/kept.py: a new table needs an entry, a gone one has none"
    )
    for name, kept in TABLES.items():
        assert kept.grows_with and bool(kept.job) != bool(kept.why), name
        assert kept.at is None or kept.at in ours[name].columns, name


def test_every_retention_job_that_is_named_is_a_duty_of_the_server(sqlite_url: str) -> None:
    async def names() -> set[str]:
        transmitter = TransmitterSettings(enabled=True)
        bridge = await open_bridge(
            Settings(database_url=sqlite_url, secret_key="0123456789abcdef" * 4, transmitter=transmitter)
        )
        try:
            presence = Presence(bridge.ctx.store, bridge.ctx.master)
            return {name for name, _, _ in jobs_of(bridge, presence)._periodic}
        finally:
            await bridge.close()

    assert {kept.job for kept in TABLES.values() if kept.job} <= asyncio.run(names())


def test_effects_that_were_made_are_forgotten_after_ninety_days_but_for_those_of_a_case(
    on_store: Runner[None], clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        async def some(work: Work) -> None:
            work.bookkeeping("a test")
            for name, case in (("old", None), ("case", "c"), ("dead", None), ("open", None)):
                await work.effect("x", {}, lane="l", key=name, case_id=case)
            await work.tx.run("UPDATE sb_effect SET state = 'done', settled = ?", work.now)
            last = "UPDATE sb_effect SET state = ? WHERE id = (SELECT MAX(id) FROM sb_effect WHERE case_id IS NULL)"
            await work.tx.run(last, "dead")
            await work.tx.run(last.replace("MAX", "MIN"), "pending")

        await store.transact(TESTER, some)
        clock.advance(days=90)
        assert await effect_retention.forget(store) == 0
        clock.advance(seconds=1)
        assert await effect_retention.forget(store) == 1
        left = await store.reads.all("SELECT state, case_id FROM sb_effect ORDER BY state")
        assert [tuple(row) for row in left] == [("dead", None), ("done", "c"), ("pending", None)]

    on_store(body)


@pytest.mark.usefixtures("clock")
def test_the_status_counts_rows_and_the_growth_of_a_day(database_url: str, on_store: Runner[None]) -> None:
    clock = ManualClock()

    async def body(store: Store) -> None:
        async def some(work: Work) -> None:
            work.bookkeeping("a test")
            await work.effect("x", {}, lane="l", key="1")
            await work.effect("x", {}, lane="l", key="2")
            await work.tx.run("UPDATE sb_effect SET created = created - ? WHERE kind = 'x'", 2 * DAY)
            await work.effect("y", {}, lane="l", key="3")

        await store.transact(TESTER, some)

    on_store(body)
    found = status(database_url, clock.now())
    [effects] = [table for table in found["tables"] if table["table"] == "sb_effect"]
    assert effects["rows"] == 3 and effects["last day"] == 1 and effects["bounded by"] == "job effects-forget"
    assert found["bytes"] > 0 and found["schema"] == found["needs"]
    assert not [table for table in found["tables"] if UNKNOWN in table.values()]
