"""Promises of who an activity event means: what another replica changes is seen within a second."""

from __future__ import annotations

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.resources import bump
from scim_bridge.watch.agent_lookup import AgentLookup
from tests.conftest import TESTER, Runner


def test_an_agent_another_replica_made_renamed_or_deleted_is_known_as_such_within_a_second(
    on_store: Runner[None], clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        # Another process: its commits are not announced here.
        other = Store(store.database, store.clock, store.ids, store.indexes)
        lookup = AgentLookup(store)
        assert (await lookup.ids(["triage", "nobody"]))["triage"] is None

        async def make(work: Work) -> str:
            return (
                await create_agent(work, {"userName": "triage@agents.test"}, origin="t", slug="triage")
            ).id

        made = await other.transact(TESTER, make)
        clock.advance(seconds=1.1)
        assert (await lookup.ids(["triage", made, "triage@agents.test"])) | {"nobody": None} == {
            "triage": made,
            made: made,
            "triage@agents.test": made,
            "nobody": None,
        }

        async def rename(work: Work) -> None:
            work.bookkeeping("a test")
            await work.tx.run("UPDATE sb_agent SET slug = 'triage-2' WHERE id = ?", made)
            bump(work, made, "agent")

        await other.transact(TESTER, rename)
        clock.advance(seconds=1.1)
        found = await lookup.ids(["triage", "triage-2"])
        assert (found["triage"], found["triage-2"]) == (None, made)

        await other.transact(TESTER, lambda work: delete_agent(work, made, "a test"))
        clock.advance(seconds=1.1)
        assert set((await lookup.ids(["triage-2", made])).values()) == {None}

    on_store(body)
