"""The decision's door: AuthZEN shapes, holds deny, bad questions are refused, everything is logged."""

from __future__ import annotations

from typing import Any

from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.groups import delete_group
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.people import set_employed
from scim_bridge.registry.resources import by_name
from scim_bridge.registry.tokens import create_token
from tests.access.gateway import PATH, Gateway, OnStore, question, with_gateway
from tests.conftest import MASTER, TESTER


def test_a_group_grants_what_it_says_and_the_answer_says_which_policy(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        yes = await gateway.ask()
        assert yes["decision"] is True
        assert yes["context"]["reasons"] == [
            {"id": "source-code-read", "text": "Group source-code may read repositories."}
        ]
        assert yes["context"]["policies"] == ["source-code-read"]
        assert yes["context"]["agent"]["slug"] == "code-review"
        no = await gateway.ask("code-review", "write")
        assert no["decision"] is False
        assert no["context"]["reasons"][0]["id"] == "no-grant"
        assert "Its groups: source-code." in no["context"]["reasons"][0]["text"]
        assert (await gateway.ask("campaign-writer"))["decision"] is False

    with_gateway(on_store, body)


def test_an_agent_is_found_by_each_of_its_names(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        facts = await find_agent(gateway.store.reads, "code-review")
        assert facts is not None
        names = (facts.resource.id, facts.slug, facts.resource.name.upper(), facts.workload_id)
        for name in names:
            answer = await gateway.ask(name)
            assert answer["decision"] is True, name
            assert answer["context"]["agent"]["id"] == facts.resource.id

    with_gateway(on_store, body)


def test_a_hold_denies_from_its_commit_and_says_who_why_and_what_releases_it(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        facts = await find_agent(gateway.store.reads, "code-review")
        assert facts is not None
        agent_id = facts.resource.id

        async def hold(work: Work) -> None:
            await place_hold(work, agent_id, "admin", "admin", "under review", "an admin: agents resume")
            await place_hold(work, agent_id, "watch", "odd-hours", "acted at night.", "the owner")

        await gateway.store.transact(TESTER, hold)
        held = await gateway.ask()
        assert held["decision"] is False
        assert held["context"]["agent"]["active"] is False
        reasons = {reason["id"]: reason["text"] for reason in held["context"]["reasons"]}
        assert set(reasons) == {"hold:admin", "hold:odd-hours"}
        assert reasons["hold:admin"].startswith("under review. Held since 2026-")
        assert reasons["hold:admin"].endswith("by tester. Released by an admin: agents resume.")
        for source in ("admin", "watch"):
            await gateway.store.transact(
                TESTER, lambda work, source=source: release_hold(work, agent_id, source, "done")
            )
        assert (await gateway.ask())["decision"] is True

    with_gateway(on_store, body)


def test_what_makes_an_agent_unfit_denies_at_once(on_store: OnStore) -> None:
    """A group that is gone, owners who left, a deleted agent: each is seen by the next question."""

    async def body(gateway: Gateway) -> None:
        store = gateway.store
        assert (await gateway.ask("dependency-updater"))["decision"] is True
        updater = await find_agent(store.reads, "dependency-updater")
        assert updater is not None
        for person in (updater.owners.owner, *updater.owners.co_owners):
            assert person is not None
            await store.transact(TESTER, lambda work, person=person: set_employed(work, person.id, False))
        orphaned = await gateway.ask("dependency-updater")
        assert [reason["id"] for reason in orphaned["context"]["reasons"]] == ["nobody-answers"]

        await store.transact(TESTER, lambda work: delete_agent(work, updater.resource.id, "gone"))
        deleted = await gateway.ask("dependency-updater")
        assert [reason["id"] for reason in deleted["context"]["reasons"]] == ["subject-unknown"]

        group = await by_name(store.reads, "group", "source-code")
        assert group is not None
        await store.transact(TESTER, lambda work: delete_group(work, group.id, "gone"))
        assert (await gateway.ask("deploy-conductor"))["context"]["reasons"][0]["id"] == "no-grant"

    with_gateway(on_store, body)


def test_an_agent_past_its_expiry_is_denied(on_store: OnStore, clock: Any) -> None:
    async def body(gateway: Gateway) -> None:
        answer = await gateway.ask(
            "data-quality-scout", "query", resource={"type": "dataset", "id": "orders"}
        )
        assert answer["decision"] is True
        clock.advance(days=400)
        answer = await gateway.ask(
            "data-quality-scout", "query", resource={"type": "dataset", "id": "orders"}
        )
        assert [reason["id"] for reason in answer["context"]["reasons"]] == ["expired"]

    with_gateway(on_store, body)


def test_unknown_subjects_are_a_no_with_a_reason(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        unknown = await gateway.ask("nobody")
        assert unknown["decision"] is False
        assert unknown["context"]["reasons"][0]["id"] == "subject-unknown"
        assert "agent" not in unknown["context"]
        other = await gateway.ask(subject={"type": "spaceship", "id": "code-review"})
        assert other["context"]["reasons"][0]["id"] == "subject-type"

    with_gateway(on_store, body)


def test_properties_of_resource_and_question_reach_the_policies_and_those_of_the_subject_do_not(
    on_store: OnStore,
) -> None:
    async def body(gateway: Gateway) -> None:
        dataset = {"type": "dataset", "id": "customers"}
        ask = {"resource": dataset, "action": {"name": "query"}}
        assert (await gateway.ask("metrics-analyst", **ask))["decision"] is True
        ask["resource"] = {**dataset, "properties": {"personal_data": True, "owners": ["a"], "n": None}}
        assert (await gateway.ask("metrics-analyst", **ask))["decision"] is False
        # A list or an object says something too: it is not overlooked. null says nothing.
        for said, yes in ((["email"], False), ({"columns": 3}, False), ([], False), (None, True)):
            ask["resource"] = {**dataset, "properties": {"personal_data": said}}
            assert (await gateway.ask("metrics-analyst", **ask))["decision"] is yes, said
        subject = {
            "type": "agent",
            "id": "deploy-conductor",
            "properties": {"attested": True, "riskTier": "low"},
        }
        deploy = await gateway.ask(
            subject=subject, action={"name": "deploy"}, resource={"type": "deployment", "id": "storefront"}
        )
        assert deploy["context"]["policies"] == ["high-risk-needs-attestation"]

    with_gateway(on_store, body)


def test_the_standards_edges(on_store: OnStore) -> None:
    """Unknown members are ignored, the request id comes back, and the metadata leads to the endpoint."""

    async def body(gateway: Gateway) -> None:
        answer = await gateway.send(question(options={"x": 1}, foo="bar"), **{"x-request-id": "pep-42"})
        assert answer.json()["decision"] is True
        assert answer.headers["x-request-id"] == "pep-42"
        refused = await gateway.send({}, **{"x-request-id": "pep-43"})
        assert refused.headers["x-request-id"] == "pep-43"
        found = await gateway.http.get("/.well-known/authzen-configuration")
        assert found.status_code == 200
        assert found.headers["content-type"] == "application/json"
        assert found.json() == {
            "policy_decision_point": "https://bridge.example",
            "access_evaluation_endpoint": f"https://bridge.example{PATH}",
            "access_evaluations_endpoint": "https://bridge.example/access/v1/evaluations",
            "search_subject_endpoint": "https://bridge.example/access/v1/search/subject",
            "search_resource_endpoint": "https://bridge.example/access/v1/search/resource",
            "search_action_endpoint": "https://bridge.example/access/v1/search/action",
        }

    with_gateway(on_store, body)


WRONG: list[Any] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"subject": "\\ud800"}',
    b"[" * 5000,
    b'{"a":' * 2000 + b"1" + b"}" * 2000,
    {},
    question(subject=None),
    question(subject="agent"),
    question(subject={"type": "agent"}),
    question(subject={"id": "x"}),
    question(subject={"type": 1, "id": "x"}),
    question(subject={"type": "agent", "id": ""}),
    question(subject={"type": "agent", "id": "a\u0000b"}),
    question(subject={"type": "agent", "id": "a\nb"}),
    question(subject={"type": "agent", "id": "x" * 513}),
    question(subject={"type": "agent", "id": "x", "properties": []}),
    question(action={}),
    question(action={"name": None}),
    question(action={"name": ["read"]}),
    question(action=[]),
    question(resource={"type": "repository"}),
    question(resource={"type": "repository", "id": 7}),
    question(resource={"type": "repository", "id": "x", "properties": "all"}),
    question(context="now"),
    question(context=[1]),
]


def test_a_malformed_question_is_a_problem_never_a_defect(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        for wrong in WRONG:
            answer = await gateway.send(wrong)
            assert answer.status_code == 400, (wrong, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        assert not await gateway.logged()

    with_gateway(on_store, body)


def test_who_may_ask_and_how(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        async def others(work: Work) -> tuple[str, str]:
            connection = await create_connection(work, MASTER, "okta", "okta")
            scim = await create_token(work, MASTER, connection_id=connection.id, scopes=("read",))
            admin = await create_token(work, MASTER, connection_id=None, scopes=("admin",))
            return scim, admin

        scim, admin = await gateway.store.transact(TESTER, others)
        for token, status in (("", 401), ("sbr_nonsense", 401), (scim, 403), (admin, 200)):
            answer = await gateway.send(question(), authorization=f"Bearer {token}")
            assert answer.status_code == status, token
            assert ("www-authenticate" in answer.headers) is (status == 401)
        too_large = await gateway.send(question(context={"x": "y" * 70_000}))
        assert too_large.status_code == 413
        assert (await gateway.send(question(), **{"content-type": "text/plain"})).status_code == 400
        charset = {"content-type": "application/json; charset=utf-8"}
        assert (await gateway.send(question(), **charset)).status_code == 200

    with_gateway(on_store, body)


UNKNOWN_WORDS = [
    ("read", {"type": "agent", "id": "code-review"}),
    ("read", {"type": "Group", "id": "source-code"}),
    ("read", {"type": "99", "id": "x"}),
    ("read", {"type": "…", "id": "x"}),
    ("read", {"type": "nowhere", "id": "x"}),
    ('read"; //', {"type": "repository", "id": "x"}),
    ("reads", {"type": "repository", "id": 'x" || true'}),
    ("read", {"type": "ticket", "id": 'Repository::"storefront"'}),
]


def test_words_the_schema_does_not_have_are_a_no(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        for verb, resource in UNKNOWN_WORDS:
            answer = await gateway.ask("code-review", verb, resource=resource)
            assert answer["decision"] is False
            assert answer["context"]["reasons"][0]["id"] in ("not-in-schema", "no-grant"), (verb, resource)
            assert answer["context"]["reasons"][0]["text"]

    with_gateway(on_store, body)
