"""Promises of the API: who may call, what comes in is checked, once is once, pages, versions, and what is audited."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from scim_bridge.api.catalogue import OPERATIONS
from scim_bridge.api.idempotency import forget
from scim_bridge.api.model import Operation
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_creation import create_agent
from tests.api.house import application, client, context, furnished, token
from tests.conftest import TESTER
from tests.registry.keys import unusable
from tests.registry.test_key_forms import shown

CHANGES = [each for each in OPERATIONS if each.change is not None]
HOSTILE = (
    "%00",
    "%ED%A0%80",
    "..%2f..%2fetc%2fpasswd",
    "'%20OR%201=1--",
    "%F0%9F%A4%96" * 40,
    "a" * 3000,
    "%0d%0aX:1",
)
BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"a":1,"a":2}',
    b"\xff\xfe",
    b'{"reason":"\\ud800"}',
    b'{"reason":"\\u0000"}',
    b'{"reason":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"reason":1e999}',
    b"x" * 70_000,
)


def address(of: Operation, names: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], of.address)


Body = Callable[[Store, dict[str, str], httpx2.AsyncClient], Awaitable[None]]


@pytest.fixture
def on_api(on_store) -> Callable[[Body], None]:
    """Run a test body with a furnished store, names of what is there, and a program with an admin's token."""

    async def main(store: Store, body: Body) -> None:
        names = await furnished(store)
        async with client(application(context(store)), await token(store, "admin", label="Anna")) as api:
            await body(store, names, api)

    return lambda body: on_store(lambda store: main(store, body))


def test_a_connections_token_gets_403_everywhere_and_others_what_their_scope_says(on_api) -> None:
    async def body(store: Store, names: dict[str, str], api: httpx2.AsyncClient) -> None:
        keys = {
            "scim": await token(store, "read", "users", "groups", "signals", name="okta"),
            "access": await token(store, "access"),
            "look": await token(store, "admin.read"),
        }
        for of in OPERATIONS:
            for who, key in {**keys, "nobody": "", "typo": "sbr_" + "0" * 49}.items():
                headers = {"authorization": f"Bearer {key}"}
                answer = await api.request(of.method, address(of, names), headers=headers, json={})
                expected = {"nobody": 401, "typo": 401}.get(who, 403)
                if who == "look" and of.read is not None:
                    expected = 404 if names.get(of.path.split("{")[-1].split("}")[0]) == "none" else 200
                    assert answer.status_code in (expected, 404), of.id
                    continue
                assert answer.status_code == expected, (of.id, who)
                assert answer.headers["content-type"] == "application/problem+json"

    on_api(body)


def test_hostile_names_parameters_and_bodies_are_refused_at_every_address(on_api) -> None:
    async def body(_store: Store, names: dict[str, str], api: httpx2.AsyncClient) -> None:
        for of in OPERATIONS:
            good = address(of, names)
            tries: list[tuple[str, bytes | None]] = [(f"{good}?nonsense=1", None)]
            if "{" in of.path:
                tries += [(address(of, dict.fromkeys(names, bad)), None) for bad in HOSTILE]
            tries += [(f"{good}?{each.name}={bad}", None) for each in of.query for bad in HOSTILE[:1]]
            tries += [(f"{good}?cursor=AAAA", None)] if of.paged else []
            tries += (
                [(good, bad) for bad in BODIES] if of.body is not None and of.body.get("required") else []
            )
            for url, sent in tries:
                headers = {} if sent is None else {"content-type": "application/json"}
                answer = await api.request(of.method, url, content=sent, headers=headers)
                assert 400 <= answer.status_code < 500, (
                    of.id,
                    url[:100],
                    sent and sent[:40],
                    answer.text[:300],
                )
                problem = answer.json()
                assert problem["code"] and problem["title"] and "Traceback" not in answer.text

    on_api(body)


