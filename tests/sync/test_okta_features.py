"""What of an org can be used: probed, kept, shown, and what still works where something is missing."""

from __future__ import annotations

from scim_bridge.sync.features import probe
from scim_bridge.sync.plan import changes_of
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, features, give, owned
from tests.sync.okta_org import EVERY_SCOPE, SCOPES, Org

ABSENT = {"errorCode": "E0000008", "errorSummary": "The requested path was not found", "errorCauses": []}
DISABLED = {"errorCode": "E0000015", "errorSummary": "You do not have permission", "errorCauses": []}
FORBIDDEN = {"errorCode": "E0000006", "errorSummary": "You do not have permission", "errorCauses": []}


def always(org: Org, path: str, status: int, body: object) -> None:
    """Let an address of the org be refused for good."""
    rule = {"match": {"path": path}, "times": None, "action": "status", "status": status, "body": body}
    org.control("PUT", "/faults", {"faults": [rule]})


def test_a_plan_keeps_what_of_the_org_can_be_used_and_why_not(on_okta) -> None:
    scopes = [*SCOPES, "okta.groups.read", "okta.logs.read", "okta.aiAgents.manage"]

    async def body(bench: Bench, org: Org) -> None:
        org.let_in(scopes)
        await bench.plan()
        found = await features(bench)
        usable = {name for name, feature in found.items() if feature.usable}
        assert usable == {
            "sign-in",
            "users",
            "user types",
            "schema",
            "linked objects",
            "groups",
            "system log",
        }
        assert found["groups"].reason == "read only: the scope okta.groups.manage is not granted"
        assert found["apps"].reason == "the scope okta.apps.manage is not among the scopes of the connection"
        assert found["AI agents"].reason == "not enabled in this org (E0000015)"
        assert "okta.governance.resourceOwner.manage" in found["resource owners"].reason
        assert found["sign-in"].reason == "service app, private_key_jwt"

    on_okta(body, scopes=scopes)


def test_a_role_that_does_not_allow_it_is_told_from_a_missing_scope(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        always(org, "^/api/v1/apps", 403, FORBIDDEN)
        await probe(bench.ctx, TESTER, bench.connection, bench.idp)
        assert (await features(bench))["apps"].reason == "the admin role of this app does not allow it"

    on_okta(body, scopes=EVERY_SCOPE)


def test_an_api_token_works_with_a_warning(on_okta, org: Org) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await probe(bench.ctx, TESTER, bench.connection, bench.idp)
        found = await features(bench)
        assert found["sign-in"].usable and found["sign-in"].reason.startswith("warning: an SSWS token")
        assert found["groups"].reason == ""

    on_okta(body, ssws_token=org.control("POST", "/api-tokens", {})["token"])


def test_a_plan_that_cannot_be_read_still_keeps_why(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        assert (await bench.apply()).state == "FAILED"
        found = await features(bench)
        assert not found["user types"].usable and "okta.userTypes.manage" in found["user types"].reason

    on_okta(body, scopes=["okta.users.manage"])


def test_only_a_change_of_what_can_be_used_is_audited(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        for _ in range(2):
            await probe(bench.ctx, TESTER, bench.connection, bench.idp)
        rows = await bench.store.reads.all("SELECT detail FROM sb_audit WHERE action = 'connection.probed'")
        assert len(rows) == 1 and "user types" in rows[0]["detail"]

    on_okta(body)


def test_without_linked_objects_the_owner_is_an_attribute_only(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        plan = await bench.plan()
        assert any("attributes only" in note and "okta.linkedObjects" in note for note in plan.notes)
        assert ("linked object", "agentOwner") not in plan.setup
        await applied(bench)
        assert org.user("triage@agents.test")["profile"]["agentOwnerLogin"] == "maria@corp.test"
        assert not org.objects("link")
        await give(bench, agent_id, "omar@corp.test")
        await applied(bench)
        assert org.user("triage@agents.test")["profile"]["agentOwnerLogin"] == "omar@corp.test"

    on_okta(body, scopes=[scope for scope in SCOPES if "linkedObjects" not in scope])


def test_without_user_types_agents_are_users_known_by_login_with_what_every_schema_has(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        always(org, "^/api/v1/meta/types/user", 404, ABSENT)
        agent_id = await owned(bench, "triage")
        plan = await bench.plan()
        assert any("default type" in note and "this org has no such feature" in note for note in plan.notes)
        await applied(bench)
        user = org.user("triage@agents.test")
        kinds = {item["id"]: item["name"] for item in org.objects("usertype")}
        assert kinds[user["type"]["id"]] == "user" and user["profile"]["userType"] == "Agent"
        assert "agentId" not in user["profile"] and user["profile"]["manager"] == "Maria"
        assert (await bench.plan()).listed == 1, "people are no agents"
        await bench.hold(agent_id, "admin")
        await bench.perform()
        assert org.user("triage@agents.test")["status"] == "SUSPENDED"
        assert (await bench.plan()).changes == 0

    on_okta(body)


def test_a_lost_answer_makes_no_second_user_where_nothing_marks_agents(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        always(org, "^/api/v1/meta/types/user", 404, ABSENT)
        await owned(bench, "triage")
        await bench.idp.make_ready()
        rules = org.control("GET", "/faults")["faults"]
        lost = {"match": {"method": "POST", "path": "^/api/v1/users"}, "times": 1, "action": "drop_after"}
        kept = [
            {name: rule[name] for name in ("match", "times", "action", "status", "body")} for rule in rules
        ]
        org.control("PUT", "/faults", {"faults": [*kept, lost]})
        # Nothing says that the user which appeared is ours, so nothing is written: the next plan shows it.
        assert (await bench.apply()).moved == 1
        await applied(bench)
        logins = [user["profile"]["login"] for user in org.objects("user")]
        assert logins.count("triage@agents.test") == 1

    on_okta(body)


def test_a_feature_that_is_not_enabled_is_not_the_end_of_a_plan(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        always(org, "linkedObjects", 401, DISABLED)
        await owned(bench, "triage")
        await applied(bench)
        assert (await features(bench))["linked objects"].reason == "not enabled in this org (E0000015)"

    on_okta(body)


def test_what_another_replica_added_to_the_org_is_seen_before_a_write_is_refused(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        other = org.open(bench.ctx.store, bench.connection)
        try:
            await owned(bench, "triage")
            # The other replica has looked at the org when nothing was ready.
            assert [page async for page in other.listing()]
            plan = await bench.plan()
            [kept] = await changes_of(bench.ctx.store.reads, plan.id)
            await bench.idp.make_ready()
            assert await other.write(kept.change)
        finally:
            await other.close()

    on_okta(body)
