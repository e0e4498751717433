"""Settling drift: theirs becomes ours, or ours is written over theirs. By a person, or by a connection's rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import lane
from scim_bridge.kernel.errors import BridgeError, Conflict, NotFound, Refused
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.drift_rules import OURS, THEIRS
from scim_bridge.registry.outward import IDP_PUSH
from scim_bridge.sync.brake import Limits, many
from scim_bridge.sync.drift import OVERRIDDEN, TAKEN, Drift
from scim_bridge.sync.drift_keeping import KeptDrift, close_drift, drift_of, not_taken
from scim_bridge.sync.idp.port import ENABLED
from scim_bridge.sync.pushed import BEGUN
from scim_bridge.sync.taking import take

UNKNOWN = "drift-unknown"
BY_RULE = "by the connection's rule"


async def settle(
    work: Work,
    connection: Connection,
    agent: str,
    attribute: str,
    choice: str,
    reason: str,
    *,
    seen: str = "",
) -> KeptDrift:
    """Settle one open drift of an agent (by slug or id) and attribute (the IdP's name or ours), audited.

    "theirs" changes the registry; "ours" has it written at the IdP after the commit. Either way what is there
    now counts as seen: three-way comparison goes on from it. NotFound without such a drift; Refused with the
    reason where a choice is not to be had; Conflict where other values than those of the mark `seen` stand there.
    """
    row = await _open(work, connection.id, agent, attribute)
    if seen and seen != row.mark:
        raise Conflict(
            "drift-moved",
            f"{row.attribute} of {row.slug} was changed once more since you looked; nothing was settled.",
            "Load the page again and look at what is there now.",
        )
    if choice == THEIRS:
        await take(work, row.agent_id, row.field, row.theirs, connection.name, reason)
    elif row.attribute == ENABLED and row.theirs is not True:
        raise Refused(
            "drift-stop",
            f"{row.slug} was switched off at {connection.name}, not by us: that stop is not undone from here.",
            "Switch it on there, or take it over: --take theirs.",
        )
    await _seen(work, row)
    if choice == OURS:
        await _push(work, connection.id, row.agent_id)
    await close_drift(work, row, TAKEN if choice == THEIRS else OVERRIDDEN, reason)
    return row


async def _open(work: Work, connection_id: str, agent: str, attribute: str) -> KeptDrift:
    rows: Sequence[Any] = ()
    # By id first: the index leads there, where a slug is looked for among all of them.
    for name in ("agent_id", "slug"):
        rows = rows or await work.tx.all(
            f"SELECT * FROM sb_drift WHERE connection_id = ? AND slot = '' AND {name} = ?"
            f" AND (attribute = ? OR field = ?) ORDER BY attribute{work.tx.for_update}",
            connection_id,
            agent,
            attribute,
            attribute,
        )
    found = [drift_of(row) for row in rows]
    exact = [row for row in found if row.attribute == attribute] or found
    if not exact:
        raise NotFound(
            UNKNOWN,
            f"No change of {attribute} of {agent} waits for a decision.",
            "See scim-bridge sync drift; sync plan reads again.",
        )
    if len(exact) > 1:
        names = ", ".join(row.attribute for row in exact)
        raise Refused("drift-ambiguous", f"{attribute} may be {names}.", "Name one of them.")
    return exact[0]


async def _seen(work: Work, row: KeptDrift) -> None:
    """What is there is what both sides begin from: the difference to it is ours alone."""
    kept = await work.tx.one(
        f"SELECT attributes FROM sb_pushed WHERE connection_id = ? AND agent_id = ?{work.tx.for_update}",
        row.connection_id,
        row.agent_id,
    )
    if kept is None:
        return
    # A stop of theirs stays known as theirs, or it would pass for ours and be undone.
    theirs = None if row.attribute == ENABLED and row.theirs is False else row.theirs
    attributes: dict[str, Any] = {**orjson.loads(kept["attributes"]), row.attribute: theirs}
    attributes.get(BEGUN, {}).pop(row.attribute, None)
    work.tx.later(
        "UPDATE sb_pushed SET attributes = ? WHERE connection_id = ? AND agent_id = ?",
        orjson.dumps(attributes).decode(),
        row.connection_id,
        row.agent_id,
    )


async def _push(work: Work, connection_id: str, agent_id: str) -> None:
    await work.effect(
        IDP_PUSH,
        {"connection_id": connection_id, "agent_id": agent_id, "reason": "drift settled as ours"},
        lane=lane(f"idp:{connection_id}", agent_id),
        subject_id=agent_id,
        key=f"{connection_id}:{agent_id}:{work.now}:drift",
    )


def _refusing(connection: Connection, each: Drift, why: str) -> Callable[[Work], Awaitable[None]]:
    async def body(work: Work) -> None:
        not_taken(work, connection.id, each.agent_id, each.attribute, f"not taken over: {why}")

    return body


async def take_by_rule(
    ctx: Context, actor: Actor, connection: Connection, limits: Limits, known: int, found: Sequence[Drift]
) -> int:
    """Take over what the connection's rules say is theirs; how many are settled. Nothing when it is too much at once.

    Another one who applies at this moment may have taken some over. What cannot be taken over waits for a person,
    like any other that waits.
    """
    wanted = [each for each in found if each.rule == THEIRS]
    if not wanted or many(limits, len({each.agent_id for each in wanted}), known):
        return 0
    taken = 0
    for each in wanted:
        try:
            await ctx.store.transact(
                actor,
                lambda work, each=each: settle(  # type: ignore[misc]
                    work, connection, each.agent_id, each.attribute, THEIRS, BY_RULE
                ),
            )
        except BridgeError as error:
            if error.code == UNKNOWN:
                taken += 1
                continue
            if error.status >= 500:
                raise
            await ctx.store.transact(actor, _refusing(connection, each, error.message))
            continue
        taken += 1
    return taken
