"""Promises of the successor's link: it shows what waits, answers once, and is nobody else's."""

from __future__ import annotations

from dataclasses import replace

import httpx2
from starlette.applications import Starlette

from scim_bridge.departures.answer_page import routes
from scim_bridge.departures.link import Links
from scim_bridge.kernel.work import Store
from tests.conftest import MASTER
from tests.departures.crowd import tell
from tests.departures.house import cases, context, drain, engine, facts, furnish, left
from tests.departures.test_policies import POLICY, described, rules

LINKS = Links(MASTER, "http://bridge.test")


def test_a_successor_takes_one_agent_over_by_the_link_of_their_notice_and_no_other_link_opens(
    on_store, receiver, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await described(store, ids)
        by = replace(rules(POLICY), links=LINKS)
        await tell(store, left(ids["priya"], clock.now()), by)
        (case,) = await cases(store)
        ctx = context(store)
        await drain(engine(ctx, receiver), store)
        notices = {
            n["to"]["name"]: n for n in receiver.bodies("/notify") if n["template"] == "departure-successor"
        }
        assert set(notices) == {"Daniel", "Lena"}
        assert LINKS.proof(case["id"], ids["daniel"]) not in str(notices["Daniel"]), (
            "only its recipient reads it"
        )
        link = LINKS.address(case["id"], ids["daniel"])
        transport = httpx2.ASGITransport(app=Starlette(routes=routes(ctx, by, LINKS)))
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            page = await client.get(link)
            assert page.status_code == 200
            assert "Take over refund" in page.text
            assert "it is held" in page.text
            assert page.headers["referrer-policy"] == "no-referrer"
            stolen = LINKS.address(case["id"], ids["lena"])
            theirs = await client.post(stolen, data={"agent": ids["refund"], "answer": "accept"})
            assert theirs.status_code == 403
            assert not (await facts(store, ids["refund"])).resource.active
            for wrong in (
                link[:-1] + ("0" if link[-1] != "0" else "1"),
                link.replace(ids["daniel"], ids["lena"]),
            ):
                assert (await client.get(wrong)).status_code == 404
            assert (await client.post(link, data={"agent": ids["refund"]})).status_code == 400

            done = await client.post(link, data={"agent": ids["refund"], "answer": "accept"})
            assert "it is yours now" in done.text
            assert (await facts(store, ids["refund"])).resource.active
            again = await client.post(link, data={"agent": ids["refund"], "answer": "decline"})
            assert again.status_code == 422
            asked = await client.get(link, headers={"accept": "application/json"})
            assert asked.json()["agents"] == []

            said = {"agent": ids["triage"], "answer": "decline"}
            declined = await client.post(stolen, json=said, headers={"accept": "application/json"})
            assert declined.json()["state"] == "held"
            row = await store.reads.one(
                "SELECT actor_name FROM sb_audit WHERE action = 'departure.not_accepted'"
            )
            assert row["actor_name"] == "lena@corp.test"
            assert (await client.get("http://bridge.test/take-over/look.css")).status_code == 200
            for _ in range(60):
                await client.get(f"http://bridge.test/take-over/{case['id']}/{ids['lena']}/guess")
            assert (await client.get(link)).status_code == 429
        await ctx.outbound.aclose()

    on_store(body)
