"""Promises about holds, owners and the documents they are rendered into."""

from __future__ import annotations

import orjson
import pytest

from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Store, UnauditedChange, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.groups import add_members, create_group, groups_of, members_of, remove_members
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from tests.conftest import TESTER


def person(user_name: str) -> dict:
    return {
        "userName": user_name,
        "name": {"givenName": user_name.split("@")[0].title(), "familyName": "Tester"},
        "emails": [{"value": user_name, "type": "work", "primary": True}],
    }


def agent(user_name: str, owner: str | None = None) -> dict:
    extension = {"purpose": "triage", "platform": "in-house", "environment": "production", "riskTier": "high"}
    if owner is not None:
        extension["owner"] = {"value": owner}
    return {"userName": user_name, "displayName": user_name, AGENT_URN: extension}


def test_an_agent_is_active_exactly_when_it_has_no_hold(on_store) -> None:
    async def body(store: Store) -> None:
        async def setup(work: Work) -> str:
            owner = await create_person(work, person("maria@corp.test"), origin="test")
            made = await create_agent(work, agent("triage@agents.test", owner.id), origin="test")
            await register_credential(
                work,
                made.id,
                label="key",
                kind="api_key",
                system="vault",
                reference="kv/triage",
                expires=None,
            )
            return made.id

        agent_id = await store.transact(TESTER, setup)
        steps = [
            (place_hold, "connection:okta", False),
            (place_hold, "departure:1", False),
            (release_hold, "connection:okta", False),
            (release_hold, "departure:1", True),
        ]
        for verb, source, active in steps:

            async def change(work: Work, verb=verb, source=source) -> bool:
                if verb is place_hold:
                    return await place_hold(work, agent_id, source, "test", f"held by {source}", "the tester")
                return await release_hold(work, agent_id, source, "done")

            assert await store.transact(TESTER, change)
            facts = (await facts_of(store.reads, [agent_id]))[agent_id]
            assert facts.resource.active is active
            row = await store.reads.one("SELECT rendered FROM sb_resource WHERE id = ?", agent_id)
            served = orjson.loads(bytes(row["rendered"]))
            assert served["active"] is active
            assert len(served[AGENT_URN].get("holds", [])) == len(facts.holds)
        kinds = [
            row["kind"] for row in await store.reads.all("SELECT kind FROM sb_effect ORDER BY created, id")
        ]
        assert kinds.count("notify") == 2, "the owner hears when the state changes, not at every hold"

    on_store(body)


def test_a_source_cannot_release_the_hold_of_another(on_store) -> None:
    async def body(store: Store) -> None:
        async def setup(work: Work) -> str:
            made = await create_agent(work, agent("a@agents.test"), origin="test")
            await place_hold(work, made.id, "departure:1", "owner-left", "owner left", "a new owner")
            return made.id

        agent_id = await store.transact(TESTER, setup)
        assert not await store.transact(TESTER, lambda work: _release(work, agent_id))
        assert len((await facts_of(store.reads, [agent_id]))[agent_id].holds) == 1

    async def _release(work: Work, agent_id: str) -> bool:
        work.bookkeeping("nothing to release")
        return await release_hold(work, agent_id, "connection:okta", "activated")

    on_store(body)


def test_a_taken_user_name_is_a_conflict_whatever_its_case_and_nothing_is_kept(on_store) -> None:
    async def body(store: Store) -> None:
        await store.transact(TESTER, lambda work: create_agent(work, agent("Bot@agents.test"), origin="test"))
        with pytest.raises(Conflict):
            await store.transact(
                TESTER, lambda work: create_agent(work, agent("bot@AGENTS.test"), origin="test")
            )
        row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_agent")
        assert row["n"] == 1

    on_store(body)


def test_a_change_without_an_audit_row_is_not_committed(on_store) -> None:
    async def body(store: Store) -> None:
        async def silent(work: Work) -> None:
            await work.tx.run("INSERT INTO sb_fact (name, value, changed) VALUES ('x', 'y', 1)")

        with pytest.raises(UnauditedChange):
            await store.transact(TESTER, silent)
        assert await store.reads.one("SELECT 1 AS x FROM sb_fact") is None

    on_store(body)


def test_members_are_rows_and_unknown_ones_are_kept_but_marked(on_store) -> None:
    async def body(store: Store) -> None:
        async def setup(work: Work) -> tuple[str, str]:
            made = await create_agent(work, agent("a@agents.test"), origin="test")
            group = await create_group(work, {"displayName": "Deployers"}, origin="test")
            await add_members(work, group.id, [(made.id, None), ("nobody", "Ghost"), (made.id, None)])
            return made.id, group.id

        agent_id, group_id = await store.transact(TESTER, setup)
        assert await members_of(store.reads, group_id) == [
            (agent_id, "agent", "a@agents.test"),
            ("nobody", "unresolved", "Ghost"),
        ]
        assert await groups_of(store.reads, [agent_id]) == {agent_id: [(group_id, "Deployers")]}
        assert await store.transact(TESTER, lambda work: remove_members(work, group_id, ["nobody", "x"])) == 1

    on_store(body)
