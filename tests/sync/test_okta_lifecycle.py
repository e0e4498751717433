"""How agents are stopped, started and removed in Okta, by the connection's settings."""

from __future__ import annotations

from scim_bridge.registry.agents import delete_agent
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, owned, redescribe
from tests.sync.okta_org import EVERY_SCOPE, Org

DEACTIVATE = {"stop_action": "deactivate"}


def test_a_stop_by_deactivation_says_why_first_and_its_release_activates(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        await bench.hold(agent_id, "departure:1")
        await bench.perform()
        user = org.user("triage@agents.test")
        assert user["status"] == "DEPROVISIONED"
        assert user["profile"]["agentHoldReasons"] == ["held by departure"]
        assert (await bench.plan()).changes == 0
        await redescribe(bench, agent_id, purpose="said while it was off")
        await bench.hold(agent_id, "departure:1", release=True)
        await bench.perform()
        user = org.user("triage@agents.test")
        assert user["status"] == "ACTIVE" and "agentHoldReasons" not in user["profile"]
        assert user["profile"]["agentPurpose"] == "said while it was off"
        assert (await bench.plan()).changes == 0

    on_okta(body, settings=DEACTIVATE)


def test_a_user_an_admin_deactivated_is_not_activated_by_us(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        await bench.idp._writer._deactivate(org.user("triage@agents.test")["id"])  # type: ignore[attr-defined]
        await redescribe(bench, agent_id, purpose="else")
        plan = await bench.plan()
        assert plan.changes == 0 and any("not by us" in note for note in plan.notes)
        assert org.user("triage@agents.test")["status"] == "DEPROVISIONED"

    on_okta(body, settings=DEACTIVATE)


def test_a_stop_is_made_though_what_goes_before_it_is_refused(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        error = {"errorCode": "E0000001", "errorSummary": "Api validation failed", "errorCauses": []}
        org.fault("POST", "^/api/v1/users/00u[^/]*$", "status", status=400, body=error)
        await bench.hold(agent_id, "admin")
        await bench.perform()
        assert org.user("triage@agents.test")["status"] == "DEPROVISIONED"

    on_okta(body, settings=DEACTIVATE)


def test_a_deactivated_agent_gets_its_application_back_when_it_is_activated(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await bench.configure(app_assignment=org.objects("app")[0]["id"])
        agent_id = await owned(bench, "triage")
        await applied(bench)
        assert len(org.objects("appuser")) == 1
        await bench.hold(agent_id, "admin")
        await bench.perform()
        assert org.objects("appuser") == [], "Okta takes assignments away with a deactivation"
        assert (await bench.plan()).changes == 0
        await bench.hold(agent_id, "admin", release=True)
        await bench.perform()
        assert len(org.objects("appuser")) == 1
        await applied(bench)

    on_okta(body, settings=DEACTIVATE, scopes=EVERY_SCOPE)


def test_a_deleted_agent_is_deleted_there_when_a_setting_asks_for_that(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        first, second = await owned(bench, "triage"), await owned(bench, "review")
        await applied(bench)
        org.fault("DELETE", "^/api/v1/users/", "drop_after")
        await bench.store.transact(TESTER, lambda work: delete_agent(work, first, "obsolete"))
        await applied(bench)
        assert org.control("GET", "/faults")["faults"][0]["fired"] == 1
        logins = {user["profile"]["login"] for user in org.objects("user")}
        assert "triage@agents.test" not in logins and "review@agents.test" in logins
        assert (await bench.plan()).changes == 0 and second

    on_okta(body, settings={"retire_action": "delete"})


def test_an_attribute_that_was_cleared_is_gone_from_okta(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage", model="m-1")
        await applied(bench)
        await redescribe(bench, agent_id, model=None, purpose=" ")
        await applied(bench)
        profile = org.user("triage@agents.test")["profile"]
        assert not {"agentModel", "agentPurpose"} & profile.keys()

    on_okta(body)
