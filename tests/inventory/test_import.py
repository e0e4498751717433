"""Importing into a real database: all of a file or nothing, twice the same, and never backwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from scim_bridge.inventory.a2a import draft, read_card
from scim_bridge.inventory.problems import ManifestProblems
from scim_bridge.inventory.service import ImportResult, import_agent, import_manifest
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.credentials import confirm_revoked, credentials_of, revoke_all
from scim_bridge.registry.groups import add_members, groups_of
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN
from scim_bridge.registry.people import delete_person, manager_of, set_employed
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import by_name
from tests.conftest import MASTER, TESTER

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]

SMALL = """people:
  - {userName: bob, givenName: Bob, familyName: Ray, email: bob@corp.example, department: IT, manager: ann}
  - {userName: ann, givenName: Ann, familyName: Lee, email: ann@corp.example, department: IT}
groups: [{name: Readers, description: Read all, owner: ann}, {name: Writers}]
agents:
  - slug: a
    name: Agent A
    purpose: P
    platform: k8s
    environment: dev
    riskTier: low
    owner: bob@corp.example
    coOwners: [ann]
    groups: [readers]
    credentials: [{label: key, system: vault, kind: api_key, reference: kv/a, expires: 2027-01-31}]
    runtime: {url: "https://runtime.example/hooks/agents/a"}
