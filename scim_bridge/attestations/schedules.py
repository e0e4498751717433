"""Campaigns that open by themselves: on their schedule, and when what was attested is no longer so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import orjson
import structlog

from scim_bridge.attestations.campaign_model import OPENING, SCHEDULED, Policy
from scim_bridge.attestations.campaigns import open_campaign, resume, single
from scim_bridge.attestations.facts import facts_together
from scim_bridge.attestations.model import Difference, differences
from scim_bridge.attestations.service import LAPSED, VALID
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.agents import set_attestation
from scim_bridge.registry.model import AGENT, Attestation
from scim_bridge.registry.resources import find
from scim_bridge.settings.attestations import LONGEST_NAME, AttestationSettings, CampaignSettings

log = structlog.get_logger("scim_bridge.attestations")

# Statements held against the facts at once, in a fixed number of reads: some milliseconds, then others have a turn.
LOOKED_AT = 100
# A round over all looks at so many; the next goes on where it stopped.
ROUND_MOST = 2_000


def policy(settings: AttestationSettings, due_days: int | None = None) -> Policy:
    """How a campaign is chased by these settings."""
    return Policy(
        due_days=due_days or settings.due_days,
        remind_days=tuple(int(days) for days in settings.remind_days),
        grace_days=settings.grace_days,
        hold=settings.hold_on_lapse,
    )


def ask_anew(settings: AttestationSettings) -> Callable[[Work, str, str], Awaitable[bool]]:
    """Asks the owner of an agent about it because of something that happened; False when that is asked already."""

    async def ask(work: Work, agent_id: str, why: str) -> bool:
        agent = (await facts_of(work.tx, [agent_id])).get(agent_id)
        if agent is None:
            return False
        name = f"Odd behaviour: {agent.slug}"[:LONGEST_NAME]
        return await single(work, agent_id, agent.slug, name, policy(settings), why) is not None

    return ask


async def open_due(ctx: Context, settings: AttestationSettings) -> int:
    """Open every campaign of the settings whose time has come, and finish opening what was cut off; how many.

    The first opens when the setting is first seen. One that is due while its last round is open waits.
    """
    opened = 0
    for row in await ctx.store.reads.all("SELECT id FROM sb_campaign WHERE state = ?", OPENING):
        await resume(ctx, SYSTEM, row["id"])
    for told in settings.campaigns:
        last = await ctx.store.reads.one(
            "SELECT opened, state FROM sb_campaign WHERE schedule = ? ORDER BY opened DESC LIMIT 1", told.name
        )
        if last is not None and (
            last["state"] in ("opening", "open")
            or last["opened"] + told.every_days * DAY > ctx.store.clock.now()
        ):
            continue
        opened += await _open(ctx, settings, told)
    return opened


async def _open(ctx: Context, settings: AttestationSettings, told: CampaignSettings) -> int:
    try:
        await open_campaign(
            ctx,
            SYSTEM,
            told.name,
            policy(settings, told.due_days),
            scope=told.scope,
            kind=SCHEDULED,
            schedule=told.name,
        )
    except Refused as error:
        # Nobody to ask today; tomorrow there may be.
        log.info("campaign.empty", action="campaign.empty", campaign=told.name, reason=error.message)
        return 0
    return 1


class Watcher:
    """Ends statements whose material facts changed: soon for agents that were just changed, for all in time."""

    def __init__(self, ctx: Context, settings: AttestationSettings) -> None:
        self._ctx = ctx
        self._settings = settings
        self._changed: set[str] = set()
        self._after = ""
        ctx.store.on_change(self._note)

    def _note(self, changed: Iterable[tuple[str, str]]) -> None:
        # Bounded: what is dropped here is met by the round over all.
        if len(self._changed) < 10_000:
            self._changed.update(subject for kind, subject in changed if kind == AGENT)

    async def look(self) -> int:
        """Hold the next statements against the facts as they are; how many statements ended.

        Every agent that was just changed, then the next of all others.
        """
        if not self._settings.material:
            return 0
        ended = 0
        # As many as there are now: whoever writes without end does not keep the round over all from its turn.
        for _ in range(-(-len(self._changed) // LOOKED_AT)):
            ended += await self._some(
                [self._changed.pop() for _ in range(min(LOOKED_AT, len(self._changed)))]
            )
        for _ in range(ROUND_MOST // LOOKED_AT):
            ended += await self._some(await self._next())
            if not self._after:
                break
        return ended

    async def _next(self) -> list[str]:
        rows = await self._ctx.store.reads.all(
            "SELECT id FROM sb_agent WHERE attestation_state = 'valid' AND id > ? ORDER BY id LIMIT ?",
            self._after,
            LOOKED_AT,
        )
        self._after = rows[-1]["id"] if len(rows) == LOOKED_AT else ""
        return [row["id"] for row in rows]

    async def _some(self, agent_ids: Sequence[str]) -> int:
        async with self._ctx.store.database.snapshot() as reader:
            found = await moved(reader, agent_ids, self._settings.material)
        # One after the other: whoever changes one of them waits for that one alone.
        return sum([await self._one(agent_id) for agent_id in found])

    async def _one(self, agent_id: str) -> bool:
        return await self._ctx.store.transact(SYSTEM, lambda work: self._ended(work, agent_id))

    async def _ended(self, work: Work, agent_id: str) -> bool:
        work.bookkeeping("the statement ended or fits again")
        alive = await find(work.tx, agent_id, lock=work.tx.for_update)
        found = (await moved(work.tx, [agent_id], self._settings.material)).get(agent_id)
        if alive is None or not found:
            return False
        await outdate(work, self._settings, (await facts_of(work.tx, [agent_id]))[agent_id], found)
        return True


async def moved(
    reader: Reader, agent_ids: Sequence[str], material: tuple[str, ...]
) -> dict[str, list[Difference]]:
    """By agent: what is materially different from the facts of its valid statement. Who is not there has nothing."""
    if not agent_ids:
        return {}
    rows = await reader.all(
        "SELECT a.id, s.facts FROM sb_agent a JOIN sb_attestation s ON s.id = a.attestation_id"
        f" WHERE a.attestation_state = ? AND a.id IN ({marks(len(agent_ids))})",
        VALID,
        *agent_ids,
    )
    stated = {row["id"]: row["facts"] for row in rows}
    now = await facts_together(reader, list(stated))
    found = {
        agent_id: [
            difference
            for difference in differences(orjson.loads(stated[agent_id]), facts)
            if difference.part in material and _material(difference)
        ]
        for agent_id, (_, facts) in now.items()
    }
    return {agent_id: parts for agent_id, parts in found.items() if parts}


def _material(difference: Difference) -> bool:
    """True when somebody or something else is meant: a changed name or description of the same is not."""
    return bool(_identity(difference.before) != _identity(difference.after))


def _identity(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(str(_identity(item)) for item in value)
    return value.get("id", value) if isinstance(value, dict) else value


async def outdate(
    work: Work, settings: AttestationSettings, agent: AgentFacts, found: list[Difference]
) -> None:
    """End the valid statement of an agent because of what changed, and ask its owner anew by a campaign of one."""
    agent_id, known = agent.resource.id, agent.attestation
    parts = sorted({difference.part for difference in found})
    await work.tx.run(
        "UPDATE sb_attestation SET ended = ? WHERE id = ? AND ended IS NULL", work.now, known.id
    )
    await set_attestation(work, agent_id, Attestation(LAPSED, known.id, known.by, known.at, work.now))
    detail = {"statement": known.id, "changed": parts, "was_until": iso(known.until or work.now)}
    await record(work, "attestation.outdated", AGENT, agent_id, detail)
    reason = f"{', '.join(parts)} changed since {known.by} confirmed the facts"
    await single(work, agent_id, agent.slug, f"Changed: {agent.slug}"[:80], policy(settings), reason)
    await outward.push_to_idps(work, agent_id, "attestation outdated")
