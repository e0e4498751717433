"""Carrying out a change of many agents: one agent after the other, each in a transaction of its own."""

from __future__ import annotations

from scim_bridge.audit.record import record
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.bulk import RUNNING, Asking, Bulk, Item, bulk, steps_of, target_of
from scim_bridge.registry.bulk_model import (
    ADMIN,
    DONE,
    FAILED,
    MOVED,
    NOTHING,
    OWNER,
    PLANNED,
    Target,
    owned_by,
)
from scim_bridge.registry.groups import add_members, remove_members
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT


async def carry_out(store: Store, actor: Actor, bulk_id: str, asking: Asking) -> Bulk:
    """Do a plan that runs, agent by agent, each in a transaction of its own; how it ended.

    Stopped in between, the same call goes on with those that are left.
    """
    found = await bulk(store.reads, bulk_id)
    if found.state != RUNNING:
        return found
    target = found.target
    if found.action == OWNER:
        target = await target_of(store.reads, OWNER, target.id)
    for item in found.items:
        if item.state == PLANNED:
            await _one(store, actor, found, item, target, asking)

    async def end(work: Work) -> None:
        ended = await work.tx.run(
            "UPDATE sb_bulk SET state = ?, ended = ? WHERE id = ? AND state = ?",
            DONE,
            work.now,
            bulk_id,
            RUNNING,
        )
        if not ended:
            work.bookkeeping("somebody else ended it")
            return
        after = await bulk(work.tx, bulk_id)
        detail = {state: after.count(state) for state in (DONE, NOTHING, MOVED, FAILED)}
        await record(work, "bulk.done", "bulk", bulk_id, {"action": found.action, **detail})

    await store.transact(actor, end)
    return await bulk(store.reads, bulk_id)


async def carry_on(store: Store, asking: Asking) -> int:
    """Carry out what was approved and is not done: by the API, or before a process ended. How many plans.

    In the name of whoever approved it last.
    """
    rows = await store.reads.all("SELECT id FROM sb_bulk WHERE state = ? ORDER BY id LIMIT 20", RUNNING)
    for row in rows:
        last = (await bulk(store.reads, row["id"], items=False)).approvals[-1]
        await carry_out(store, Actor(last["kind"], last["id"], last["name"]), row["id"], asking)
    return len(rows)


async def _one(store: Store, actor: Actor, of: Bulk, item: Item, target: Target, asking: Asking) -> None:
    async def body(work: Work) -> None:
        work.bookkeeping("somebody else did it, or it is as asked")
        if not await _settle(work, of.id, item, DONE, ""):
            return
        _, steps = await steps_of(work.tx, of.action, [item.agent_id], target, asking)
        if not steps or steps[0].says != item.says:
            says = steps[0].says if steps else "it is gone"
            await work.tx.run(
                "UPDATE sb_bulk_item SET state = ?, told = ? WHERE bulk_id = ? AND agent_id = ?",
                MOVED,
                f"Left alone, it changed since the preview: {says}.",
                of.id,
                item.agent_id,
            )
            return
        await _do(work, of, item.agent_id, target, asking)

    try:
        await store.transact(actor, body, about=item.agent_id)
    except StoreUnavailable:
        raise
    except BridgeError as error:
        words, code = f"{error.message} {error.fix}", error.code

        async def failed(work: Work) -> None:
            detail = {"action": of.action, "bulk": of.id, "code": code}
            await record(work, "bulk.failed", AGENT, item.agent_id, detail, outcome="failed")
            await _settle(work, of.id, item, FAILED, words)

        await store.transact(actor, failed)


async def _settle(work: Work, bulk_id: str, item: Item, state: str, told: str) -> bool:
    return bool(
        await work.tx.run(
            "UPDATE sb_bulk_item SET state = ?, told = ? WHERE bulk_id = ? AND agent_id = ? AND state = ?",
            state,
            told,
            bulk_id,
            item.agent_id,
            PLANNED,
        )
    )


async def _do(work: Work, of: Bulk, agent_id: str, target: Target, asking: Asking) -> None:
    match of.action:
        case "stop":
            how = "an admin releases it, in the console, by the API or with agents resume"
            await place_hold(work, agent_id, ADMIN, ADMIN, of.reason, how)
        case "resume":
            await release_hold(work, agent_id, ADMIN, of.reason)
        case "owner":
            assert target.person is not None
            owners = (await facts_of(work.tx, [agent_id]))[agent_id].owners
            await set_owners(work, agent_id, owned_by(owners, target.person))
        case "attest":
            await asking.ask(work, agent_id)
        case "join":
            await add_members(work, target.id, [(agent_id, None)])
        case _:
            await remove_members(work, target.id, [agent_id])
