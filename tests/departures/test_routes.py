"""Promises of the departures' API: admins only, bounded, every refusal a problem that says what to do."""

from __future__ import annotations

from typing import Any

import httpx2

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connections import connection
from scim_bridge.registry.tokens import create_token
from tests.api.house import application
from tests.conftest import MASTER, TESTER
from tests.departures.house import context, drain, engine, furnish, heard, left


class Api:
    """An HTTP client of the routes with one token."""

    def __init__(self, ctx: Context, token: str) -> None:
        transport = httpx2.ASGITransport(app=application(ctx))
        headers = {"authorization": f"Bearer {token}"}
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://bridge.test", headers=headers)

    async def get(self, path: str) -> tuple[int, Any]:
        answer = await self._client.get(f"/api/v1/departures{path}")
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code, answer.json()


async def token(store: Store, scope: str, name: str | None = None) -> str:
    async def body(work: Any) -> str:
        found = await connection(work.tx, name) if name is not None else None
        return await create_token(
            work, MASTER, connection_id=found.id if found is not None else None, scopes=(scope,)
        )

    return await store.transact(TESTER, body)


def test_an_admin_reads_cases_one_case_and_its_receipt(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now(), key="1"))
        clock.advance(seconds=1)
        await heard(store, left(ids["lena"], clock.now(), key="2"))
        ctx = context(store)
        api = Api(ctx, await token(store, "admin"))
        status, page = await api.get("?limit=1")
        assert status == 200
        (newest,) = page["items"]
        assert (newest["person"], newest["state"], newest["held"]) == ("lena@corp.test", "open", 2)
        status, rest = await api.get(f"?limit=1&cursor={page['next']}")
        case_id = rest["items"][0]["id"]
        assert rest["items"][0]["person"] == "priya@corp.test"
        status, problem = await api.get(f"/{case_id}/receipt")
        assert (status, problem["code"]) == (404, "receipt-none")
        await drain(engine(ctx, receiver), store)
        status, case = await api.get(f"/{case_id}")
        assert (status, case["state"], case["waiting"]) == (200, "closed", 0)
        assert {row["outcome"] for row in case["agents"]} == {"held", "handed-over", "relieved"}
        rows = await store.reads.all("SELECT name FROM sb_connection")
        told = {row["about"] for row in case["effects"] if row["kind"] == "idp.push"}
        assert told == {row["name"] for row in rows}, "which IdP was told is said by its name"
        status, receipt = await api.get(f"/{case_id}/receipt")
        assert (status, set(receipt)) == (200, {"receipt", "keys"})
        assert (await api.get("?state=open"))[1]["items"] == []
        await ctx.outbound.aclose()

    on_store(body)


def test_nobody_but_an_admin_reads_them_and_odd_questions_are_refused(on_store, clock) -> None:
    async def body(store: Store) -> None:
        await furnish(store)
        ctx = context(store)
        for who, scope, expected in ((None, "access", 403), ("okta", "read", 403)):
            api = Api(ctx, await token(store, scope, who))
            for path in ("", "/x", "/x/receipt"):
                assert (await api.get(path))[0] == expected
        assert (await Api(ctx, "sbr_wrong").get(""))[0] == 401
        api = Api(ctx, await token(store, "admin"))
        for path, status in {
            "?limit=0": 400,
            "?limit=501": 400,
            "?limit=x": 400,
            "?limit=²": 400,
            "?state=nonsense": 400,
            "?cursor=AAAA": 400,
            "/no-such-case": 404,
            "/%00": 400,
            "/%ED%A0%80": 404,
            "/no-such-case/receipt": 404,
        }.items():
            got, problem = await api.get(path)
            assert got == status, path
            assert problem["code"] and problem["title"]
        await ctx.outbound.aclose()

    on_store(body)
