"""How agents stand, for gateways that keep an answer: ETags, and a feed that misses nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from scim_bridge.access import status
from scim_bridge.audit.seal import seal
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.agents import delete_agent
from scim_bridge.registry.holds import place_hold, release_hold
from tests.access.gateway import Gateway, OnStore, with_gateway
from tests.conftest import MASTER, TESTER


async def get(gateway: Gateway, path: str, **headers: str) -> Any:
    return await gateway.http.get(path, headers={"authorization": f"Bearer {gateway.token}", **headers})


async def hold(gateway: Gateway, slug: str, held: bool = True) -> str:
    store = gateway.store
    agent = await find_agent(store.reads, slug)
    assert agent is not None
    agent_id = agent.resource.id
    if held:
        await store.transact(
            TESTER, lambda work: place_hold(work, agent_id, "admin", "admin", "Odd.", "an admin")
        )
    else:
        await store.transact(TESTER, lambda work: release_hold(work, agent_id, "admin", "done"))
    return agent_id


def test_a_status_is_sent_again_only_when_it_changed(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        path = "/access/v1/agents/code-review/status"
        first = await get(gateway, path)
        told = first.json()
        assert (first.status_code, told["slug"], told["active"], told["holds"]) == (
            200,
            "code-review",
            True,
            [],
        )
        tag = first.headers["etag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            again = await get(gateway, path, **{"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        await hold(gateway, "code-review")
        held = await get(gateway, path, **{"if-none-match": tag})
        assert held.status_code == 200
        told = held.json()
        assert told["active"] is False
        assert told["reasons"][0]["id"] == "hold:admin" and "Odd" in told["reasons"][0]["text"]
        assert (told["holds"][0]["source"], told["holds"][0]["placed_by"]) == ("admin", "tester")
        await hold(gateway, "code-review", False)
        assert (await get(gateway, path)).headers["etag"] == tag
        by_id = await get(gateway, f"/access/v1/agents/{told['id']}/status")
        assert by_id.json()["slug"] == "code-review"
        for name in ("nobody", "a/b", "\0", "x" * 3000):
            missing = await get(gateway, f"/access/v1/agents/{quote(name, safe='/')}/status")
            assert missing.status_code == 404, name
        stranger = await gateway.http.get(path)
        assert stranger.status_code == 401

    with_gateway(on_store, body)


async def follow(gateway: Gateway, cursor: str) -> tuple[dict[str, bool], str]:
    """(agent: may it act) of everything the feed has from a cursor on, and the cursor it ends with."""
    seen: dict[str, bool] = {}
    while True:
        answer = (await get(gateway, f"/access/v1/status?since={cursor}")).json()
        seen |= {one.get("slug", one["id"]): one["active"] for one in answer["agents"]}
        cursor = answer["cursor"]
        if not answer["more"]:
            return seen, cursor


def test_the_feed_begins_with_who_is_held_and_goes_on_with_what_changes(
    on_store: OnStore, monkeypatch: Any
) -> None:
    async def body(gateway: Gateway) -> None:
        store = gateway.store
        await hold(gateway, "code-review")
        await hold(gateway, "deploy-conductor")
        await seal(store, MASTER)
        seen, cursor = await follow(gateway, "")
        assert seen == {"code-review": False, "deploy-conductor": False}

        await hold(gateway, "code-review", False)
        gone = await hold(gateway, "metrics-analyst")
        await store.transact(TESTER, lambda work: delete_agent(work, gone, "gone"))
        # Committed, but without a place yet: it is told of when it has one, half a second later.
        assert (await follow(gateway, cursor))[0] == {}
        await seal(store, MASTER)
        seen, cursor = await follow(gateway, cursor)
        assert seen == {"code-review": True, gone: False}
        assert (await follow(gateway, cursor)) == ({}, cursor)

        for size in (1, 2):
            monkeypatch.setattr(status, "TOLD", size)
            monkeypatch.setattr(status, "LOOKED_AT", size + 1)
            again, _ = await follow(gateway, "")
            # From the start of the audit: the import made every agent, and each is told of as it stands now.
            everybody, end = await follow(gateway, "seq.0")
            assert again == {"deploy-conductor": False}
            assert everybody["code-review"] is True and everybody[gone] is False
            assert end == cursor

    with_gateway(on_store, body)


def test_a_cursor_that_is_none_is_refused(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        for wrong in (
            "x",
            "seq",
            "seq.",
            "seq.-1",
            "held.1",
            "seq.1.2",
            "seq.9" * 9,
            "held.x.y",
            "seq.%F0%9F",
        ):
            answer = await get(gateway, f"/access/v1/status?since={wrong}")
            assert answer.status_code == 400, wrong
        # After a restore a gateway's cursor is ahead of everything: waiting there it would miss what comes.
        ahead = await get(gateway, "/access/v1/status?since=seq.99999999")
        assert (ahead.status_code, ahead.json()["code"]) == (400, "cursor-ahead")
        assert "without since" in ahead.json()["detail"]

    with_gateway(on_store, body)
