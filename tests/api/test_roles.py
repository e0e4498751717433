"""Promises of who may what at the API: one table of rights for tokens and for people, the same as the console's."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from scim_bridge.api.catalogue import OPERATIONS
from scim_bridge.api.permissions import ADMIN_ALONE, KNOWN, NEEDS
from scim_bridge.kernel.clock import HOUR, MINUTE
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.roles import ADMIN, AUDITOR, OPERATOR, OWNER, PERMISSIONS, VIEWER, Reach, reach
from scim_bridge.registry.sessions import OIDC, Opened, Session, open_session
from tests.api.house import application, client, context, furnished, token
from tests.conftest import TESTER

Body = Callable[[Store, dict[str, str], Any], Awaitable[None]]


@pytest.fixture
def on_house(on_store) -> Callable[[Body], None]:
    """Run a test body with a furnished store, the names of what is there, and the API."""

    async def main(store: Store, body: Body) -> None:
        await body(store, await furnished(store), application(context(store)))

    return lambda body: on_store(lambda store: main(store, body))


def address(of: Any, names: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], of.address)


async def signed_in(store: Store, name: str, *roles: str, ago: int = 0) -> Session:
    """The session of a person who proved some time ago who they are."""

    async def body(work: Work) -> Session:
        person = await find_person(work.tx, name)
        assert person is not None
        proven = work.now - ago
        opened = Opened(OIDC, name, roles, 8 * HOUR, HOUR, person_id=person.id, authenticated=proven)
        work.bookkeeping("a test signs somebody in")
        return await open_session(work, opened)

    return await store.transact(TESTER, body)


def at_console(app: Any, session: Session, key: bool = True) -> httpx2.AsyncClient:
    """A page of the console that calls the API; without `key`, another site."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"cookie": f"sb_console={session.secret}"} | ({"x-form-key": session.form_key} if key else {})
    return httpx2.AsyncClient(transport=transport, base_url="http://bridge.test", headers=headers)


def test_every_operation_says_what_it_needs_and_nothing_else_is_in_the_table() -> None:
    assert set(NEEDS) == {each.id for each in OPERATIONS}
    assert set(NEEDS.values()) <= {*PERMISSIONS, ADMIN_ALONE, KNOWN}
    changing = {NEEDS[each.id] for each in OPERATIONS if each.change is not None}
    assert not {name for name in changing if name.endswith((".read", ".list"))}


def may(role: str, need: str) -> bool:
    """Whether a token that is this role may do what needs this."""
    if need in (KNOWN, ADMIN_ALONE):
        return need == KNOWN or role == ADMIN
    return reach((role,), need) is Reach.ALL


def test_a_token_may_what_its_role_may_and_nothing_else(on_house) -> None:
    async def body(store: Store, names: dict[str, str], app: Any) -> None:
        for scope in (VIEWER, OPERATOR, AUDITOR, ADMIN, "admin.read"):
            role = AUDITOR if scope == "admin.read" else scope
            async with client(app, await token(store, scope)) as api:
                for of in OPERATIONS:
                    # Who may is told what is wrong with the rest of it; so nothing is done.
                    answer = await api.request(of.method, f"{address(of, names)}?nonsense=1")
                    wanted = (400, "request-invalid") if may(role, NEEDS[of.id]) else (403, "role-lacks")
                    assert (answer.status_code, answer.json()["code"]) == wanted, (scope, of.id)
                told = (await api.get("/api/v1/me")).json()
                assert told["roles"] == [role] and told["person"] is None
                named = {each["name"] for each in told["permissions"]}
                assert named == {name for name in PERMISSIONS if reach((role,), name) is Reach.ALL}

    on_house(body)


