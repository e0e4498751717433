"""What is announced before it is written is ours if it came about, and nobody's change if it did not."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.kernel.work import Store
from scim_bridge.sync.drift_keeping import drifts_of
from scim_bridge.sync.facts import pushed_of
from scim_bridge.sync.idp.port import ENABLED, GROUPS, IdpError, ObjectChange, Wanted
from tests.sync.bench import Bench
from tests.sync.engine_bench import by_login, remote
from tests.sync.memory_idp import MemoryIdp

BROKEN = IdpError("memory-500", "does not work", transient=False)
AWAY = IdpError("memory-503", "is away", transient=True)


class Grouping(MemoryIdp):
    """Every agent belongs into the groups a test names; `half` writes break after the object is made."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[str] = []
        self.half = 0

    def _wanted(self, agent: Any) -> Wanted:
        found = super()._wanted(agent)
        return found if agent.deleted else Wanted({**found.attributes, GROUPS: self.groups}, found.match)

    async def write(self, change: ObjectChange) -> str:
        if not self.half:
            return await super().write(change)
        self.half -= 1
        after = {name: value for name, value in change.after.items() if name != GROUPS}
        await super().write(
            ObjectChange(
                change.agent_id,
                change.slug,
                change.action,
                change.remote_id,
                change.before,
                after,
                change.wanted,
            )
        )
        raise BROKEN


async def one(store: Store, **settings: Any) -> tuple[Bench, Grouping, str]:
    idp = Grouping()
    bench = await Bench.open(store, idp, **settings)
    return bench, idp, await bench.agent("triage", await bench.person("maria@corp.test"))


@pytest.mark.parametrize("rule", ["*:ours", "*:ask", "*:theirs"])
def test_a_membership_that_could_not_be_written_is_nobodys_change_and_is_written_later(
    on_store, rule: str
) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await one(store, drift=rule)
        await bench.apply()
        idp.groups, idp.broken = ["Payments"], {"triage": BROKEN}
        assert (await bench.apply()).state == "FAILED"
        idp.broken = {}
        assert (await bench.plan()).changes == 1
        assert await drifts_of(store.reads, bench.connection.id, every=True) == []
        assert (await bench.apply()).state == "OK"
        assert by_login(idp, "triage")[GROUPS] == ["Payments"]
        assert (await bench.plan()).changes == 0
        idp.groups = []
        await bench.apply()
        assert by_login(idp, "triage")[GROUPS] == [], "what we added is ours to take away"

    on_store(body)


def test_a_push_that_is_tried_again_writes_the_membership_it_announced(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agent = await one(store, drift="*:ask")
        await bench.apply()
        idp.groups, idp.broken = ["Payments"], {"triage": AWAY}
        await bench.hold(agent, "admin")
        await bench.perform()
        idp.broken = {}
        store.clock.advance(seconds=3600)  # type: ignore[attr-defined]
        await bench.perform()
        assert by_login(idp, "triage")[GROUPS] == ["Payments"]
        assert by_login(idp, "triage")[ENABLED] is False
        await bench.hold(agent, "admin", release=True)
        await bench.perform()
        assert by_login(idp, "triage")[ENABLED] is True, "the stop was ours, and is ours to release"

    on_store(body)


def test_an_object_that_was_made_before_its_write_broke_is_known_as_ours(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agent = await one(store)
        idp.groups, idp.half = ["Payments"], 1
        assert (await bench.apply()).state == "FAILED"
        idp.groups = []
        assert (await bench.plan()).changes == 0
        pushed = await pushed_of(store.reads, bench.connection.id, agent)
        assert pushed is not None and pushed.remote_id == remote(idp, "triage")
        assert pushed.attributes["purpose"] == "the triage"

    on_store(body)


def test_a_stop_of_theirs_stays_after_we_switched_on_and_added_to_a_group_at_once(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, agent = await one(store)
        await bench.hold(agent, "admin")
        await bench.apply()
        await bench.perform()
        idp.groups = ["Payments"]
        await bench.hold(agent, "admin", release=True)
        await bench.perform()
        assert by_login(idp, "triage")[ENABLED] is True
        assert by_login(idp, "triage")[GROUPS] == ["Payments"]
        by_login(idp, "triage")[ENABLED] = False
        assert (await bench.plan()).changes == 0, (
            "what an admin there switched off is not switched on from here"
        )

    on_store(body)
