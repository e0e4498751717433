"""What an admin changes and makes in a real-shaped Okta org: told with the admin's name from the System Log."""

from __future__ import annotations

import time

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store
from scim_bridge.sync import adopting
from scim_bridge.sync.idp.okta.telling import MEANING
from scim_bridge.sync.plan import changes_of
from tests.conftest import TESTER, run_with_store
from tests.sync.bench import Bench
from tests.sync.drift_bench import drifts, facts, settled, strangers
from tests.sync.okta_bench import applied, links, owned
from tests.sync.okta_org import SCOPES, Org

LOGS = [*SCOPES, "okta.logs.read"]


@pytest.fixture
def on_org(org: Org, sqlite_url: str):
    """A bench at the org's own time, so that its log and we speak of the same instants."""

    def runner(body, scopes: list[str] = LOGS, **settings: object) -> None:
        clock = ManualClock(time.time_ns() // 1000)

        async def main(store: Store) -> None:
            idp = org.open(store, scopes=scopes)
            try:
                bench = await Bench.open(store, idp, **settings)
                await bench.person("maria@corp.test")
                await bench.person("omar@corp.test")
                await body(bench, org)
            finally:
                await idp.close()

        run_with_store(sqlite_url, clock, main)

    return runner


def as_mallory(org: Org, bench: Bench):
    """Another admin's way into the same org."""
    token = org.control("POST", "/api-tokens", {"name": "mallory@corp.test"})["token"]
    return org.open(bench.store, ssws_token=token)


def grant_logs(org: Org) -> None:
    """Our service app may read the log."""
    from joserfc.jwk import RSAKey

    from tests.sync.okta_org import CLIENT, private_key

    jwk = RSAKey.import_key(private_key()).as_dict(private=False) | {"kid": "k1"}
    org.control("POST", "/api-clients", {"client_id": CLIENT, "jwk": jwk, "scopes": LOGS})


def test_an_admins_change_is_drift_with_the_admins_name_and_is_taken_or_written_over(on_org) -> None:
    async def body(bench: Bench, org: Org) -> None:
        grant_logs(org)
        await owned(bench, "triage")
        await applied(bench)
        mallory = as_mallory(org, bench)
        user_id = org.user("triage@agents.test")["id"]
        profile = {"agentPurpose": "sorts tickets", "agentOwnerLogin": "omar@corp.test", "agentSlug": "mine"}
        await mallory._session.send("edit", "POST", f"/api/v1/users/{user_id}", {"profile": profile})
        await mallory.close()
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert set(kept.change.after) == {"agentSlug"}, "only what nobody is asked about"
        rows = {row.attribute: row for row in await drifts(bench)}
        assert set(rows) == set(profile)
        assert {row.changed_by for row in rows.values()} == {"mallory@corp.test"}
        assert all(row.changed_at is not None and not row.unknown for row in rows.values())
        await settled(bench, "triage", "purpose", "theirs")
        await settled(bench, "triage", "agentOwnerLogin", "theirs")
        await bench.perform()
        found = await facts(bench, "triage")
        assert found.extension["purpose"] == "sorts tickets"
        assert found.owners.owner is not None and found.owners.owner.user_name == "omar@corp.test"
        assert links(org) == [("triage@agents.test", "omar@corp.test")], "what follows from the owner follows"
        assert org.user("triage@agents.test")["profile"]["agentSlug"] == "triage"
        assert (await bench.plan()).changes == 0 and await drifts(bench) == []

    on_org(body, drift="purpose:ask; owner:ask")


def test_without_the_scope_for_the_log_drift_is_kept_and_says_so(on_org) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await applied(bench)
        login = "triage@agents.test"
        org.control("POST", "/directory", {"users": [{"login": login, "agentPurpose": "mining"}]})
        await bench.plan()
        (row,) = await drifts(bench)
        assert row.theirs == "mining" and row.changed_by == "" and "E0000006" in row.unknown

    on_org(body, SCOPES)


def test_an_agent_an_admin_made_is_found_with_its_maker_and_adopted(on_org) -> None:
    async def body(bench: Bench, org: Org) -> None:
        grant_logs(org)
        await owned(bench, "triage")
        await applied(bench)
        mallory = as_mallory(org, bench)
        kind = org.user("triage@agents.test")["type"]
        names = {
            "firstName": "Helper",
            "lastName": "Bot",
            "email": "helper@corp.test",
            "displayName": "Helper",
        }
        profile = {"login": "helper@corp.test", "agentPurpose": "helps", "agentOwnerLogin": "omar@corp.test"}
        new = {"profile": {**names, **profile}, "type": kind}
        await mallory._session.send("make", "POST", "/api/v1/users?activate=true", new)
        await mallory.close()
        assert (await bench.plan()).changes == 0
        (row,) = await strangers(bench)
        assert (row.name, row.owner, row.origin) == (
            "helper@corp.test",
            "omar@corp.test",
            "mallory@corp.test",
        )
        there = bench.connection
        made = await bench.store.transact(
            TESTER, lambda work: adopting.adopt_as(work, there, row.remote_id, "helper", "", "ours", MEANING)
        )
        await applied(bench)
        profile = org.user("helper@corp.test")["profile"]
        assert (profile["agentId"], profile["agentPurpose"]) == (made, "helps")
        assert ("helper@corp.test", "omar@corp.test") in links(org)
        assert len([one for one in org.objects("user") if one["type"] == kind]) == 2

    on_org(body)


def test_a_retired_stranger_is_deactivated_in_okta(on_org) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await applied(bench)
        kind = org.user("triage@agents.test")["type"]
        names = {
            "firstName": "Zombie",
            "lastName": "Bot",
            "email": "zombie@corp.test",
            "login": "zombie@corp.test",
        }
        session = bench.idp._session  # type: ignore[attr-defined]
        marked = {"profile": {**names, "agentId": "0199-another-bridge"}, "type": kind}
        await session.send("make", "POST", "/api/v1/users?activate=true", marked)
        await bench.plan()
        (row,) = await strangers(bench)
        await bench.store.transact(
            TESTER, lambda work: adopting.retire(work, bench.connection, row.remote_id, "nobody's")
        )
        assert (await bench.apply()).state == "OK"
        assert org.user("zombie@corp.test")["status"] == "DEPROVISIONED"
        assert org.user("triage@agents.test")["status"] == "ACTIVE"
        assert (await bench.plan()).changes == 0

    on_org(body, SCOPES)
