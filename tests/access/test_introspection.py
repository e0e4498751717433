"""RFC 7662: a token is active or not, and never while the agent it names is held."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
from starlette.applications import Starlette

from scim_bridge.access.introspection import FORM, INTROSPECT, routes
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.access_tokens import issue_access_token
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.resources import set_external_id
from scim_bridge.registry.tokens import create_token, new_token, revoke_token
from tests.access.gateway import Gateway, OnStore, with_gateway
from tests.conftest import MASTER, TESTER

SPIFFE = "spiffe://harborpine.example/agents/code-review"


async def introspected(gateway: Gateway, token: str, http: Any = None, **more: str) -> Any:
    headers = {"authorization": f"Bearer {gateway.token}", "content-type": FORM}
    content = urlencode({"token": token, **more})
    return await (http or gateway.http).post(INTROSPECT, content=content, headers=headers)


def test_own_tokens_are_described_and_unknown_revoked_and_expired_ones_are_not(
    on_store: OnStore, clock: Any
) -> None:
    async def body(gateway: Gateway) -> None:
        store = gateway.store

        async def make(work: Work) -> tuple[str, str, str]:
            connection = await create_connection(work, MASTER, "okta", "okta")
            scim = await create_token(
                work, MASTER, connection_id=connection.id, scopes=("read", "users"), days=1
            )
            given = await issue_access_token(
                work,
                MASTER,
                connection_id=connection.id,
                client_id="client-1",
                proof_id="p",
                label="entra",
                scopes=("read",),
                minutes=60,
            )
            return scim, *given

        scim, given_id, given = await store.transact(TESTER, make)
        told = (await introspected(gateway, scim, token_type_hint="access_token")).json()
        now = clock.now() // 1_000_000
        assert told.pop("jti")
        assert told == {
            "active": True,
            "iss": "https://bridge.example",
            "token_type": "Bearer",
            "scope": "read users",
            "exp": now + 86_400,
            "iat": now,
        }
        told = (await introspected(gateway, given)).json()
        assert (told["client_id"], told["sub"], told["exp"]) == ("client-1", "client-1", now + 3600)
        await store.transact(TESTER, lambda work: revoke_token(work, given_id))
        clock.advance(days=2)
        for nothing in (given, scim, new_token(), "sbr_nonsense", "a.b.c", "…", "x" * 5000):
            answer = await introspected(gateway, nothing)
            assert (answer.status_code, answer.json()) == (200, {"active": False}), nothing
            assert answer.headers["cache-control"] == "no-store"

    with_gateway(on_store, body)


def test_a_jwt_is_inactive_while_an_agent_it_names_is_held(on_store: OnStore) -> None:
    """By workload id, by what an IdP calls it, or as the one who acts for a person; believed only when proven."""

    async def body(gateway: Gateway) -> None:
        store = gateway.store
        claims: dict[str, dict[str, Any]] = {
            "1.by.workload": {"sub": SPIFFE, "exp": 1, "iss": "https://idp", "secret": "x"},
            "2.by.external": {"sub": "somebody", "azp": "0oa-code-review"},
            "3.for.person": {"sub": "aiko@corp.test", "act": {"sub": "code-review"}},
            "4.nobody.known": {"sub": "somebody", "client_id": "another"},
        }

        async def believe(_ctx: Context, token: str) -> Mapping[str, Any] | None:
            if token == "keys.are.fetched":
                raise StoreUnavailable("The keys of the issuer are being fetched.")
            return claims.get(token)

        agent = await find_agent(store.reads, "code-review")
        assert agent is not None
        named = agent.resource

        async def name(work: Work) -> None:
            work.bookkeeping("a test")
            await work.tx.run("UPDATE sb_agent SET workload_id = ? WHERE id = ?", SPIFFE, named.id)
            connection = await create_connection(work, MASTER, "okta", "okta")
            set_external_id(work, named, connection.id, None, "0oa-code-review")

        await store.transact(TESTER, name)
        ctx = Context(store, MASTER, Outbound(), "https://bridge.example", Path())
        transport = httpx2.ASGITransport(app=Edge({}, Starlette(routes=routes(ctx, believe))))
        async with httpx2.AsyncClient(transport=transport, base_url="https://bridge.example") as http:

            async def active() -> list[Any]:
                return [(await introspected(gateway, token, http)).json() for token in claims]

            told = await active()
            assert [one["active"] for one in told] == [True] * 4
            assert told[0]["agent"] == {"id": named.id, "slug": "code-review"}
            assert "secret" not in told[0] and told[0]["sub"] == SPIFFE
            assert "agent" not in told[3]
            assert (await introspected(gateway, "not.proven.here", http)).json() == {"active": False}
            assert (await introspected(gateway, "keys.are.fetched", http)).status_code == 503
            await store.transact(
                TESTER, lambda work: place_hold(work, named.id, "admin", "admin", "Odd.", "an admin")
            )
            assert await active() == [{"active": False}] * 3 + [told[3]]
        await ctx.outbound.aclose()

    with_gateway(on_store, body)


def test_who_asks_must_have_the_scope_and_send_a_form_with_one_token(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        sent = {"authorization": f"Bearer {gateway.token}", "content-type": FORM}
        for content in (b"", b"token=", b"token=a&token=b", b"\xff=%ff", b"x=1", b"&".join([b"a=1"] * 99)):
            answer = await gateway.http.post(INTROSPECT, content=content, headers=sent)
            assert answer.status_code == 400, content
        as_json = {**sent, "content-type": "application/json"}
        assert (await gateway.http.post(INTROSPECT, content=b"{}", headers=as_json)).status_code == 400
        nobody = await gateway.http.post(INTROSPECT, content=b"token=a", headers={"content-type": FORM})
        assert nobody.status_code == 401

    with_gateway(on_store, body)
