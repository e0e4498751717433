"""Searches over agents: a search finds whom an evaluation allows, page by page, and nobody else."""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.access import search
from scim_bridge.inventory.service import import_manifest
from scim_bridge.registry.agent_facts import all_agents, find_agent
from scim_bridge.registry.holds import place_hold
from tests.access.gateway import Gateway, OnStore, question, with_gateway
from tests.conftest import TESTER

REPOSITORY = {"type": "repository", "id": "storefront"}


async def found(gateway: Gateway, kind: str, asked: dict[str, Any], **page: Any) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    body = {**asked, "page": page}
    headers = {"authorization": f"Bearer {gateway.token}", "content-type": "application/json"}
    while True:
        path = f"/access/v1/search/{kind}"
        answer = (await gateway.http.post(path, content=orjson.dumps(body), headers=headers)).json()
        assert len(answer["results"]) == answer["page"]["count"] <= page.get("limit", 100)
        results += answer["results"]
        if not answer["page"]["next_token"]:
            return results
        body = {**asked, "page": {**page, "token": answer["page"]["next_token"]}}


def test_a_search_of_agents_finds_those_an_evaluation_allows(on_store: OnStore, monkeypatch: Any) -> None:
    """Also when a page may look at few candidates, so that most pages are short."""

    async def body(gateway: Gateway) -> None:
        store = gateway.store
        agent = await find_agent(store.reads, "deploy-conductor")
        assert agent is not None
        held = agent.resource.id
        await store.transact(
            TESTER, lambda work: place_hold(work, held, "admin", "admin", "Odd.", "an admin")
        )
        allowed = []
        for each in await all_agents(store.reads):
            if (await gateway.ask(each.slug))["decision"]:
                allowed.append((each.resource.id, each.slug))
        assert "code-review" in dict(allowed).values() and held not in dict(allowed)
        asked = {**question(), "subject": {"type": "Agent"}}
        for limit, read, looked in ((100, 100, 1000), (1, 3, 1000), (2, 2, 3), (100, 1, 1)):
            monkeypatch.setattr(search, "READ", read)
            monkeypatch.setattr(search, "MOST_LOOKED_AT", looked)
            results = await found(gateway, "subject", asked, limit=limit)
            told = [(one["id"], one["properties"]["slug"]) for one in results]
            assert told == sorted(allowed), (limit, read, looked)
            assert {one["type"] for one in results} == {"Agent"}

    with_gateway(on_store, body)


def test_who_is_deleted_while_a_search_reads_does_not_end_it(on_store: OnStore, monkeypatch: Any) -> None:
    async def body(gateway: Gateway) -> None:
        asked = {**question(), "subject": {"type": "agent"}}
        before = await found(gateway, "subject", asked)
        monkeypatch.setattr(search, "READ", 3)
        read = search.subjects_of

        async def while_one_goes(reader: Any, kind: str, ids: Any) -> Any:
            # The first of each portion is deleted between the two reads.
            return [facts for facts in await read(reader, kind, ids) if facts.id != ids[0]]

        monkeypatch.setattr(search, "subjects_of", while_one_goes)
        everybody = sorted(each.resource.id for each in await all_agents(gateway.store.reads))
        gone = set(everybody[::3])
        left = [one for one in before if one["id"] not in gone]
        assert await found(gateway, "subject", asked) == left and len(everybody) > 3

    with_gateway(on_store, body)


MORE = """
agents:
  - {slug: reader, name: Reader, purpose: Reads., platform: k8s, environment: production, riskTier: low,
     owner: %s, groups: [source-code], resources: ["repository:docs", "repository:site", "files", "api:x"]}
"""


def test_resources_are_those_declared_or_named_in_decisions_and_actions_those_of_the_schema(
    on_store: OnStore,
) -> None:
    async def body(gateway: Gateway) -> None:
        store = gateway.store
        agents = await all_agents(store.reads)
        owner = next(each.owners.owner for each in agents if each.owners.owner is not None)
        await import_manifest(store, TESTER, (MORE % owner.user_name).encode(), "more.yaml")
        asked = {**question("reader"), "resource": {"type": "repository"}}
        assert [one["id"] for one in await found(gateway, "resource", asked)] == ["docs", "site"]
        for identity in ("docs", "storefront", "checkout", "storefront"):
            resource = {"type": "repository", "id": identity}
            await gateway.ask("reader", "approve", resource=resource)
        await gateway.ask("reader", "read", resource={"type": "ticket", "id": "T-1"})
        for limit in (1, 3, 100):
            results = await found(gateway, "resource", asked, limit=limit)
            assert [one["id"] for one in results] == ["checkout", "docs", "site", "storefront"]
        assert await found(gateway, "resource", {**asked, "action": {"name": "approve"}}) == []

        actions = {"subject": {"type": "agent", "id": "reader"}, "resource": REPOSITORY}
        for limit in (2, 100):
            names = [one["name"] for one in await found(gateway, "action", actions, limit=limit)]
            assert names == ["read", "list", "search", "query", "authenticate", "comment"]
        # A search is no decision: nothing of it is kept.
        await gateway.log.drained()
        assert len(await gateway.logged()) == 5

    with_gateway(on_store, body)
