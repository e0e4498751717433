"""Reading for a plan: the IdP page by page, compared with the registry. Nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from scim_bridge.kernel.context import Context
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.brake import Limits, Listing, held, limits_of
from scim_bridge.sync.claims import claimed_by, writers
from scim_bridge.sync.counts import Counts, counted
from scim_bridge.sync.desired import buried
from scim_bridge.sync.difference import Difference, difference, marked_anothers
from scim_bridge.sync.digests import desired_digest, plan_digest
from scim_bridge.sync.drift import Drift, Reading, reading_of, spared
from scim_bridge.sync.facts import desired_pages, pushed_all
from scim_bridge.sync.idp.port import (
    DesiredAgent,
    Idp,
    IdpError,
    ListingLost,
    ObjectChange,
    Observed,
    SetupStep,
    Wanted,
)
from scim_bridge.sync.pushed import Pushed, remembered
from scim_bridge.sync.shelf import Shelf
from scim_bridge.sync.stranger_keeping import decisions
from scim_bridge.sync.strangers import IGNORED, NOBODYS, OPEN, RETIRING, Stranger
from scim_bridge.sync.wanting import Rules, rules_of, wanted_there

T = TypeVar("T")
Tell = Callable[[str, int], None]
"""Told what is being read, and how much of it so far."""

# Reads in flight at once: enough to hide latency, few enough for Okta's concurrency limit (35 and up).
AT_ONCE = 5
PATIENCE = 90
# So often a listing whose next page was forgotten is begun anew.
LISTINGS = 3


def untold(_what: str, _count: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One change with why, and the digest of what the registry said when it was planned."""

    change: ObjectChange
    reasons: dict[str, str]
    notes: tuple[str, ...]
    desired: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan before it is kept. `reason` says why the brake holds it."""

    connection: Connection
    changes: tuple[Planned, ...]
    agents: int
    listing: Listing
    notes: tuple[str, ...]
    setup: tuple[SetupStep, ...]
    reason: str
    # What the listing taught: objects as wanted that nothing says we wrote, deleted agents that are off.
    recognised: tuple[Pushed, ...] = ()
    # What others did there, and the agents that were looked at for it.
    drifts: tuple[Drift, ...] = ()
    compared: frozenset[str] = frozenset()
    strangers: tuple[Stranger, ...] = ()
    # The objects there that are agents' of ours, by id.
    claimed: frozenset[str] = frozenset()
    # When its reading began: it says nothing of what was settled since.
    began: int = 0

    @property
    def counts(self) -> Counts:
        """How many changes of each kind."""
        return counted(planned.change for planned in self.changes)

    @property
    def digest(self) -> str:
        """What this plan would do, as a digest."""
        return plan_digest(self.connection.id, [planned.change for planned in self.changes])


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Ask again after the pause an IdP asks for, when it is short; reading may take its time."""
    waited = 0
    while True:
        try:
            return await call()
        except IdpError as error:
            pause = error.retry_after or 2
            if not error.transient or waited + pause > PATIENCE:
                raise
            waited += pause
            await asyncio.sleep(pause)


async def _shelf(idp: Idp, tell: Tell) -> Shelf:
    for _ in range(LISTINGS - 1):
        try:
            return await _listed(idp, tell)
        except ListingLost:
            continue
    return await _listed(idp, tell)


async def _listed(idp: Idp, tell: Tell) -> Shelf:
    shelf = Shelf()
    async for page in idp.listing():
        for observed in page.objects:
            shelf.put(observed)
        if not page.kindred:
            shelf.unkind |= {observed.remote_id for observed in page.objects if not observed.agent_id}
        shelf.others |= {observed.remote_id: observed for observed in page.others}
        shelf.complete = page.last
        tell("reading the IdP", len(shelf.by_id))
    return shelf