def test_an_owner_sees_and_stops_their_own_agents_and_no_others(on_house) -> None:
    async def body(store: Store, _names: dict[str, str], app: Any) -> None:
        async with at_console(app, await signed_in(store, "priya@corp.test", OWNER)) as priya:
            assert (await priya.get("/api/v1/agents/refund")).status_code == 200
            assert (await priya.get("/api/v1/agents/refund/why")).status_code == 200
            held = await priya.post("/api/v1/agents/refund/hold", json={"reason": "odd"})
            assert (held.status_code, held.json()["active"]) == (200, False), held.text
            rows: Any = await store.reads.all(
                "SELECT actor_kind, actor_name FROM sb_audit WHERE action = 'agent.held' ORDER BY id DESC LIMIT 1"
            )
            assert (rows[0]["actor_kind"], rows[0]["actor_name"]) == ("person", "priya@corp.test")
            for method, url in (
                ("GET", "/api/v1/agents/bystander"),
                ("GET", "/api/v1/agents/bystander/why"),
                ("POST", "/api/v1/agents/bystander/hold"),
                ("GET", "/api/v1/agents/nobody"),
            ):
                other = await priya.request(method, url)
                assert (other.status_code, other.json()["code"]) == (404, "agent-unknown"), url
            for url in ("agents", "people", "decisions", "audit", "tokens", "status"):
                assert (await priya.get(f"/api/v1/{url}")).json()["code"] == "role-lacks", url
            assert (
                await priya.post("/api/v1/agents/refund/release", json={"reason": "x"})
            ).status_code == 403
            me = (await priya.get("/api/v1/me")).json()
            assert {each["name"]: each["for"] for each in me["permissions"]}["agents.hold"] == "own"

    on_house(body)


def test_no_other_site_changes_anything_with_somebodys_cookie(on_house) -> None:
    async def body(store: Store, _names: dict[str, str], app: Any) -> None:
        session = await signed_in(store, "ingrid@corp.test", ADMIN)
        async with at_console(app, session, key=False) as other:
            assert (await other.get("/api/v1/agents")).status_code == 200
            for headers in ({}, {"x-form-key": ""}, {"x-form-key": "0" * 64}):
                refused = await other.post(
                    "/api/v1/agents/bystander/hold", json={"reason": "x"}, headers=headers
                )
                assert (refused.status_code, refused.json()["code"]) == (403, "form-key")
        async with at_console(app, session) as own:
            # Two ways to say who one is: the token counts, and a wrong one opens nothing.
            wrong = await own.get("/api/v1/agents", headers={"authorization": "Bearer nonsense"})
            assert wrong.status_code == 401
            assert (await own.post("/api/v1/agents/bystander/hold", json={"reason": "x"})).status_code == 200

    on_house(body)


def test_what_is_dangerous_asks_a_person_for_a_sign_in_of_the_last_minutes(on_house) -> None:
    async def body(store: Store, names: dict[str, str], app: Any) -> None:
        wanted = {"scopes": ["viewer"], "label": "look"}
        stale = await signed_in(store, "ingrid@corp.test", ADMIN, ago=16 * MINUTE)
        async with at_console(app, stale) as late:
            refused = await late.post("/api/v1/tokens", json=wanted)
            assert (refused.status_code, refused.json()["code"]) == (403, "sign-in-again")
            held = await late.post(f"/api/v1/plans/{names['plan']}/apply", json={"release": "meant"})
            assert held.json()["code"] == "sign-in-again"
            assert (await late.get("/api/v1/tokens")).status_code == 200
        async with at_console(app, await signed_in(store, "ingrid@corp.test", ADMIN)) as fresh:
            assert (await fresh.post("/api/v1/tokens", json=wanted)).status_code == 201
        async with at_console(app, await signed_in(store, "ingrid@corp.test", OPERATOR)) as operator:
            url = f"/api/v1/plans/{names['plan']}/apply"
            assert (await operator.post(url, json={"release": "meant"})).json()["code"] == "role-lacks"
            assert (await operator.post(url, json={})).status_code == 202

    on_house(body)
