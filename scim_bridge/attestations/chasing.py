"""Chasing a campaign's answers: asking, reminding, escalating, and what follows when nobody answers.

Safe on every replica and at any time: each agent of a campaign is locked and looked at again before a
step is done, and a step is done once. A worker that was away does the latest step that is due, not all.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from scim_bridge.attestations.campaign_model import EVENT, Campaign, ItemState, Step, upcoming
from scim_bridge.attestations.campaigns import CAMPAIGN, campaigns_by_id, close_finished, plan_of
from scim_bridge.attestations.messages import Mail, called, send
from scim_bridge.attestations.model import first_answerable, role_of
from scim_bridge.attestations.opening import invitation, role_in
from scim_bridge.attestations.service import Asked, how_to_release, link_to, make_request
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, HOUR, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT, PersonRef
from scim_bridge.registry.people import manager_of
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.resources import find

BATCH = 400
# Agents in one message and one transaction: more than anybody reads in a mail, few enough to lock.
TOGETHER = 100
# What happened to single agents (each is a campaign of one) is told together, whatever it was.
EVENTS = ""
SOURCE = "attestation"
# So late nobody is who runs: the server was away.
AWAY = HOUR


async def chase(ctx: Context) -> int:
    """Do every step of every open campaign that is due, and close what is finished; how many agents moved on."""
    moved = 0
    while True:
        rows = await ctx.store.reads.all(
            f"SELECT CASE WHEN c.kind = '{EVENT}' THEN '{EVENTS}' ELSE c.id END AS told_with, i.campaign_id,"
            " i.person_id, i.agent_id FROM sb_campaign_item i"
            " JOIN sb_campaign c ON c.id = i.campaign_id WHERE i.state = 'waiting' AND i.next_at <= ?"
            " AND c.state = 'open' ORDER BY told_with, i.person_id, i.agent_id LIMIT ?",
            ctx.store.clock.now(),
            BATCH,
        )
        for _, group in groupby(rows, key=lambda row: (row["told_with"], row["person_id"])):
            items = [(row["agent_id"], row["campaign_id"]) for row in group]
            for start in range(0, len(items), TOGETHER):
                moved += await _together(ctx, dict(items[start : start + TOGETHER]))
        if len(rows) < BATCH:
            await close_finished(ctx, SYSTEM)
            return moved


async def _together(ctx: Context, items: Mapping[str, str]) -> int:
    async def body(work: Work) -> int:
        work.bookkeeping("another process chased these, or they were answered")
        return await _Chase(work, ctx, await campaigns_by_id(work.tx, set(items.values()))).agents(items)

    return await ctx.store.transact(SYSTEM, body)


class _Chase:
    """One portion of agents, in one transaction: of one campaign, or of several that are about one agent each."""

    def __init__(self, work: Work, ctx: Context, campaigns: Mapping[str, Campaign]) -> None:
        self._work = work
        self._ctx = ctx
        self._campaigns = campaigns
        self._mails: dict[tuple[str, Step], Mail] = {}
        self._unanswerable: list[str] = []

    def _turn_to(self, found: Campaign) -> None:
        """Take an agent of this campaign in hand."""
        self._campaign = found
        self._plan = plan_of(found)
        # When the agent in hand is looked at again.
        self._again = 0

    async def agents(self, items: Mapping[str, str]) -> int:
        """Do what is due for each of these agents (id: campaign's id); how many moved on."""
        work, moved = self._work, 0
        alive = []
        open_ones = {agent_id: self._campaigns[found] for agent_id, found in items.items()}
        for agent_id in sorted(a for a, found in open_ones.items() if found.state == "open"):
            self._turn_to(open_ones[agent_id])
            # Everybody locks the agent first, as those do who answer.
            found = await find(work.tx, agent_id, lock=work.tx.for_update)
            if found is not None and found.kind == AGENT:
                alive.append(agent_id)
            else:
                moved += await self._settle(agent_id, ItemState.GONE, "the agent was deleted")
        facts = await facts_of(work.tx, alive)
        for agent_id in alive:
            self._turn_to(open_ones[agent_id])
            moved += await self._agent(facts[agent_id])
        for mail in self._mails.values():
            await send(work, self._ctx, mail)
        await self._tell_of_unanswerable()
        return moved

    async def _agent(self, agent: AgentFacts) -> int:
        work = self._work
        item = await work.tx.one(
            "SELECT person_id, step, next_at FROM sb_campaign_item WHERE campaign_id = ? AND agent_id = ?"
            f" AND state = 'waiting'{work.tx.for_update}",
            self._campaign.id,
            agent.resource.id,
        )
        if item is None or item["next_at"] > work.now:
            return 0
        due = upcoming(self._plan, item["step"], work.now)
        if due is None:
            return 0
        index, step = due
        person = await self._person(agent, item["person_id"])
        done, self._again = index + 1, 0
        if step is Step.LAPSE:
            told = self._instead_of_lapsing(item, person, index)
            if told is None:
                return await self._lapse(agent)
            # It lapses after all when that day is over.
            done, step, self._again = index, told, work.now + DAY
        else:
            # Whoever is asked late, because no worker ran, has a day to answer all the same.
            self._again = max(self._plan[done][0], work.now + DAY if step is Step.ASK else 0)
        note = await self._do(agent, person, item["person_id"], step)
        await work.tx.run(
            "UPDATE sb_campaign_item SET person_id = ?, step = ?, next_at = ?, note = ?"
            " WHERE campaign_id = ? AND agent_id = ?",
            "" if person is None else person.id,
            done,
            self._again,
            note,
            self._campaign.id,
            agent.resource.id,
        )
        detail = {"campaign": self._campaign.id, "step": step.value, "note": note}
        await record(work, "campaign.chased", AGENT, agent.resource.id, detail)
        return 1

    def _instead_of_lapsing(self, item: Any, person: PersonRef | None, lapse: int) -> Step | None:
        """What comes first when an agent is about to lapse: nobody is held to a question they never saw.

        Somebody else answers for it than at the last step, or no server ran when it ended: nobody could answer.
        """
        if person is None:
            return None
        if person.id != item["person_id"]:
            return Step.ASK
        ended = self._plan[lapse][0]
        # Once: whose next step is later than the end was given its day.
        away = item["next_at"] <= ended and self._work.now - ended >= AWAY
        return Step.OVERDUE if away else None

    async def _person(self, agent: AgentFacts, waited_for: str) -> PersonRef | None:
        """Whose answer is waited for now: who was asked while they may answer, else who answers today."""
        known = (await people(self._work.tx, [waited_for])).get(waited_for) if waited_for else None
        if known is not None and known.active and await self._may_answer(agent, waited_for):
            return known
        return first_answerable(agent.owners)

    async def _may_answer(self, agent: AgentFacts, person_id: str) -> bool:
        row = await self._open_request(agent.resource.id, person_id)
        request = None if row is None else await invitation(self._work.tx, row["id"])
        if request is None:
            return role_of(agent.owners, person_id) is not None
        return role_in(agent.owners, request) is not None

    async def _do(self, agent: AgentFacts, person: PersonRef | None, waited_for: str, step: Step) -> str:
        if person is None:
            self._unanswerable.append(agent.slug)
            return "nobody active answers for it"
        if person.id != waited_for and step is not Step.ASK:
            await self._ask(agent, person, Step.ASK)
            return f"{person.user_name} was asked, who answers for it now"
        if step is Step.SPONSOR:
            return await self._to_sponsor(agent, person)
        if step is Step.MANAGER:
            return await self._to_manager(agent, person)
        await self._ask(agent, person, step)
        return {
            Step.ASK: f"{person.user_name} was asked",
            Step.REMIND: f"{person.user_name} was reminded",
            Step.OVERDUE: f"{person.user_name} was told that it is overdue",
        }[step]

    async def _to_sponsor(self, agent: AgentFacts, person: PersonRef) -> str:
        owners = agent.owners
        others = (*owners.sponsors, *owners.co_owners, *((owners.owner,) if owners.owner else ()))
        other = next((one for one in others if one.active and one.id != person.id), None)
        if other is None:
            await self._ask(agent, person, Step.REMIND)
            return f"{person.user_name} was reminded; nobody else answers for it"
        await self._ask(agent, other, Step.SPONSOR)
        return f"{other.user_name} was asked as well, {person.user_name} has not answered"

    async def _to_manager(self, agent: AgentFacts, person: PersonRef) -> str:
        manager_id = await manager_of(self._work.tx, person.id)
        manager = None if manager_id is None else (await people(self._work.tx, [manager_id])).get(manager_id)
        await self._ask(agent, person, Step.REMIND)
        if manager is None or not manager.active:
            return f"{person.user_name} was reminded; no active manager is known"
        self._mail(manager, Step.MANAGER).add(agent, self._campaign, self._ends)
        return f"{manager.user_name} was told, the manager of {person.user_name}"

    async def _ask(self, agent: AgentFacts, person: PersonRef, step: Step) -> None:
        link = await self._link(agent, person)
        self._mail(person, step).add(agent, self._campaign, self._ends, link)

    def _mail(self, person: PersonRef, step: Step) -> Mail:
        return self._mails.setdefault((person.id, step), Mail(person, step))

    @property
    def _ends(self) -> int:
        """Until when the agent in hand may be answered: a day longer than the campaign for who is asked late."""
        return max(self._campaign.ends, self._again)

    async def _link(self, agent: AgentFacts, person: PersonRef) -> str:
        """The link of the open request of this person, told again; else of a new one."""
        known = await self._open_request(agent.resource.id, person.id)
        if known is not None and known["expires"] >= self._ends:
            return link_to(self._ctx, known["id"], agent.resource.id, person.id, known["expires"])
        made: Asked = await make_request(
            self._work,
            self._ctx,
            agent,
            person,
            self._ends,
            passed_by=None if known is None else known["passed_by"],
            transfer=known is not None and bool(known["transfer"]),
        )
        return made.link

    async def _open_request(self, agent_id: str, person_id: str) -> Any:
        return await self._work.tx.one(
            "SELECT id, expires, passed_by, transfer FROM sb_attestation_request"
            " WHERE agent_id = ? AND person_id = ? AND closed IS NULL AND expires > ?",
            agent_id,
            person_id,
            self._work.now,
        )

    async def _tell_of_unanswerable(self) -> None:
        if self._unanswerable:
            known = list(self._campaigns.values())
            data = {"campaign": called(known), "agents": self._unanswerable}
            await outward.notify(self._work, "campaign-unanswerable", None, data, subject_id=known[0].id)

    async def _lapse(self, agent: AgentFacts) -> int:
        """Nobody answered in time: by the campaign's policy the agent may not act until somebody does."""
        work, agent_id = self._work, agent.resource.id
        day = iso(self._campaign.ends)[:10]
        reason = f"Nobody confirmed the facts in the campaign {self._campaign.name}, which ended on {day}."
        moved = await self._settle(agent_id, ItemState.LAPSED, "nobody answered in time")
        held = self._campaign.policy.hold and await place_hold(
            work, agent_id, SOURCE, "attestation-missing", reason, how_to_release(agent.slug)
        )
        detail = {"campaign": self._campaign.id, "held": bool(held)}
        await record(work, "attestation.unanswered", AGENT, agent_id, detail)
        if held:
            await outward.push_to_idps(work, agent_id, "attestation unanswered")
        return moved

    async def _settle(self, agent_id: str, state: ItemState, note: str) -> int:
        moved = await self._work.tx.run(
            "UPDATE sb_campaign_item SET state = ?, note = ?, settled = ?"
            " WHERE campaign_id = ? AND agent_id = ? AND state = 'waiting'",
            state.value,
            note,
            self._work.now,
            self._campaign.id,
            agent_id,
        )
        if moved and state is ItemState.GONE:
            await record(self._work, "campaign.agent_gone", CAMPAIGN, self._campaign.id, {"agent": agent_id})
        return moved