"""


async def importing(store: Store, text: str | bytes, *, dry_run: bool = False) -> ImportResult:
    data = text.encode() if isinstance(text, str) else text
    return await import_manifest(store, TESTER, data, "m.yaml", dry_run=dry_run)


async def rows_in(store: Store, table: str) -> int:
    row = await store.reads.one(f"SELECT COUNT(*) AS n FROM {table}")
    return int(row["n"])


def test_the_example_manifest_is_imported_whole_and_the_second_time_changes_nothing(
    on_store: OnStore,
) -> None:
    async def body(store: Store) -> None:
        data = (EXAMPLES / "agents.yaml").read_bytes()
        planned = await import_manifest(store, TESTER, data, "agents.yaml", dry_run=True)
        assert planned.dry_run and await rows_in(store, "sb_resource") == 0
        result = await import_manifest(store, TESTER, data, "agents.yaml")
        assert result.diff == planned.diff
        counts = result.as_dict()
        assert (counts["created"], counts["joined"]) == (19 + 8 + 30, 25)
        again = await import_manifest(store, TESTER, data, "agents.yaml")
        assert again.diff.empty and again.as_dict()["unchanged"] == 57

        agent = await find_agent(store.reads, "refund-assistant")
        assert agent is not None and agent.owners.owner is not None
        assert agent.owners.owner.user_name == "priya.nair@harborpine.example"
        assert agent.resource.active and agent.origin == "manifest"
        served = await store.reads.one("SELECT rendered FROM sb_resource WHERE id = ?", agent.resource.id)
        document = orjson.loads(bytes(served["rendered"]))
        assert document["name"]["familyName"] and document["emails"][0]["value"]
        assert document[AGENT_URN]["riskTier"] == "high" and document[AGENT_URN]["credentialAgeDays"] == 0
        priya = await find_person(store.reads, "priya.nair@harborpine.example")
        assert priya is not None
        daniel = await find_person(store.reads, "daniel.okafor@harborpine.example")
        assert daniel is not None and await manager_of(store.reads, priya.id) == daniel.id

    on_store(body)


def test_a_manifest_with_one_bad_agent_imports_nothing_and_lists_all_problems(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        for text in (
            SMALL + SMALL[SMALL.index("  - slug") :].replace("slug: a", "slug: b").replace("bob@", "bop@"),
            SMALL.replace("low", "lo"),
        ):
            with pytest.raises(ManifestProblems):
                await importing(store, text)
        with pytest.raises(ManifestProblems) as caught:
            await importing(store, (EXAMPLES / "broken.yaml").read_bytes())
        assert len(caught.value.problems) == 30
        for table in ("sb_resource", "sb_agent", "sb_person", "sb_member", "sb_credential", "sb_audit"):
            assert await rows_in(store, table) == 0

    on_store(body)


def test_names_taken_by_something_else_roll_everything_back_and_say_where(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        other = SMALL.replace("slug: a", "slug: z\n    userName: bob").replace("Writers", "Painters")
        with pytest.raises(ManifestProblems) as caught:
            await importing(store, "groups: [{name: New}]\n" + other[other.index("agents:") :])
        (problem,) = caught.value.problems
        assert problem.where == "agents[0]" and "already in use" in problem.message and problem.line == 3
        assert await by_name(store.reads, "group", "New") is None

    on_store(body)


def test_an_import_changes_what_the_file_says_and_keeps_the_rest(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        changed = (
            SMALL[SMALL.index("agents:") :]
            .replace("low", "high")
            .replace("owner: bob@corp.example", "owner: ann@corp.example")
            .replace("coOwners: [ann]", "coOwners: [bob]")
            .replace("kv/a", "kv/a2")
            .replace("hooks/agents/a", "hooks/agents/a2")
            .replace("[readers]", "[writers]")
        )
        result = await importing(store, changed)
        assert {
            row["detail"].partition(":")[0] for row in result.diff.rows() if row["action"] == "update"
        } == {
            "riskTier",
            "owner",
            "coOwners",
            "credentials[key]",
            "runtime",
        }
        assert (await importing(store, changed)).diff.empty
        agent = await find_agent(store.reads, "a")
        assert agent is not None and agent.owners.owner is not None
        assert (agent.risk_tier, agent.owners.owner.user_name) == ("high", "ann")
        assert agent.runtime_url == "https://runtime.example/hooks/agents/a2"
        groups = (await groups_of(store.reads, [agent.resource.id]))[agent.resource.id]
        assert [name for _, name in groups] == ["Writers"]
        credentials = await credentials_of(store.reads, agent.resource.id)
        assert [row["reference"] for row in credentials] == ["kv/a", "kv/a2"]
        assert {row["state"] for row in credentials} == {"active"}
        hooks = await store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'runtime.hook'")
        assert [orjson.loads(row["payload"])["event"] for row in hooks] == ["agent.owner_changed"]

        shorter = "people:\n" + SMALL.splitlines()[1].replace("IT, manager: ann", "Sales") + "\n"
        assert [row["detail"] for row in (await importing(store, shorter)).diff.rows()] == [
            "department: IT → Sales"
        ]
        bob = await by_name(store.reads, "user", "bob")
        assert bob is not None and bob.doc[ENTERPRISE_URN]["manager"]["value"]

    on_store(body)


def test_what_an_idp_sent_stays_where_the_file_says_nothing(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        okta = Actor("connection", "c1", "okta-prod")
        agent = await find_agent(store.reads, "a")
        writers = await by_name(store.reads, "group", "Writers")
        assert agent is not None and writers is not None

        async def connect(work: Work) -> None:
            await create_connection(work, MASTER, "okta-prod", "okta")

        async def assign(work: Work) -> None:
            await add_members(work, writers.id, [(agent.resource.id, None)])

        await store.transact(TESTER, connect)
        await store.transact(okta, assign)
        assert (await importing(store, SMALL)).diff.empty
        groups = (await groups_of(store.reads, [agent.resource.id]))[agent.resource.id]
        assert [name for _, name in groups] == ["Readers", "Writers"]

    on_store(body)


def test_an_old_file_cannot_give_agents_back_to_somebody_who_left(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        bob = await find_person(store.reads, "bob")
        assert bob is not None

        async def leave(work: Work) -> None:
            await set_employed(work, bob.id, False)

        await store.transact(TESTER, leave)
        handed_over = SMALL.replace("owner: bob@corp.example", "owner: ann").replace("[ann]\n", "[]\n")
        await importing(store, handed_over)
        with pytest.raises(ManifestProblems) as caught:
            await importing(store, SMALL)
        (problem,) = caught.value.problems
        assert problem.where == "agents[0].owner" and "has left" in problem.message and problem.line == 12
        with pytest.raises(ManifestProblems) as caught:
            await importing(store, SMALL.replace("manager: ann}", "manager: ann, active: true}"))
        assert "does not make people leave or return" in caught.value.text()

    on_store(body)


def test_a_revoked_credential_never_comes_back_by_an_import(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        agent = await find_agent(store.reads, "a")
        assert agent is not None
        (row,) = await credentials_of(store.reads, agent.resource.id)

        async def revoke(work: Work) -> None:
            await revoke_all(work, agent.resource.id, "a", "test")
            await confirm_revoked(work, row["id"])

        await store.transact(TESTER, revoke)
        await importing(store, SMALL.replace("2027-01-31", "2027-02-28"))
        (after,) = await credentials_of(store.reads, agent.resource.id)
        assert after["state"] == "revoked" and after["expires"] != row["expires"]

    on_store(body)


def test_a_completed_agent_card_is_imported_like_an_agent_of_a_file(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        card = read_card((EXAMPLES / "a2a" / "support-triage.agent-card.json").read_bytes(), "card")
        entry = draft(card).completed(
            owner="ann", environment="dev", risk_tier="low", platform="k8s", groups=("readers",)
        )
        result = await import_agent(store, TESTER, entry, "https://a.example")
        assert result.diff.counts()["created"] == 1 and result.diff.absent == ()
        assert (await import_agent(store, TESTER, entry, "https://a.example")).diff.empty
        with pytest.raises(ManifestProblems) as caught:
            await import_agent(store, TESTER, replace(entry, owner="nobody"), "https://a.example")
        assert "not a known person" in caught.value.text()

    on_store(body)


def test_agents_an_earlier_file_had_are_reported_and_stay(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        result = await importing(store, SMALL.replace("slug: a", "slug: b").replace("kv/a", "kv/b"))
        assert [(gone.kind, gone.key) for gone in result.diff.absent] == [("agent", "a")]
        agent = await find_agent(store.reads, "a")
        assert agent is not None and agent.resource.active

    on_store(body)


def test_an_import_makes_no_second_agent_of_a_deleted_one_and_people_are_made_anew(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        await importing(store, SMALL)
        agent = await find_agent(store.reads, "a")
        ann = await find_person(store.reads, "ann")
        assert agent is not None and ann is not None

        async def deleted(work: Work) -> None:
            await place_hold(work, agent.resource.id, "departure:1", "owner-left", "left", "a new owner")
            await delete_agent(work, agent.resource.id, "gone")
            await delete_person(work, ann.id, "gone")

        await store.transact(TESTER, deleted)
        other = SMALL.replace("slug: a", f"slug: other\n    userName: {agent.resource.name}")
        with pytest.raises(ManifestProblems) as refused:
            await importing(store, other)
        assert "was deleted" in str(refused.value.problems)
        await importing(store, SMALL[: SMALL.index("groups:")])
        again = await find_person(store.reads, "ann")
        assert again is not None and again.id != ann.id

    on_store(body)
