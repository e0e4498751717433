"""Groups and applications of agents in Okta: ours are put right, everybody else's stay."""

from __future__ import annotations

from collections import Counter

from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.work import Actor
from scim_bridge.registry import grants
from scim_bridge.registry.groups import add_members, delete_group, remove_members
from scim_bridge.sync.plan import changes_of
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, grouped, inside, owned, redescribe
from tests.sync.okta_org import EVERY_SCOPE, SCOPES, Org

PUSHED = {"push_groups": "*", "create_groups": "yes"}


def test_groups_are_made_and_filled_and_the_plan_shows_them_as_lists(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        triage, review = await owned(bench, "triage"), await owned(bench, "review")
        await grouped(bench, "Payments", triage, review)
        await grouped(bench, "Reports", review)
        await applied(bench)
        assert inside(org, "Payments") == {"triage@agents.test", "review@agents.test"}
        assert inside(org, "Reports") == {"review@agents.test"}
        names = [item["profile"]["name"] for item in org.objects("group")]
        assert sorted(names) == ["Everyone", "Payments", "Reports"]
        other = await grouped(bench, "Ledger", triage)
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert kept.change.before == {"groups": ["Payments"]}
        assert kept.change.after == {"groups": ["Ledger", "Payments"]}
        await applied(bench)
        await bench.store.transact(TESTER, lambda work: delete_group(work, other, "obsolete"))
        await applied(bench)
        assert inside(org, "Ledger") == set(), "the group stays, its name may mean something there"

    on_okta(body, settings=PUSHED, scopes=EVERY_SCOPE)


def test_a_grant_that_ends_takes_the_agent_out_at_the_idp_by_its_own_push(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        triage, review = await owned(bench, "triage"), await owned(bench, "review")
        group = await grouped(bench, "Payments", review)
        store, clock = bench.store, bench.store.clock
        await applied(bench)
        clock.advance(seconds=1)
        until = clock.now() + HOUR
        await store.transact(TESTER, lambda work: grants.grant(work, triage, group, until, "incident 4711"))
        await bench.perform(("idp.push",))
        assert inside(org, "Payments") == {"triage@agents.test", "review@agents.test"}
        clock.advance(seconds=3599)
        assert await grants.due(store) == 0
        clock.advance(seconds=1)
        assert await grants.due(store) == 1
        await bench.perform(("idp.push",))
        assert inside(org, "Payments") == {"review@agents.test"}
        assert (await bench.plan()).changes == 0

    on_okta(body, settings=PUSHED, scopes=EVERY_SCOPE)


def test_what_others_put_into_a_group_stays_and_what_they_gave_an_agent_stays(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        triage, review = await owned(bench, "triage"), await owned(bench, "review")
        group = await grouped(bench, "Payments", triage)
        org.control("POST", "/directory", {"groups": [{"name": "payments", "members": ["maria@corp.test"]}]})
        await applied(bench)
        assert inside(org, "payments") == {"maria@corp.test", "triage@agents.test"}
        # An Okta admin puts another agent in, by hand.
        key = next(item["id"] for item in org.objects("group") if item["profile"]["name"] == "payments")
        user = org.user("review@agents.test")
        await bench.idp._session.send(  # type: ignore[attr-defined]
            "put it in", "PUT", f"/api/v1/groups/{key}/users/{user['id']}"
        )
        assert (await bench.plan()).changes == 0
        await bench.store.transact(TESTER, lambda work: add_members(work, group, [(review, None)]))
        await applied(bench)
        await bench.store.transact(TESTER, lambda work: remove_members(work, group, [triage, review]))
        await applied(bench)
        # The admin's own membership is not ours to take, though we too wanted it for a while.
        assert inside(org, "payments") == {"maria@corp.test", "review@agents.test"}

    on_okta(body, settings=PUSHED, scopes=EVERY_SCOPE)


def test_what_okta_itself_told_us_of_is_never_put_back_there(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        triage = await owned(bench, "triage")
        group = await grouped(bench, "Payments")
        okta = Actor("connection", bench.connection.id, bench.connection.name, bench.connection.id)
        await bench.store.transact(okta, lambda work: add_members(work, group, [(triage, None)]))
        await applied(bench)
        assert not [item for item in org.objects("group") if item["profile"]["name"] == "Payments"]

    on_okta(body, settings=PUSHED, scopes=EVERY_SCOPE)


def test_groups_that_are_not_there_are_only_made_when_a_setting_asks_for_that(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        triage = await owned(bench, "triage")
        await grouped(bench, "Payments", triage)
        await grouped(bench, "Secret", triage)
        plan = await bench.plan()
        assert any("no group Payments" in note and "create_groups" in note for note in plan.notes)
        assert not any("Secret" in note for note in plan.notes), "it is not among push_groups"
        await applied(bench)
        assert [item["profile"]["name"] for item in org.objects("group")] == ["Everyone"]

    on_okta(body, settings={"push_groups": "payments; Reports"}, scopes=EVERY_SCOPE)


def test_an_answer_lost_while_joining_leaves_the_membership_ours(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        triage = await owned(bench, "triage")
        await applied(bench)
        groups = [await grouped(bench, name, triage) for name in ("A", "B")]
        org.fault("PUT", "^/api/v1/groups/.*/users/", "drop_after")
        await applied(bench)
        assert org.control("GET", "/faults")["faults"][0]["fired"] == 1
        for group in groups:
            await bench.store.transact(TESTER, lambda work, key=group: remove_members(work, key, [triage]))
        await applied(bench)
        assert inside(org, "A") == inside(org, "B") == set()

    on_okta(body, settings=PUSHED, scopes=EVERY_SCOPE)


def test_many_agents_that_would_lose_a_group_at_once_are_held(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agents = [await owned(bench, f"agent-{number}") for number in range(5)]
        group = await grouped(bench, "Payments", *agents)
        await applied(bench)
        await bench.store.transact(TESTER, lambda work: remove_members(work, group, agents))
        plan = await bench.plan()
        assert plan.state == "held" and "5 of 5 agents would lose groups" in plan.reason
        assert (await bench.apply(release="the project ended")).state == "OK"
        assert inside(org, "Payments") == set()

    on_okta(body, settings=PUSHED, scopes=EVERY_SCOPE)


def test_agents_are_assigned_to_an_application_and_others_keep_theirs(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        app = org.objects("app")[0]["id"]
        await bench.configure(app_assignment=app)
        triage = await owned(bench, "triage")
        maria = org.user("maria@corp.test")["id"]
        await bench.idp._session.send(  # type: ignore[attr-defined]
            "assign", "POST", f"/api/v1/apps/{app}/users", {"id": maria, "scope": "USER"}
        )
        await applied(bench)
        assigned = {item["user"] for item in org.objects("appuser")}
        assert assigned == {maria, org.user("triage@agents.test")["id"]}
        await redescribe(bench, triage, purpose="else")
        await applied(bench)

    on_okta(body, scopes=EVERY_SCOPE)


def test_an_application_that_is_not_there_is_told_and_stops_nothing(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        plan = await bench.plan()
        assert any("no application 0oanothere" in note for note in plan.notes)
        await applied(bench)

    on_okta(body, settings={"app_assignment": "0oanothere"}, scopes=EVERY_SCOPE)


def test_without_the_scope_groups_are_not_pushed_and_the_plan_says_so(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        triage = await owned(bench, "triage")
        await grouped(bench, "Payments", triage)
        plan = await bench.plan()
        assert any("not pushed" in note and "okta.groups.manage" in note for note in plan.notes)
        await applied(bench)

    on_okta(body, settings=PUSHED, scopes=SCOPES)


def test_memberships_are_read_by_group_and_by_application_never_by_agent(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await bench.configure(app_assignment=org.objects("app")[0]["id"])
        agents = [await owned(bench, f"agent-{number}") for number in range(12)]
        for name in ("A", "B"):
            await grouped(bench, name, *agents)
        await applied(bench)
        seen = len(org.calls())
        assert (await bench.plan()).changes == 0
        kinds = Counter(call["operation"] for call in org.calls()[seen:])
        assert kinds["list_group_users"] == 2 and kinds["list_app_users"] == 1
        assert kinds["list_groups"] == 1 and kinds["list_user_groups"] == kinds["get_app_user"] == 0

    on_okta(body, settings=PUSHED, scopes=EVERY_SCOPE)
