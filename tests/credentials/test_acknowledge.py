"""Promises of the acknowledgement: a link or a token confirms, once, and nothing else does."""

from __future__ import annotations

import httpx2
from starlette.applications import Starlette

from scim_bridge.credentials.begin import rotate_agent
from scim_bridge.credentials.confirming import Confirming
from scim_bridge.credentials.routes import routes
from scim_bridge.registry.tokens import create_token
from tests.conftest import MASTER, TESTER
from tests.credentials.house import House


def test_a_consumer_confirms_by_its_link_or_a_token_and_nobody_else_does(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy()
        await house.scan("okta")
        (one,) = (
            await house.store.transact(
                TESTER, lambda work: rotate_agent(work, agent, "refund", "demand", "a test")
            )
        )[0]
        link = Confirming(house.ctx, house.stores).link(one).removeprefix("https://bridge.example")
        token = await house.store.transact(
            TESTER, lambda work: create_token(work, MASTER, connection_id=None, scopes=("access",))
        )
        web = Starlette(routes=routes(house.ctx, house.stores))
        transport = httpx2.ASGITransport(app=web)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            early = await client.post(link)
            assert (early.status_code, early.json()["code"]) == (422, "rotation-state")
            await house.work()
            forged = await client.post(link[:-4] + "beef")
            assert (forged.status_code, forged.json()["code"]) == (403, "ack-signature")
            assert (await client.post(link.split("?")[0])).status_code == 401
            wrong = await client.post(f"{link}&reference=another")
            assert (wrong.status_code, wrong.json()["code"]) == (422, "ack-reference")
            assert (await house.rotation())["confirmed"] is None
            shown = await client.get(link.replace("/ack", ""))
            assert shown.json()["state"] == "confirming" and "goes back at" in shown.json()["next"]
            for _ in range(2):
                right = await client.post(f"{link}&reference={(await house.rotation())['fresh_reference']}")
                assert right.status_code == 200
            bearer = {"authorization": f"Bearer {token}"}
            assert (await client.post(link.split("?")[0], headers=bearer)).status_code == 200
            unknown = await client.post("/credentials/v1/rotations/none/ack", headers=bearer)
            assert unknown.status_code == 404
            refused = await client.get("/credentials/v1/credentials", headers=bearer)
            assert refused.status_code == 403
        audited = await house.store.reads.all(
            "SELECT id FROM sb_audit WHERE action = 'credential.rotation_confirmed'"
        )
        assert len(audited) == 1
        house.clock.advance(seconds=1801)
        await house.work()
        assert (await house.rotation())["state"] == "done" and app.login(app.secret) == 401

    at_okta(scene)
