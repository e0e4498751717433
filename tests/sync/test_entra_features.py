"""What the app may do is found out and said; one missing permission takes one thing away, never the run."""

from __future__ import annotations

import pytest

from scim_bridge.cli.story.opening import ENTRA_ROLES
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.sync.idp.entra.needs import granted
from scim_bridge.sync.idp.port import Feature, IdpError
from scim_bridge.sync.plan import changes_of
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, answer_for, attested, on_bench, upn

ASSIGN = "CustomSecAttributeAssignment.ReadWrite.All"
DEFINE = "CustomSecAttributeDefinition.ReadWrite.All"


def without(sandbox: Running, *roles: str) -> Tenant:
    return Tenant.fresh(sandbox, roles=[role for role in ENTRA_ROLES if role not in roles])


async def found(bench: Bench) -> dict[str, Feature]:
    return {one.name: one for one in await bench.idp.features()}


def test_an_app_with_every_permission_can_do_everything_it_is_asked_for(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    async def body(bench: Bench) -> None:
        features = await found(bench)
        asked_for = {"agent users", "agent registry", "groups", "app roles"}
        assert {name for name, one in features.items() if not one.usable} == asked_for
        assert features["agent users"].reason == "not asked for: set agent_users."

    on_bench(sqlite_url, clock, Tenant.fresh(sandbox), body)


def test_without_attributes_agents_are_kept_in_step_all_the_same_and_the_plan_says_what_is_missing(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = without(sandbox, ASSIGN)

    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        triage = await bench.agent("triage", maria)
        await attested(bench, triage, "statement-1")
        plan = await bench.plan()
        said = [note for note in plan.notes if note.startswith("custom security attributes: ")]
        assert len(said) == 1 and ASSIGN in said[0] and "not attested" in said[0]
        assert not [step for step in plan.setup if step[0].startswith("attribute")]
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.people_of("Triage", "owners") == ["maria"]
        assert "attributes" not in tenant.identity("Triage")["$"]
        await answer_for(bench, triage, bob)
        await bench.hold(triage, "admin")
        assert (await bench.apply()).state == "OK"
        assert tenant.people_of("Triage", "owners") == ["bob"]
        assert tenant.identity("Triage")["accountEnabled"] is False
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body)


def test_people_who_cannot_be_looked_up_are_neither_added_nor_taken_away(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox)

    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        triage = await bench.agent("triage", maria)
        await bench.apply()
        await _grant(bench, tenant, [role for role in ENTRA_ROLES if role != "User.Read.All"])
        await answer_for(bench, triage, bob)
        await bench.hold(triage, "admin")
        plan = await bench.plan()
        assert any(note.startswith("owners and sponsors: ") for note in plan.notes)
        assert (await bench.apply(plan)).state == "OK"
        assert tenant.people_of("Triage", "owners") == ["maria"], "somebody was removed blindly"
        assert tenant.identity("Triage")["accountEnabled"] is False
        await _grant(bench, tenant, ENTRA_ROLES, known=False)
        assert (await bench.apply()).state == "OK", "a permission that was granted since is not used"
        assert tenant.people_of("Triage", "owners") == ["bob"]

    on_bench(sqlite_url, clock, tenant, body)


async def _grant(bench: Bench, tenant: Tenant, roles: list[str], *, known: bool = True) -> None:
    """Give the app other roles, as an administrator does; `known`: it has a new token since."""
    store = tenant.running.sandbox.store
    (app,) = [one for _, one in store.all("application") if one["appId"] == tenant.secrets["client_id"]]
    store.put("application", app["id"], {**app, "$": {**app["$"], "roles": roles}})
    if known:
        await bench.idp._features._tokens.token(fresh=True)  # type: ignore[attr-defined]


def test_a_set_that_the_app_may_not_complete_is_said_and_left(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(
        sandbox,
        roles=[r for r in ENTRA_ROLES if r != DEFINE] + ["CustomSecAttributeDefinition.Read.All"],
    )

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        plan = await bench.plan()
        assert any("not complete (17 missing)" in note for note in plan.notes)
        assert (await bench.apply(plan)).state == "OK"
        assert not (await found(bench))["custom security attributes"].usable

    on_bench(sqlite_url, clock, tenant, body)


def test_what_entra_refuses_though_the_role_is_there_is_told_with_its_words(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox)

    async def body(bench: Bench) -> None:
        tenant.configure(attributes_licensed=False)
        feature = (await found(bench))["custom security attributes"]
        assert not feature.usable
        assert "not licensed" in feature.reason and "licence" in feature.reason
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"

    on_bench(sqlite_url, clock, tenant, body)


def test_a_storm_of_429_says_nothing_about_permissions(
    sqlite_url: str, clock: ManualClock, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_bridge.sync.idp.entra.graph.PATIENCE", 0)
    tenant = Tenant.fresh(sandbox)
    tenant.faults({"match": {"path": "batch"}, "action": "status", "status": 429, "times": None})

    async def body(bench: Bench) -> None:
        with pytest.raises(IdpError) as error:
            await bench.idp.features()
        assert error.value.transient

    on_bench(sqlite_url, clock, tenant, body)


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "e30.bnVsbA.x", "e30.e30.x", "a.😀.c"])
def test_a_token_that_says_no_roles_is_no_reason_to_refuse_anything(token: str) -> None:
    assert granted(token) is None


def test_a_missing_permission_for_one_change_parks_that_one(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox)

    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        triage = await bench.agent("triage", maria)
        await bench.apply()
        await _grant(bench, tenant, [role for role in ENTRA_ROLES if role != "AgentIdentity.Create.All"])
        await bench.agent("review", maria)
        await bench.hold(triage, "admin")
        plan = await bench.plan()
        assert any(note.startswith("new agent identities: ") for note in plan.notes)
        assert {kept.change.slug for kept in await changes_of(bench.store.reads, plan.id)} == {
            "triage",
            "review",
        }
        done = await bench.apply(plan)
        assert (done.done, done.failed) == (1, 1)
        assert tenant.identity("Triage")["accountEnabled"] is False

    on_bench(sqlite_url, clock, tenant, body)


def test_a_process_that_only_pushes_sees_a_permission_that_was_granted_since(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = without(sandbox, ASSIGN)

    async def body(bench: Bench) -> None:
        triage = await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        await _grant(bench, tenant, ENTRA_ROLES, known=False)
        await bench.hold(triage, "admin")
        await bench.perform()
        assert "attributes" not in tenant.identity("Triage")["$"], "asked at every push"
        features = bench.idp._features  # type: ignore[attr-defined]
        features._looked -= 1000.0
        await bench.hold(triage, "admin", release=True)
        await bench.perform()
        assert tenant.identity("Triage")["accountEnabled"] is True
        assert "sync apply completes it" in (await features.of("custom security attributes")).reason
        assert (await bench.apply()).state == "OK"
        features._looked -= 1000.0
        await bench.hold(triage, "admin")
        await bench.perform()
        assert tenant.facts("Triage")["holds"] == ["held by admin"]

    on_bench(sqlite_url, clock, tenant, body)
