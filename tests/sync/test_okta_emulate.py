"""The okta SDK against emulate@0.11.2 (npm), an Okta emulator nobody here wrote and that has only the basics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.groups import remove_members
from scim_bridge.sync.idp.okta.opening import open_okta
from tests.conftest import MASTER, TESTER, run_with_store
from tests.sync.bench import Bench
from tests.sync.emulate_org import TOKEN, Emulated, emulated
from tests.sync.okta_bench import applied, features, give, grouped, owned

AGENTS = 33
"""More than one of its pages of 30 users."""


@pytest.fixture(scope="module")
def org(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    # Kept between runs where pytest keeps things at all; fetched anew otherwise.
    kept = getattr(pytestconfig, "cache", None)
    cache = Path(str(kept.mkdir("emulate"))) if kept else tmp_path_factory.mktemp("npm")
    with emulated(cache, tmp_path_factory.mktemp("ca")) as running:
        yield running


def test_agents_are_made_grouped_and_deactivated_and_the_next_plan_is_empty(
    org: Emulated, sqlite_url: str, clock: ManualClock
) -> None:
    maria = org.add_user("maria@corp.test")

    async def main(store: Store) -> None:
        settings = {
            "org_url": org.url,
            "ca_file": str(org.ca_file),
            "push_groups": "*",
            "create_groups": "yes",
        }
        outbound = Outbound(allow=["127.0.0.0/8"])
        ctx = Context(store, MASTER, outbound, "http://127.0.0.1", Path())
        bench = await Bench.opened(
            store, lambda there: open_okta(there, {"ssws_token": TOKEN}, ctx), **settings
        )
        try:
            await body(bench)
        finally:
            await bench.idp.close()

    async def body(bench: Bench) -> None:
        await bench.person("maria@corp.test")
        agents = [await owned(bench, f"agent-{number:02}") for number in range(AGENTS)]
        group = await grouped(bench, "Payments", *agents[:2])

        plan = await bench.plan()
        assert plan.creates == AGENTS and not plan.setup
        assert any("default type" in note and "404" in note for note in plan.notes), plan.notes
        await applied(bench)
        users = {user["profile"]["login"]: user for user in org.ask("/api/v1/users?per_page=100")}
        assert users["agent-00@agents.test"]["status"] == "ACTIVE"
        assert users["agent-00@agents.test"]["profile"]["displayName"] == "Agent-00"
        (payments,) = [item for item in org.ask("/api/v1/groups") if item["profile"]["name"] == "Payments"]
        inside = {user["profile"]["login"] for user in org.ask(f"/api/v1/groups/{payments['id']}/users")}
        assert inside == {"agent-00@agents.test", "agent-01@agents.test"}

        # Somebody else puts Maria into the group: she stays when we take an agent out of it.
        org.client.put(f"/api/v1/groups/{payments['id']}/users/{maria}")
        await bench.store.transact(TESTER, lambda work: remove_members(work, group, [agents[1]]))
        await bench.hold(agents[2], "admin")
        await bench.store.transact(TESTER, lambda work: delete_agent(work, agents[3], "obsolete"))
        plan = await bench.plan()
        assert (plan.updates, plan.retires) == (2, 1)
        await bench.perform()
        await applied(bench)
        users = {user["profile"]["login"]: user for user in org.ask("/api/v1/users?per_page=100")}
        assert users["agent-02@agents.test"]["status"] == "SUSPENDED"
        assert users["agent-03@agents.test"]["status"] == "DEPROVISIONED"
        assert users["maria@corp.test"]["status"] == "ACTIVE"
        inside = {user["profile"]["login"] for user in org.ask(f"/api/v1/groups/{payments['id']}/users")}
        assert inside == {"agent-00@agents.test", "maria@corp.test"}
        assert (await bench.plan()).changes == 0

        known = await features(bench)
        usable = {name for name, feature in known.items() if feature.usable}
        assert usable == {"sign-in", "users", "groups", "apps"}
        assert known["user types"].reason == "this org has no such feature (404)"
        assert "SSWS" in known["sign-in"].reason
        # The owner is told nowhere here: no attribute and no link for it.
        await give(bench, agents[0], None)
        assert (await bench.plan()).changes == 0

    run_with_store(sqlite_url, clock, main)
