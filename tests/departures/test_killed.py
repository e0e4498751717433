"""A promise about kill -9: the departure completes, no step is lost, none acts twice, the receipt is true.

Every fault point, one after the other, takes minutes: python -m tests.departures.faults
"""

from __future__ import annotations

from collections import Counter

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import verify_case
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.work import Store
from scim_bridge.registry.credentials import credentials_of
from tests.conftest import run_with_store
from tests.departures.house import context, furnish, heard, left
from tests.forked import Forked


def test_a_departure_whose_worker_is_killed_between_steps_completes_with_a_true_receipt(
    database_url, receiver, forking
) -> None:
    clock = SystemClock()
    ids: dict[str, str] = {}

    async def leaves(store: Store) -> None:
        ids.update(await furnish(store))
        await heard(store, left(ids["priya"], clock.now()))

    def work(*calls: str) -> int:
        return Forked(forking, "tests.departures.worker", [database_url, receiver.url, *calls]).wait(180)

    run_with_store(database_url, clock, leaves)
    assert [work("11"), work()] == [-9, 0]

    async def closed(store: Store) -> None:
        rows = await store.reads.all("SELECT id, state FROM sb_effect WHERE case_id IS NOT NULL")
        assert {row["state"] for row in rows} == {"done"}
        assert len(rows) == 11
        ctx = context(store)
        verdict = await verify_case(ctx, await find_case(store.reads, "priya@corp.test"))
        assert verdict.ok, verdict.findings
        assert len(verdict.content["steps"]) == 15
        assert {c["state"] for c in await credentials_of(store.reads, ids["refund"])} == {"revoked"}
        revoked = await store.reads.one(
            "SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'credential.revoked'"
        )
        assert revoked["n"] == 2
        # Whoever receives a call twice knows it by its id and its unchanged content.
        ids_seen = Counter(headers["webhook-id"] for _, headers, _ in receiver.calls)
        assert ids_seen.keys() == {row["id"] for row in rows}
        for _, headers, body in receiver.calls:
            again = {b for _, h, b in receiver.calls if h["webhook-id"] == headers["webhook-id"]}
            assert again == {body}
        await ctx.outbound.aclose()

    run_with_store(database_url, clock, closed)
