"""Several writes of one agent are one call: each answered for itself, in order only where that matters."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.registry.agents import refresh
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.resources import load
from scim_bridge.sync.idp.entra.batches import Write, write_all
from scim_bridge.sync.idp.entra.calls import Reply, answers_in
from scim_bridge.sync.idp.entra.refusals import already_there, error_of, refusal
from scim_bridge.sync.idp.port import IdpError
from tests.conftest import TESTER
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, answer_for, on_bench, upn


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox)


def batches(tenant: Tenant) -> list[list[str]]:
    """Every batch of writes: methods and addresses of its steps."""
    found = []
    for call in tenant.calls():
        if call["url"].endswith("/$batch"):
            steps = [f"{one['method']} {one['url']}" for one in call["request_body"]["requests"]]
            found.append([step for step in steps if not step.startswith("GET")])
    return [steps for steps in found if steps]


async def renamed(bench: Bench, agent_id: str, **facts: Any) -> None:
    async def body(work) -> None:  # type: ignore[no-untyped-def]
        work.bookkeeping("test")
        doc = (await load(work, agent_id, "agent")).doc
        new = {**doc, "displayName": "Sorter", AGENT_URN: {**doc[AGENT_URN], **facts}}
        await refresh(work, agent_id, new)

    await bench.store.transact(TESTER, body)


def test_people_name_and_facts_of_one_agent_are_one_call(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria, bob, carol = [await bench.person(upn(name)) for name in ("maria", "bob", "carol")]
        triage = await bench.agent("triage", maria)
        await answer_for(bench, triage, maria, (), (maria,))
        await bench.apply()
        await renamed(bench, triage, purpose="another")
        await answer_for(bench, triage, bob, (carol,), (bob,))
        before = len(batches(tenant))
        assert (await bench.apply()).state == "OK"
        (steps,) = batches(tenant)[before:]
        assert len(steps) == 7, steps
        assert tenant.people_of("Sorter", "sponsors") == ["bob"]
        assert tenant.people_of("Sorter", "owners") == ["bob", "carol"]
        assert tenant.facts("Sorter")["purpose"] == "another"

    on_bench(sqlite_url, clock, tenant, body)


def test_what_is_throttled_in_a_batch_is_sent_again_alone(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria, bob, carol = [await bench.person(upn(name)) for name in ("maria", "bob", "carol")]
        triage = await bench.agent("triage", maria)
        await bench.apply()
        await answer_for(bench, triage, bob, (carol,), (maria,))
        before = len(batches(tenant))
        tenant.configure(throttle_writes=2, throttle_write_seconds=2)
        assert (await bench.apply()).state == "OK"
        first, *more = batches(tenant)[before:]
        assert more and not set(more[0]) - set(first) and len(more[0]) < len(first)
        assert tenant.people_of("Triage", "owners") == ["bob", "carol"]

    on_bench(sqlite_url, clock, tenant, body)


def test_a_refused_sponsor_keeps_the_old_one_and_nothing_else_from_being_written(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria, bob = await bench.person(upn("maria")), await bench.person(upn("bob"))
        triage = await bench.agent("triage", maria)
        await bench.apply()
        store = tenant.running.sandbox.store
        (account,) = [one for _, one in store.all("user") if one["userPrincipalName"] == upn("bob")]
        store.put("user", account["id"], {**account, "@odata.type": "#microsoft.graph.agentUser"})
        await renamed(bench, triage, purpose="another")
        await answer_for(bench, triage, maria, (), (bob,))
        failed = await bench.apply()
        assert failed.failed == 1
        row = await bench.store.reads.one("SELECT reason FROM sb_change WHERE state = 'parked'")
        assert "an agent user cannot be a sponsor" in row["reason"]
        assert tenant.people_of("Sorter", "sponsors") == ["maria"]
        assert tenant.facts("Sorter")["purpose"] == "another"

    on_bench(sqlite_url, clock, tenant, body)


def test_what_is_done_already_does_not_keep_what_depends_on_it_from_being_done(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person(upn("maria"))
        await bench.agent("triage", maria)
        await bench.apply()
        graph = bench.idp._people._graph  # type: ignore[attr-defined]
        users = {user["userPrincipalName"]: user["id"] for user in tenant.objects("user")}
        place = f"/servicePrincipals/{tenant.identity('Triage')['id']}/owners"

        def add(name: str, *first: int) -> Write:
            link = f"https://graph.microsoft.com/v1.0/users/{users[upn(name)]}"
            there = lambda reply: already_there(reply.status, error_of(reply.body)[1])  # noqa: E731
            return Write(f"add {name}", "POST", f"{place}/$ref", {"@odata.id": link}, there, first)

        await write_all(graph, [add("maria"), add("bob", 0), add("carol", 1)])
        assert tenant.people_of("Triage", "owners") == ["bob", "carol", "maria"]
        wrong = Write("add nobody", "POST", f"{place}/$ref", {"@odata.id": "https://x/v1.0/users/1"})
        with pytest.raises(IdpError, match="add nobody"):
            await write_all(graph, [wrong, add("dave", 0)])
        assert "dave" not in tenant.people_of("Triage", "owners")

    on_bench(sqlite_url, clock, tenant, body)


def test_a_batch_larger_than_twenty_is_several_and_an_answer_that_is_missing_is_asked_for_again(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        await bench.apply()
        graph = bench.idp._people._graph  # type: ignore[attr-defined]
        path = f"/servicePrincipals/{tenant.identity('Triage')['id']}"
        writes = [Write("rename", "PATCH", path, {"displayName": f"name {n}"}) for n in range(23)]
        before = len(batches(tenant))
        await write_all(graph, writes)
        assert [len(steps) for steps in batches(tenant)[before:]] == [20, 3]
        lost = {"responses": [{"id": "0", "status": 204}, {"id": "x", "status": 204}, {"status": 204}, 7]}
        tenant.faults({"match": {"path": "batch"}, "action": "status", "status": 200, "body": lost})
        before = len(batches(tenant))
        await write_all(graph, writes[:3])
        assert [len(steps) for steps in batches(tenant)[before:]] == [3, 2]

    on_bench(sqlite_url, clock, tenant, body)


def test_answers_that_cannot_be_read_are_none() -> None:
    odd = [
        7,
        {"id": "x", "status": 200},
        {"status": 200},
        {"id": "1", "status": "200"},
        {"id": "²", "status": 200},
    ]
    for body in (None, [], {"responses": None}, {"responses": 7}, {"responses": odd}):
        assert answers_in(Reply(200, body)) == {}
    lists = {"responses": [{"id": "3", "status": 204, "headers": []}]}
    assert answers_in(Reply(200, lists)) == {3: Reply(204)}


def test_a_pause_that_is_a_date_counts_from_when_the_whole_batch_was_answered() -> None:
    """RFC 9110 section 10.2.3; the parts of a batch carry no date of their own."""
    throttled = {"id": "0", "status": 429, "headers": {"Retry-After": "Tue, 01 Dec 2026 03:05:00 GMT"}}
    whole = Reply(200, {"responses": [throttled]}, {"date": "Tue, 01 Dec 2026 03:00:00 GMT"})
    part = answers_in(whole)[0]
    assert refusal("change it", part.status, part.headers, part.body).retry_after == 300
    for said in ("9" * 5000, "Fri, 01 Jan 2100 00:00:00 GMT"):
        endless = {"retry-after": said, "date": "Tue, 01 Dec 2026 03:00:00 GMT"}
        assert refusal("change it", 429, endless, None).retry_after == 3600, "nobody waits for years"
    for said in ("soon", "", "-3", "²"):
        assert refusal("change it", 429, {"retry-after": said}, None).retry_after == 10
