"""Promises about agents past their time: held by policy with what releases it, and let go when it is so no more."""

from __future__ import annotations

import pytest

from scim_bridge.departures.policy_file import parse
from scim_bridge.departures.rules import Rules
from scim_bridge.departures.upkeep import keep, upkeep
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.model import Owners
from scim_bridge.registry.people_refs import find_person
from tests.conftest import TESTER
from tests.departures.crowd import gather, stopped
from tests.departures.house import context, facts, furnish

STRICT = "version: 1\nagents: {expired: hold, unused: 90d, ownerless: hold}\n"


def strict() -> Rules:
    found, problems = parse(STRICT)
    assert found is not None, problems
    return found


async def sql(store: Store, statement: str, *values: object) -> None:
    async def body(work: Work) -> None:
        work.bookkeeping("test")
        await work.tx.run(statement, *values)

    await store.transact(TESTER, body)


async def asked(store: Store, agent_id: str, at: int) -> None:
    columns = "id, at, agent_id, subject, action, resource_type, resource_id, allowed, reasons, policies"
    await sql(
        store,
        f"INSERT INTO sb_decision ({columns}, caller_id, caller_name, request_id)"
        " VALUES (?, ?, ?, '', '', '', '', 1, '[]', '[]', '', '', '')",
        f"{agent_id}:{at}",
        at,
        agent_id,
    )


def test_an_expired_agent_is_held_and_goes_on_when_its_date_is_moved(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)
        move = "UPDATE sb_agent SET expires_at = ? WHERE id = ?"
        await sql(store, move, clock.now() + DAY, ids["refund"])
        assert await upkeep(ctx) == 0
        clock.advance(days=1)
        assert (await upkeep(ctx), await upkeep(ctx)) == (1, 0)
        (hold,) = (await facts(store, ids["refund"])).holds
        assert (hold.source, hold.code, hold.release) == ("expiry", "expired", "a later expiresAt, or none")
        assert "2026-11-19" in hold.reason
        await sql(store, move, clock.now() + 9 * DAY, ids["refund"])
        assert await upkeep(ctx) == 1
        assert (await facts(store, ids["refund"])).resource.active
        await ctx.outbound.aclose()

    on_store(body)


def test_an_agent_nobody_owns_is_held_where_the_policy_says_so_until_somebody_does(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)

        async def own(name: str | None) -> None:
            async def body(work: Work) -> None:
                person = await find_person(work.tx, ids[name]) if name is not None else None
                await set_owners(work, ids["refund"], Owners(person))

            await store.transact(TESTER, body)

        await own(None)
        assert await upkeep(ctx) == 0, "the default lets them be"
        assert await upkeep(ctx, strict()) == 1
        (hold,) = (await facts(store, ids["refund"])).holds
        assert (hold.source, hold.release) == ("ownerless", "an owner who is here")
        await own("daniel")
        assert await upkeep(ctx, strict()) == 1
        assert (await facts(store, ids["refund"])).resource.active
        await ctx.outbound.aclose()

    on_store(body)


def test_an_unused_agent_is_held_until_somebody_needs_it_and_silence_everywhere_holds_nobody(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        ctx = context(store)
        clock.advance(days=91)
        assert await upkeep(ctx, strict()) == 0, "no decision was ever asked here"
        for slug in ("triage", "writer", "audit-helper", "bystander", "refund"):
            await asked(store, ids[slug], clock.now() - 100 * DAY + (99 * DAY if slug != "refund" else 0))
        assert await upkeep(ctx) == 0, "the default lets them be"
        assert (await upkeep(ctx, strict()), await upkeep(ctx, strict())) == (1, 0)
        (hold,) = (await facts(store, ids["refund"])).holds
        assert hold.reason == "Nobody asked anything for it in 90 days"
        assert "departures keep refund" in hold.release
        assert await store.transact(TESTER, lambda work: keep(work, "refund", "quarter end")) == "refund"
        assert await upkeep(ctx, strict()) == 0
        with pytest.raises(Refused):
            await store.transact(TESTER, lambda work: keep(work, "refund", "again"))
        await ctx.outbound.aclose()

    on_store(body)


def test_when_nearly_all_agents_seem_unused_none_is_held_and_security_is_told(on_store, clock) -> None:
    async def body(store: Store) -> None:
        await gather(store, 14)
        ctx = context(store)
        clock.advance(days=91)
        await asked(store, "elsewhere", clock.now() - 95 * DAY)
        await asked(store, "elsewhere", clock.now() - DAY)
        assert (await upkeep(ctx, strict()), await upkeep(ctx, strict())) == (0, 0)
        assert await stopped(store) == 0
        notices = await store.reads.all("SELECT payload FROM sb_effect WHERE payload LIKE '%agents-unused%'")
        assert len(notices) == 1
        await ctx.outbound.aclose()

    on_store(body)