def test_the_same_key_does_it_once_and_another_request_with_it_is_refused(on_api, clock) -> None:
    async def body(store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        wanted, key = {"scopes": ["access"], "label": "gate"}, {"idempotency-key": "k-1"}
        first = await api.post("/api/v1/tokens", json=wanted, headers=key)
        again = await api.post("/api/v1/tokens", json=wanted, headers=key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content and again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        other = await api.post("/api/v1/tokens", json={"scopes": ["admin"]}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
        elsewhere = await api.post("/api/v1/agents/triage/hold", json={"reason": "x"}, headers=key)
        assert elsewhere.status_code == 422
        async with client(application(context(store)), await token(store, "admin", label="Bob")) as bob:
            assert (await bob.post("/api/v1/tokens", json=wanted, headers=key)).json() != first.json()
        kept: Any = await store.reads.all("SELECT answer FROM sb_api_answer")
        secret = first.json()["token"]
        assert kept and all(secret.encode() not in bytes(row["answer"]) for row in kept), "kept sealed"
        rows = await store.reads.all("SELECT detail FROM sb_audit")
        assert all(secret not in row["detail"] for row in rows)
        clock.advance(days=1.1)
        await forget(store)
        assert not await store.reads.all("SELECT 1 AS x FROM sb_api_answer")
        assert (await api.post("/api/v1/tokens", json=wanted, headers=key)).json() != first.json()

    on_api(body)


def test_ten_at_once_with_one_key_make_one(on_api) -> None:
    async def body(store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        before = await store.reads.all("SELECT id FROM sb_token")
        wanted, key = {"scopes": ["access"]}, {"idempotency-key": "at-once"}
        answers = await asyncio.gather(
            *(api.post("/api/v1/tokens", json=wanted, headers=key) for _ in range(10))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len(await store.reads.all("SELECT id FROM sb_token")) == len(before) + 1

    on_api(body)


def test_a_refused_request_keeps_no_answer_and_may_come_again(on_api) -> None:
    async def body(store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        key = {"idempotency-key": "again"}
        wanted = {"name": "okta", "kind": "okta"}
        assert (await api.post("/api/v1/connections", json=wanted, headers=key)).status_code == 409
        assert not await store.reads.all("SELECT 1 AS x FROM sb_api_answer")
        wanted["name"] = "second"
        assert (await api.post("/api/v1/connections", json=wanted, headers=key)).status_code == 201
        for odd in ("", "with space", "x" * 256):
            answer = await api.post("/api/v1/connections", json=wanted, headers={"idempotency-key": odd})
            assert answer.status_code == 400, odd

    on_api(body)


def test_pages_show_everybody_once_and_a_cursor_is_good_for_its_own_query_only(on_api) -> None:
    async def body(store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        seen: list[str] = []
        following: str | None = ""
        first = ""
        while following is not None:
            more = f"&cursor={following}" if following else ""
            page = (await api.get(f"/api/v1/agents?limit=2&q=state:active{more}")).json()
            seen += [each["slug"] for each in page["items"]]
            following = page["next"]
            first = first or str(following)
            if len(seen) == 2:
                # Comes and goes meanwhile: whoever stays is seen once.
                await store.transact(
                    TESTER,
                    lambda work: create_agent(work, {"userName": "aaa@x.test"}, origin="test", slug="aaa"),
                )
        assert len(seen) == len(set(seen)) and seen == sorted(seen)
        every = (await api.get("/api/v1/agents?q=state:active")).json()
        assert set(seen) == {each["slug"] for each in every["items"]} - {"aaa"}
        for url in (
            f"/api/v1/agents?limit=2&q=state:held&cursor={first}",
            f"/api/v1/people?cursor={first}",
            f"/api/v1/agents?limit=2&q=state:active&cursor=x{first}",
        ):
            assert (await api.get(url)).json()["code"] == "cursor", url
        assert (await api.get("/api/v1/agents?q=colour:red")).json()["code"] == "agent-search"

    on_api(body)


def test_every_list_goes_on_where_its_cursor_says(on_api) -> None:
    async def body(_store: Store, names: dict[str, str], api: httpx2.AsyncClient) -> None:
        walked = 0
        for of in (each for each in OPERATIONS if each.paged):
            url = address(of, names)
            whole = (await api.get(f"{url}?limit=500")).json()["items"]
            seen, following = [], ""
            for _ in range(len(whole) + 1):
                page = (await api.get(f"{url}?limit=1{'&cursor=' + following if following else ''}")).json()
                seen += page["items"]
                if page["next"] is None:
                    break
                following = page["next"]
            # A token is marked as used meanwhile; nothing else happens.
            assert seen == whole, of.id
            walked += len(whole) > 1
        assert walked >= 5

    on_api(body)


def test_a_last_page_that_is_exactly_full_says_that_nothing_follows(on_api) -> None:
    async def body(_store: Store, names: dict[str, str], api: httpx2.AsyncClient) -> None:
        looked = 0
        for of in (each for each in OPERATIONS if each.paged):
            url = address(of, names)
            whole = (await api.get(f"{url}?limit=500")).json()["items"]
            for size in {len(whole), max(1, len(whole) // 2)} - {0}:
                page = (await api.get(f"{url}?limit={size}")).json()
                assert page["items"] == whole[:size], of.id
                assert (page["next"] is None) == (size == len(whole) or not whole), of.id
            looked += len(whole) > 0
        assert looked >= 15

    on_api(body)


def test_a_change_of_what_somebody_else_changed_is_refused_and_an_etag_saves_a_read(on_api) -> None:
    async def body(_store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        url = "/api/v1/agents/triage"
        tag = (await api.get(url)).headers["etag"]
        again = await api.get(url, headers={"if-none-match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        changed = await api.patch(url, json={"purpose": "sorts tickets"}, headers={"if-match": tag})
        assert (changed.status_code, changed.json()["purpose"]) == (200, "sorts tickets")
        assert changed.headers["etag"] == (await api.get(url)).headers["etag"] != tag
        for stale in (tag, "nonsense", f"W/{changed.headers['etag']}"):
            late = await api.patch(url, json={"purpose": "late"}, headers={"if-match": stale})
            assert (late.status_code, late.json()["code"]) == (412, "version-stale"), stale
        assert (await api.get(url)).json()["purpose"] == "sorts tickets"
        held = await api.post(f"{url}/hold", json={"reason": "odd"}, headers={"if-match": "*"})
        assert (held.status_code, held.json()["active"], held.json()["why"]) == (200, False, ["odd"])
        assert (await api.get(url)).headers["etag"] == held.headers["etag"]

    on_api(body)


def test_an_agent_is_made_described_held_and_released_with_the_tokens_name_in_the_audit(on_api) -> None:
    async def body(store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        wanted = {
            "slug": "scribe",
            "display_name": "Scribe",
            "purpose": "writes minutes",
            "platform": "langgraph",
            "environment": "production",
            "risk_tier": "high",
            "owner": "priya@corp.test",
            "sponsors": ["daniel@corp.test"],
            "expires_at": "2027-01-01",
            "tools": ["notes"],
        }
        made = await api.post("/api/v1/agents", json=wanted)
        assert made.status_code == 201, made.text
        told = made.json()
        assert (told["owner"]["user_name"], told["environment"], told["active"]) == (
            "priya@corp.test",
            "production",
            True,
        )
        assert told["expires_at"] == "2027-01-02T00:00:00.000Z"
        url = f"/api/v1/agents/{told['id']}"
        patch = {"owner": "ingrid@corp.test", "model": "m-2", "expires_at": None, "tools": []}
        changed = (await api.patch(url, json=patch)).json()
        assert (changed["owner"]["user_name"], changed["model"]) == ("ingrid@corp.test", "m-2")
        assert (changed["expires_at"], changed["tools"], changed["purpose"]) == (None, [], "writes minutes")
        assert (await api.post(f"{url}/hold", json={"reason": "odd"})).json()["active"] is False
        assert (await api.post(f"{url}/release", json={"reason": "fine"})).json()["active"] is True
        for wrong in (
            {"owner": "nobody@x"},
            {"workload_id": "http://x"},
            {"risk_tier": "huge"},
            {"slug": "y"},
        ):
            assert (await api.patch(url, json=wrong)).status_code == 400, wrong
        assert (await api.post("/api/v1/agents", json=wanted)).status_code == 409
        rows = await store.reads.all(
            "SELECT action, actor_name FROM sb_audit WHERE subject_id = ? ORDER BY id", told["id"]
        )
        assert {row["actor_name"] for row in rows} == {"Anna"}
        actions = [row["action"] for row in rows]
        assert actions[0] == "agent.created" and {"agent.updated", "agent.held", "agent.hold_released"} <= {
            *actions
        }
        found = (await api.get(f"/api/v1/audit?subject={told['id']}&action=agent.held")).json()["items"]
        assert [(each["actor"]["name"], each["detail"]["reason"]) for each in found] == [("Anna", "odd")]

    on_api(body)


def test_an_agent_is_slowed_down_listed_and_let_go(on_api) -> None:
    async def body(store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        url = "/api/v1/agents/triage"
        wanted = {"rate": "10/m", "burst": 2, "minutes": 30, "reason": "odd"}
        for wrong in ({"rate": "often"}, {"rate": "0/m"}, {"minutes": 0}, {"burst": 0}, {"reason": ""}):
            assert (await api.post(f"{url}/throttle", json={**wanted, **wrong})).status_code == 400, wrong
        for _ in range(2):
            [placed] = (await api.post(f"{url}/throttle", json=wanted)).json()["items"]
            assert (placed["pace"], placed["placed_by"], placed["source"]) == (
                "10/m, 2 at once",
                "Anna",
                "admin",
            )
        assert (await api.get("/api/v1/throttles?agent=triage")).json()["items"] == [placed]
        for source, left in (("watch", [placed]), ("admin", [])):
            let_go = await api.post(f"{url}/unthrottle", json={"reason": "over", "source": source})
            assert let_go.json()["items"] == left
        assert (await api.get("/api/v1/throttles")).json()["items"] == []
        rows = await store.reads.all("SELECT actor_name FROM sb_audit WHERE action LIKE 'agent.throttle%'")
        assert [row["actor_name"] for row in rows] == ["Anna", "Anna"]

    on_api(body)


def test_a_secret_goes_in_and_no_answer_holds_one(on_api) -> None:
    async def body(store: Store, names: dict[str, str], api: httpx2.AsyncClient) -> None:
        secret = "v3ry-s3cret-value"
        made = await api.post(
            "/api/v1/connections",
            json={"name": "other", "kind": "generic", "secrets": {"token": secret}},
        )
        assert (made.status_code, made.json()["push"]) == (201, True), made.text
        new = (await api.post("/api/v1/tokens", json={"connection": "other", "scopes": ["read"]})).json()
        rotated = (await api.post(f"/api/v1/tokens/{new['id']}/rotate", json={"overlap_seconds": 60})).json()
        assert rotated["token"] != new["token"] and rotated["old_id"] == new["id"]
        for of in (each for each in OPERATIONS if each.read is not None):
            shown = (await api.get(address(of, {**names, "connection": "other"}))).text
            assert not any(each in shown for each in (secret, new["token"], rotated["token"])), of.id
        assert (await api.delete(f"/api/v1/tokens/{rotated['id']}")).status_code == 204
        assert (await api.delete(f"/api/v1/tokens/{rotated['id']}")).status_code == 404
        rows = await store.reads.all("SELECT detail FROM sb_audit")
        assert not any(secret in row["detail"] for row in rows)

    on_api(body)


def test_a_private_key_that_cannot_sign_is_refused_by_code_and_is_in_no_answer(on_api) -> None:
    async def body(store: Store, names: dict[str, str], api: httpx2.AsyncClient) -> None:
        for name, (text, said) in unusable().items():
            wanted = {"name": "acme", "kind": "okta", "secrets": {"client_id": "0oa1", "private_key": text}}
            answer = await api.post("/api/v1/connections", json=wanted)
            told = answer.json()
            assert (answer.status_code, told["code"]) == (400, "connection-key"), name
            assert said in told["title"] and told["detail"] and not shown(answer.text, text), name
        assert (await api.get("/api/v1/connections/acme")).status_code == 404

    on_api(body)


def test_what_counts_for_a_person_needs_a_token_with_a_name(on_api) -> None:
    async def body(store: Store, names: dict[str, str], api: httpx2.AsyncClient) -> None:
        url = f"/api/v1/plans/{names['plan']}/apply"
        async with client(application(context(store)), await token(store, "admin")) as nameless:
            refused = await nameless.post(url, json={"release": "meant"})
            assert (refused.status_code, refused.json()["code"]) == (422, "approver-nameless")
        effect = (await api.post(url, json={"release": "meant"})).json()["effect"]
        found = (await api.get(f"/api/v1/effects/{effect}")).json()
        assert (found["kind"], found["state"]) == ("sync.apply", "pending")
        rows: Any = await store.reads.all("SELECT detail FROM sb_audit WHERE action = 'sync.apply_asked'")
        assert [json.loads(row["detail"])["release"] for row in rows] == ["meant"]

    on_api(body)


def test_a_leave_is_foreseen_reported_and_taken_back(on_api) -> None:
    async def body(_store: Store, _names: dict[str, str], api: httpx2.AsyncClient) -> None:
        foreseen = (await api.get("/api/v1/people/priya@corp.test/departure")).json()["agents"]
        outcomes = {each["agent"]: each["outcome"] for each in foreseen}
        assert outcomes["refund"] == "held"
        told = await api.post("/api/v1/departures", json={"person": "priya@corp.test", "reason": "HR called"})
        assert told.status_code == 201, told.text
        case = (await api.get(f"/api/v1/departures/{told.json()['case']}")).json()
        assert {each["agent"]: each["outcome"] for each in case["agents"]} == outcomes
        refund = (await api.get("/api/v1/agents/refund")).json()
        assert refund["active"] is False
        why = (await api.get("/api/v1/agents/refund/why")).json()
        assert why["stopped"]
        given = await api.post(
            f"/api/v1/departures/{case['id']}/hand-over", json={"agent": "refund", "to": "ingrid@corp.test"}
        )
        assert given.json() == {"agent": "refund", "owner": "ingrid@corp.test", "active": True, "holds": []}
        odd = {"person": "ingrid@corp.test", "reason": "x", "last_day": "2026-02-30"}
        assert (await api.post("/api/v1/departures", json=odd)).status_code == 400

    on_api(body)
