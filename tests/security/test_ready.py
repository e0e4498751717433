"""/readyz tells of every component how it is, and says which one makes a replica unready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.work import Work
from tests.conftest import TESTER
from tests.security.everything import World, everything

ALL = {"database", "migrations", "worker", "audit", "effects", "departures"}


async def asked(world: World) -> tuple[int, dict[str, dict[str, str]], Any]:
    answer = await world.ask("GET", "/readyz", "")
    lines = {one["component"]: one for one in answer.json()["components"]}
    assert set(lines) == ALL and all(one["detail"] for one in lines.values())
    return answer.status_code, lines, answer.headers


async def changed(world: World, *statements: str) -> None:
    async def body(work: Work) -> None:
        work.bookkeeping("a test")
        for each in statements:
            await work.tx.run(each)

    await world.store.transact(TESTER, body)


@pytest.mark.parametrize(
    ("statement", "failing", "said"),
    [
        (
            f"UPDATE sb_audit SET at = at - {120 * SECOND} WHERE seq IS NULL",
            "audit",
            "rows wait for the seal",
        ),
        ("UPDATE alembic_version SET version_num = '0029'", "migrations", "schema 0029"),
        ("DELETE FROM alembic_version", "migrations", "schema none"),
    ],
)
def test_one_component_that_fails_makes_it_unready_and_is_named(
    sqlite_url: str, statement: str, failing: str, said: str
) -> None:
    async def body(world: World) -> None:
        status, lines, headers = await asked(world)
        assert (status, lines["worker"]["state"], int(headers["retry-after"])) == (503, "failing", 5)
        world.server.jobs.last_relay = world.store.clock.now()
        status, lines, _ = await asked(world)
        assert status == 200 and {one["state"] for one in lines.values()} == {"ok"}
        await changed(world, statement)
        status, lines, _ = await asked(world)
        assert status == 503 and said in lines[failing]["detail"]
        assert [name for name, one in lines.items() if one["state"] == "failing"] == [failing]

    everything(sqlite_url, body)


def test_work_that_a_person_has_to_look_at_is_told_and_leaves_it_ready(sqlite_url: str) -> None:
    async def body(world: World) -> None:
        async def dead(work: Work) -> None:
            work.bookkeeping("a test")
            made = await work.effect("hook", {}, lane="x")
            await work.tx.run("UPDATE sb_effect SET state = 'dead' WHERE id = ?", made)

        await world.store.transact(TESTER, dead)
        world.server.jobs.last_relay = world.store.clock.now()
        status, lines, _ = await asked(world)
        assert status == 200 and "1 dead" in lines["effects"]["detail"]

    everything(sqlite_url, body)


def test_a_database_that_is_gone_is_said_in_every_line_that_needs_it_and_metrics_go_on(
    sqlite_url: str,
) -> None:
    async def body(world: World) -> None:
        for file in Path(sqlite_url.removeprefix("sqlite:///")).parent.glob("bridge.db*"):
            file.unlink()
        status, lines, _ = await asked(world)
        assert status == 503 and lines["database"]["state"] == "failing"
        assert (await world.ask("GET", "/healthz", "")).status_code == 200

    everything(sqlite_url, body)
