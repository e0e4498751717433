"""Opening campaigns, and what ends an agent's part in one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import orjson

from scim_bridge.attestations.campaign_model import (
    AD_HOC,
    CANCELLED,
    CLOSED,
    EVENT,
    OPEN,
    OPENING,
    Campaign,
    ItemState,
    Policy,
    policy_of,
    steps,
)
from scim_bridge.attestations.model import first_answerable
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.registry.scope import Scope, parse_scope
from scim_bridge.settings.attestations import checked_name

PORTION = 200
CAMPAIGN = "campaign"
COLUMNS = "id, name, kind, scope, reason, state, opened, opened_by, due, total, closed, policy"

Tell = Callable[[int], None]


def campaign_of(row: Any) -> Campaign:
    """A row of sb_campaign as a value."""
    names = [name for name in Campaign.__slots__ if name != "policy"]
    return Campaign(**{name: row[name] for name in names}, policy=policy_of(orjson.loads(row["policy"])))


async def campaign(reader: Reader, name: str) -> Campaign:
    """The campaign with this id, or the newest with this name; NotFound otherwise."""
    row = await reader.one(
        f"SELECT {COLUMNS} FROM sb_campaign WHERE id = ? OR name = ?"
        " ORDER BY CASE WHEN id = ? THEN 0 ELSE 1 END, opened DESC, id DESC LIMIT 1",
        name,
        name,
        name,
    )
    if row is None:
        raise NotFound(
            "campaign-unknown", f"There is no campaign {name!r}.", "See `scim-bridge campaigns list`."
        )
    return campaign_of(row)


async def campaigns_by_id(reader: Reader, ids: Collection[str]) -> dict[str, Campaign]:
    """These campaigns, by id."""
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM sb_campaign WHERE id IN ({marks(len(ids))})", *sorted(ids)
    )
    return {row["id"]: campaign_of(row) for row in rows}


async def open_campaign(
    ctx: Context,
    actor: Actor,
    name: str,
    policy: Policy,
    *,
    scope: str = "",
    reason: str = "",
    kind: str = AD_HOC,
    schedule: str = "",
    tell: Tell | None = None,
) -> Campaign:
    """Open a campaign over every agent in a scope; the worker then asks each owner, all agents in one message.

    Invalid for a name or scope that cannot be meant; Refused when no agent is in the scope. A process
    that dies half way leaves it `opening`; `resume` goes on.
    """

    async def body(work: Work) -> str:
        return await begin(work, name, policy, scope, reason, kind, schedule)

    campaign_id = await ctx.store.transact(actor, body)
    return await resume(ctx, actor, campaign_id, tell)


async def begin(
    work: Work,
    name: str,
    policy: Policy,
    scope: str = "",
    reason: str = "",
    kind: str = AD_HOC,
    schedule: str = "",
) -> str:
    """The beginning of it, inside a transaction; its id. It stays `opening` until `resume` took every agent in,
    which the worker does, too."""
    named = checked_name(name)
    chosen = parse_scope(scope)
    if not await _page(work.tx, chosen, "", 1):
        raise Refused(
            "campaign-empty", f"No agent is in the scope {scope!r}.", "See `scim-bridge agents list`."
        )
    return await _begin(work, named, policy, str(chosen), reason, kind, schedule)


async def resume(ctx: Context, actor: Actor, campaign_id: str, tell: Tell | None = None) -> Campaign:
    """Take in the agents that are still missing, portion by portion; the campaign is open afterwards."""
    while True:
        found = await ctx.store.transact(actor, lambda work: _portion(work, campaign_id))
        if tell is not None:
            tell(found.total)
        if found.state != OPENING:
            return found


async def _begin(
    work: Work, name: str, policy: Policy, scope: str, reason: str, kind: str, schedule: str
) -> str:
    campaign_id = work.ids.new()
    due = work.now + policy.due_days * DAY
    await work.tx.run(
        "INSERT INTO sb_campaign (id, name, kind, schedule, scope, reason, state, opened, opened_by, due,"
        " policy, cursor, total) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0)",
        campaign_id,
        name,
        kind,
        schedule,
        scope,
        reason,
        OPENING,
        work.now,
        work.actor.name,
        due,
        orjson.dumps(policy.as_json()).decode(),
    )
    detail = {"name": name, "kind": kind, "scope": scope, "reason": reason, "due": iso(due)}
    await record(work, "campaign.opened", CAMPAIGN, campaign_id, detail)
    return campaign_id


async def single(work: Work, agent_id: str, slug: str, name: str, policy: Policy, reason: str) -> str | None:
    """A campaign about one agent because something happened to it; None when it is asked about already."""
    asked = await work.tx.one(
        "SELECT campaign_id FROM sb_campaign_item WHERE agent_id = ? AND state = 'waiting' LIMIT 1", agent_id
    )
    if asked is not None:
        return None
    campaign_id = await _begin(work, name, policy, "", reason, EVENT, "")
    owners = (await owners_of(work.tx, [agent_id]))[agent_id]
    person = first_answerable(owners)
    await _add(work, campaign_id, [(agent_id, slug, "" if person is None else person.id)])
    await work.tx.run("UPDATE sb_campaign SET state = ?, total = 1 WHERE id = ?", OPEN, campaign_id)
    return campaign_id


async def _portion(work: Work, campaign_id: str) -> Campaign:
    work.bookkeeping("agents are taken into a campaign that is audited as a whole")
    row = await work.tx.one(
        f"SELECT {COLUMNS}, cursor FROM sb_campaign WHERE id = ?{work.tx.for_update}", campaign_id
    )
    if row is None or row["state"] != OPENING:
        return await campaign(work.tx, campaign_id)
    page = await _page(work.tx, parse_scope(row["scope"]), row["cursor"], PORTION)
    owners = await owners_of(work.tx, [agent_id for agent_id, _ in page])
    people = {agent_id: first_answerable(owners[agent_id]) for agent_id, _ in page}
    await _add(
        work,
        campaign_id,
        [
            (agent_id, slug, "" if (person := people[agent_id]) is None else person.id)
            for agent_id, slug in page
        ],
        opened=row["opened"],
    )
    over = len(page) < PORTION
    total = row["total"] + len(page)
    await work.tx.run(
        "UPDATE sb_campaign SET cursor = ?, total = ?, state = ? WHERE id = ?",
        page[-1][0] if page else row["cursor"],
        total,
        OPEN if over else OPENING,
        campaign_id,
    )
    if over:
        await record(work, "campaign.asking", CAMPAIGN, campaign_id, {"name": row["name"], "agents": total})
    return await campaign(work.tx, campaign_id)


async def _add(
    work: Work, campaign_id: str, agents: list[tuple[str, str, str]], *, opened: int | None = None
) -> None:
    await work.tx.many(
        "INSERT INTO sb_campaign_item (campaign_id, agent_id, slug, person_id, state, step, next_at, note)"
        " VALUES (?, ?, ?, ?, 'waiting', 0, ?, '')",
        [(campaign_id, *agent, work.now if opened is None else opened) for agent in agents],
    )


async def _page(reader: Reader, scope: Scope, after: str, limit: int) -> list[tuple[str, str]]:
    condition, values = scope.also("r")
    rows = await reader.all(
        "SELECT r.id, a.slug FROM sb_agent a JOIN sb_resource r ON r.id = a.id"
        f" WHERE r.deleted IS NULL AND r.id > ?{condition} ORDER BY r.id LIMIT ?",
        after,
        *values,
        limit,
    )
    return [(row["id"], row["slug"]) for row in rows]


async def settle(work: Work, agent_id: str, state: ItemState, note: str) -> int:
    """End an agent's part in every open campaign, in the transaction of the answer; how many parts."""
    return await work.tx.run(
        "UPDATE sb_campaign_item SET state = ?, note = ?, settled = ? WHERE agent_id = ? AND state = 'waiting'",
        state.value,
        note,
        work.now,
        agent_id,
    )