class _Reader:
    """Compares the registry with one tenant, page by page."""

    def __init__(
        self, idp: Idp, shelf: Shelf, pushed: dict[str, Pushed], reading: Reading, rules: Rules
    ) -> None:
        self._idp = idp
        self._rules = rules
        self._shelf = shelf
        self._pushed = pushed
        self._writers = writers(pushed)
        self._reading = reading
        self.drifts: list[Drift] = []
        self.compared: set[str] = set()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.changes: list[Planned] = []
        self.notes: list[str] = []
        self.recognised: list[Pushed] = []
        self.agents = 0

    async def page(self, agents: Sequence[DesiredAgent]) -> None:
        """Compare one page of agents."""
        self.agents += len(agents)
        wanted = await patiently(lambda: wanted_there(self._idp, self._rules, agents, self._pushed))
        found = await asyncio.gather(*(self._compared(agent, wanted[agent.agent_id]) for agent in agents))
        for agent, difference_ in zip(agents, found, strict=True):
            self.notes.extend(difference_.notes)
            if difference_.change is not None:
                self.changes.append(
                    Planned(
                        difference_.change,
                        dict(difference_.reasons),
                        difference_.notes,
                        desired_digest(agent),
                    )
                )

    async def _compared(self, agent: DesiredAgent, wanted: Wanted) -> Difference:
        pushed = self._pushed.get(agent.agent_id)
        listed = self._shelf.find(agent, wanted, pushed)
        if listed is None and agent.deleted and (pushed is None or pushed.retired or not pushed.remote_id):
            return Difference(None)
        if listed is not None and (why := self._anothers(agent, listed)):
            return Difference(None, notes=(why,))
        if listed is not None:
            self._shelf.claimed.add(listed.remote_id)
            seen = difference(agent, wanted, listed, pushed)
            if seen.change is None and not self._reading.drifts(agent, wanted, listed, pushed):
                self._looked_at(agent, listed)
                self._recognise(agent, wanted, listed, pushed)
                return seen
        # Searches lag behind at every IdP: before acting, the one object is read itself.
        remote_id = listed.remote_id if listed is not None else (pushed.remote_id or None) if pushed else None
        try:
            async with self._gate:
                observed = await patiently(lambda: self._idp.observe(agent, remote_id))
        except IdpError as error:
            if error.transient or error.refuses_us:
                raise
            return Difference(None, notes=(f"{agent.slug} could not be read: {error.message}",))
        if observed is None and agent.deleted and pushed is not None:
            self.recognised.append(replace(pushed, retired=True))
        if observed is not None:
            if why := self._anothers(agent, observed):
                return Difference(None, notes=(why,))
            self._shelf.claimed.add(observed.remote_id)
        found = self._reading.drifts(agent, wanted, observed, pushed)
        self._looked_at(agent, observed)
        self.drifts += found
        return difference(agent, spared(wanted, found), observed, pushed)

    def _looked_at(self, agent: DesiredAgent, observed: Observed | None) -> None:
        """Note that its drift is known. Of an object with another agent's mark nothing is: what was open stays so."""
        if observed is None or not marked_anothers(observed, agent.agent_id):
            self.compared.add(agent.agent_id)

    def _anothers(self, agent: DesiredAgent, observed: Observed) -> str:
        writer = self._writers.get(observed.remote_id, "")
        return claimed_by(observed, agent.agent_id, agent.slug, writer)

    async def retire(self, nobodys: Sequence[Stranger], asked: Mapping[str, str]) -> None:
        """Plan to switch off what a person asked to, as it stands now."""
        for each in nobodys:
            seen = each.observed
            if seen.remote_id not in asked:
                continue
            gone = buried(seen.agent_id, seen.name, seen.name)
            wanted = (await patiently(lambda gone=gone: self._idp.wanted([gone])))[gone.agent_id]  # type: ignore[misc]
            change = difference(gone, wanted, seen, None).change
            if change is not None:
                why = dict.fromkeys(change.after, f"nobody's here; retire: {asked[seen.remote_id]}")
                self.changes.append(Planned(change, why, (), NOBODYS))

    def _recognise(
        self, agent: DesiredAgent, wanted: Wanted, listed: Observed, pushed: Pushed | None
    ) -> None:
        if agent.deleted:
            if pushed is not None and not pushed.retired:
                self.recognised.append(replace(pushed, retired=True))
        elif (pushed is None or not pushed.remote_id) and listed.agent_id == agent.agent_id:
            as_is = ObjectChange(
                agent.agent_id, agent.slug, "", listed.remote_id, wanted=dict(wanted.attributes)
            )
            self.recognised.append(Pushed(agent.agent_id, listed.remote_id, remembered(as_is, pushed)))


async def draft_plan(ctx: Context, connection: Connection, idp: Idp, tell: Tell = untold) -> Draft:
    """Read the tenant and the registry and say what would have to change; writes nothing, there or here.

    IdpError when the tenant cannot be read. A single object that cannot be read becomes a note.
    """
    began = ctx.store.clock.now()
    limits: Limits = limits_of(connection.settings)
    reads = ctx.store.reads
    setup = await patiently(idp.missing)
    shelf = await _shelf(idp, tell)
    pushed = await pushed_all(reads, connection.id)
    rules = await rules_of(reads, connection.id)
    reader = _Reader(idp, shelf, pushed, reading_of(connection, idp, rules), rules)
    known = set(pushed)
    async for agents in desired_pages(reads, connection):
        known |= {agent.agent_id for agent in agents}
        await reader.page(agents)
        tell("comparing agents", reader.agents)
    expected = {p.remote_id for p in pushed.values() if p.remote_id and not p.retired}
    present = sum(1 for remote_id in expected if shelf.holds(remote_id))
    nobodys, decided = shelf.nobodys(known), await decisions(reads, connection.id)
    await reader.retire(nobodys, {key: why for key, (state, why) in decided.items() if state == RETIRING})
    waiting = [each for each in nobodys if decided.get(each.observed.remote_id, (OPEN, ""))[0] == OPEN]
    listing = Listing(shelf.complete, len(shelf.by_id), len(expected), present)
    # Stops are shown and written first.
    changes = tuple(sorted(reader.changes, key=lambda planned: not planned.change.stops))
    reason = held(limits, listing, counted(planned.change for planned in changes))
    ignored = {key for key, (state, _) in decided.items() if state == IGNORED}
    notes = dict.fromkeys([*reader.notes, *shelf.strangers(known, ignored)])
    if waiting:
        words = "1 object there is" if len(waiting) == 1 else f"{len(waiting)} objects there are"
        notes[f"{words} nobody's here: see sync strangers {connection.name}."] = None
    return Draft(
        connection,
        changes,
        reader.agents,
        listing,
        tuple(notes),
        setup,
        reason,
        tuple(reader.recognised),
        tuple(reader.drifts),
        frozenset(reader.compared),
        nobodys,
        frozenset(shelf.claimed),
        began,
    )
