"""A hold is seen by every replica's next decision: nothing of an agent is kept between two questions."""

from __future__ import annotations

from scim_bridge.access.decide import decide
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.holds import place_hold, release_hold
from tests.access.gateway import EXAMPLE
from tests.conftest import TESTER, run_with_store


def test_what_one_replica_commits_the_other_answers_with(database_url: str, clock: ManualClock) -> None:
    async def body(first: Store) -> None:
        await import_manifest(first, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        agent = await find_agent(first.reads, "code-review")
        assert agent is not None
        agent_id = agent.resource.id
        policies = load_policies()
        question = Question("agent", "code-review", "read", "repository", "storefront")
        second = await open_database(database_url, pool_size=2)
        try:

            async def allowed() -> bool:
                return (await decide(second.reads, policies, question, clock.now())).allowed

            for _ in range(3):
                assert await allowed()
                await first.transact(
                    TESTER, lambda work: place_hold(work, agent_id, "admin", "admin", "Odd.", "an admin")
                )
                assert not await allowed()
                await first.transact(TESTER, lambda work: release_hold(work, agent_id, "admin", "done"))
        finally:
            await second.close()

    run_with_store(database_url, clock, body)
