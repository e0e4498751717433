"""A tenant in memory that tells who changed what, and three agents written to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import AgentFacts, find_agent
from scim_bridge.sync.drift_keeping import KeptDrift, drifts_of
from scim_bridge.sync.idp.explaining import LastChange, Origin
from scim_bridge.sync.idp.port import IdpError, Observed
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.settling import settle
from scim_bridge.sync.stranger_keeping import KeptStranger, strangers_of
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.memory_idp import MemoryIdp

OTHER_PURPOSE = "what Mallory wrote"


class TellingIdp(MemoryIdp):
    """The tenant in memory with names for its words and an audit log of one line."""

    def __init__(self) -> None:
        super().__init__()
        self.by = "mallory@corp.test"
        self.log_fails: IdpError | None = None
        self.asked: list[tuple[str, int]] = []

    def meaning(self) -> Mapping[str, str]:
        return {"login": "userName", "purpose": "purpose", "owner": "owner"}

    async def last_change(self, remote_id: str, since: int) -> LastChange:
        self.asked.append((remote_id, since))
        if self.log_fails is not None:
            raise self.log_fails
        return LastChange(self.by, since + 1, "profile changed")

    async def origin(self, observed: Observed) -> Origin:
        if self.log_fails is not None:
            raise self.log_fails
        return Origin(self.by, 7, str(observed.attributes.get("owner") or ""))


async def written(store: Store, **settings: Any) -> tuple[Bench, TellingIdp, list[str]]:
    """Three agents of Maria, written; Omar is known, too."""
    idp = TellingIdp()
    bench = await Bench.open(store, idp, **settings)
    maria = await bench.person("maria@corp.test")
    await bench.person("omar@corp.test")
    agents = [await bench.agent(slug, maria) for slug in ("triage", "review", "deploy")]
    assert (await bench.apply()).state == "OK"
    return bench, idp, agents


async def drifts(bench: Bench, *, every: bool = False) -> list[KeptDrift]:
    """What is kept of drift."""
    return await drifts_of(bench.store.reads, bench.connection.id, every=every)


async def strangers(bench: Bench, *, every: bool = False) -> list[KeptStranger]:
    """What is kept of strangers."""
    return await strangers_of(bench.store.reads, bench.connection.id, every=every)


async def settled(bench: Bench, agent: str, attribute: str, choice: str) -> KeptDrift:
    """Settle a drift, as the command does."""
    bench.store.clock.advance(seconds=1)  # type: ignore[attr-defined]
    return await bench.store.transact(
        TESTER, lambda work: settle(work, bench.connection, agent, attribute, choice, "we talked")
    )


async def facts(bench: Bench, slug: str) -> AgentFacts:
    """The agent as the registry has it."""
    found = await find_agent(bench.store.reads, slug)
    assert found is not None
    return found


async def audited(bench: Bench, action: str) -> list[Any]:
    """The audit rows of an action: (subject, detail as text)."""
    rows = await bench.store.reads.all(
        "SELECT subject_id, detail, actor_name FROM sb_audit WHERE action = ? ORDER BY at, id", action
    )
    return [(row["subject_id"], row["detail"]) for row in rows]


async def planned(bench) -> dict[str, dict]:
    """What a new plan would write, by slug."""
    plan = await bench.plan()
    return {
        kept.change.slug: dict(kept.change.after) for kept in await changes_of(bench.store.reads, plan.id)
    }
