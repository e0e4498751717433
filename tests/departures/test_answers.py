"""Promises of the successor's link: it shows what waits, answers once, and is nobody else's."""

from __future__ import annotations

from dataclasses import replace

import httpx2
from starlette.applications import Starlette

from scim_bridge.departures.answer_page import routes
from scim_bridge.departures.link import Links
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people import set_employed
from scim_bridge.registry.people_refs import people
from tests.conftest import MASTER, TESTER
from tests.departures.crowd import tell
from tests.departures.house import cases, context, drain, engine, facts, furnish, left
from tests.departures.test_back import renamed
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
            guess = f"http://bridge.test/take-over/{case['id']}/{ids['lena']}/guess"
            found = {(await client.get(guess)).status_code for _ in range(60)}
            assert found == {404, 429}
            assert (await client.get(link)).status_code == 200, "a genuine link opens all the same"
            row = await store.reads.one(
                "SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'departure.link_refused'"
            )
            assert row["n"] == 60, "kept, and no flood of them"
        await ctx.outbound.aclose()

    on_store(body)


def test_a_successor_who_left_or_lost_the_agent_cannot_use_an_old_link_and_a_renamed_one_can(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await described(store, ids)
        by = replace(rules(POLICY), links=LINKS)
        await tell(store, left(ids["priya"], clock.now()), by)
        (case,) = await cases(store)
        ctx = context(store)
        link = LINKS.address(case["id"], ids["daniel"])
        said = {"agent": ids["refund"], "answer": "accept"}
        transport = httpx2.ASGITransport(app=Starlette(routes=routes(ctx, by, LINKS)))
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            await store.transact(TESTER, lambda work: set_employed(work, ids["daniel"], False))
            refused = await client.post(link, data=said)
            assert refused.status_code == 422 and "takes nothing over" in refused.text
            assert not (await facts(store, ids["refund"])).resource.active
            await store.transact(TESTER, lambda work: set_employed(work, ids["daniel"], True))

            async def to(person: str) -> None:
                async def change(work: Work) -> None:
                    owner = (await people(work.tx, [ids[person]]))[ids[person]]
                    await set_owners(work, ids["refund"], Owners(owner))

                await store.transact(TESTER, change)

            await to("ingrid")
            refused = await client.post(link, data=said)
            assert refused.status_code == 422 and "given to somebody else" in refused.text
            await to("daniel")
            await store.transact(TESTER, lambda work: renamed(work, ids["daniel"], "dan@corp.test"))
            asked = await client.get(link, headers={"accept": "application/json"})
            assert [agent["id"] for agent in asked.json()["agents"]] == [ids["refund"]]
            assert (await client.post(link, data=said)).status_code == 200
            assert (await facts(store, ids["refund"])).resource.active
        await ctx.outbound.aclose()

    on_store(body)
