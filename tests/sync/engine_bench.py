"""Three agents of one owner and a tenant in memory: where most tests of the engine begin."""

from __future__ import annotations

from scim_bridge.kernel.work import Store
from scim_bridge.registry.agents import refresh
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.resources import load
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.memory_idp import MemoryIdp


async def three(store: Store, **settings) -> tuple[Bench, MemoryIdp, list[str]]:
    idp = MemoryIdp()
    bench = await Bench.open(store, idp, **settings)
    maria = await bench.person("maria@corp.test")
    return bench, idp, [await bench.agent(slug, maria) for slug in ("triage", "review", "deploy")]


async def redescribe(bench: Bench, agent_id: str, purpose: str) -> None:
    async def body(work) -> None:
        work.bookkeeping("test")
        doc = (await load(work, agent_id, "agent")).doc
        await refresh(work, agent_id, {**doc, AGENT_URN: {**doc[AGENT_URN], "purpose": purpose}})

    await bench.store.transact(TESTER, body)


def by_login(idp: MemoryIdp, slug: str) -> dict:
    found = [o for o in idp.objects.values() if o["login"] == f"{slug}@agents.test"]
    assert len(found) == 1, f"{slug} is there {len(found)} times"
    return found[0]


def remote(idp: MemoryIdp, slug: str) -> str:
    (found,) = [r for r, o in idp.objects.items() if o["login"] == f"{slug}@agents.test"]
    return found