async def close_finished(ctx: Context, actor: Actor) -> int:
    """Close campaigns in which nobody is waited for any more; how many."""
    rows = await ctx.store.reads.all(
        "SELECT c.id, c.name FROM sb_campaign c WHERE c.state = 'open' AND NOT EXISTS"
        " (SELECT 1 FROM sb_campaign_item i WHERE i.campaign_id = c.id AND i.state = 'waiting') LIMIT 100"
    )
    for row in rows:

        async def body(work: Work, campaign_id: str = row["id"], name: str = row["name"]) -> None:
            work.bookkeeping("another process closed this campaign")
            if await work.tx.run(
                "UPDATE sb_campaign SET state = ?, closed = ? WHERE id = ? AND state = 'open'",
                CLOSED,
                work.now,
                campaign_id,
            ):
                detail = {"name": name, **await counts(work.tx, campaign_id)}
                await record(work, "campaign.closed", CAMPAIGN, campaign_id, detail)

        await ctx.store.transact(actor, body)
    return len(rows)


async def cancel(ctx: Context, actor: Actor, name: str, reason: str) -> Campaign:
    """Stop asking; what was answered stays. Refused when it is over."""

    return await ctx.store.transact(actor, lambda work: cancel_within(work, name, reason))


async def cancel_within(work: Work, name: str, reason: str) -> Campaign:
    """The same, inside a transaction."""
    found = await campaign(work.tx, name)
    moved = await work.tx.run(
        "UPDATE sb_campaign SET state = ?, closed = ? WHERE id = ? AND state IN ('opening', 'open')",
        CANCELLED,
        work.now,
        found.id,
    )
    if not moved:
        raise Refused("campaign-over", f"The campaign {found.name} is {found.state}.", "Open a new one.")
    await work.tx.run(
        "UPDATE sb_campaign_item SET state = ?, note = ?, settled = ? WHERE campaign_id = ? AND state = 'waiting'",
        ItemState.CANCELLED.value,
        reason,
        work.now,
        found.id,
    )
    await record(work, "campaign.cancelled", CAMPAIGN, found.id, {"name": found.name, "reason": reason})
    return await campaign(work.tx, found.id)


async def counts(reader: Reader, campaign_id: str) -> dict[str, int]:
    """How many agents of a campaign are in each state; every state is named."""
    rows = await reader.all(
        "SELECT state, COUNT(*) AS n FROM sb_campaign_item WHERE campaign_id = ? GROUP BY state", campaign_id
    )
    found = {row["state"]: int(row["n"]) for row in rows}
    return {state.value: found.get(state.value, 0) for state in ItemState}


def plan_of(found: Campaign) -> list[tuple[int, Any]]:
    """Every step of a campaign with its instant."""
    return steps(found.opened, found.due, found.policy)
