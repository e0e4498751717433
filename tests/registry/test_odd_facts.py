"""Promises of the search for facts of an odd form: what the doors refuse is found, and nothing else."""

from __future__ import annotations

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.fact_forms import workload_fault
from scim_bridge.registry.odd_facts import COUNTED, OddFacts, odd_facts
from tests.conftest import TESTER, run_with_store

WORKLOADS = [
    "spiffe://corp.example/agents/a",
    "wimse://corp.example/a",
    "spiffe://a_b-c.d/A.B/C-d_9",
    "spiffe://corp.example",
    "spiffe://corp.example/",
    "spiffe:///a",
    "spiffe://corp.example/a/",
    "spiffe://corp.example//a",
    "spiffe://corp.example/./a",
    "spiffe://corp.example/a/..",
    "spiffe://corp.example/.../a",
    "spiffe://Corp.example/a",
    "spiffe://corp.example:80/a",
    "spiffe://u@corp.example/a",
    "spiffe://corp.example/a?b",
    "spiffe://corp.example/a%20b",
    "spiffe://corp.example/ä",
    "spiffe://cörp.example/a",
    "spiffe://corp.example/a b",
    "spiffe://corp.example/a\n",
    "spiffe://corp.example/*",
    "spiffe://corp.example/[a]",
    "SPIFFE://corp.example/a",
    "https://corp.example/a",
    "x-spiffe://corp.example/a",
    "spiffe",
    " ",
    f"spiffe://{'d' * 255}/a",
    f"spiffe://{'d' * 256}/a",
    f"spiffe://corp.example/{'a' * (2048 - 22)}",
    f"spiffe://corp.example/{'a' * (2049 - 22)}",
    "wimse://corp.example/a/spiffe://b/c",
    "wimse://d/a",
    "wimse://D/a",
    "wimse://d/A",
    "spiffe://d/A/b",
    "spiffe://./a",
    "spiffe://corp.example/a/.",
    "wimse:///a",
    "spiffe://corp.example/a//",
    f"wimse://{'d' * 255}/a",
    f"wimse://{'d' * 256}/a",
]
INSERT = (
    "INSERT INTO sb_agent (id, slug, platform, environment, risk_tier, workload_id, origin, attestation_state)"
    " VALUES (?, ?, 'unknown', ?, ?, ?, 'manifest', 'none')"
)
RESOURCE = (
    "INSERT INTO sb_resource (id, space, kind, key, name, active, version, created, modified, doc, rendered, deleted)"
    " VALUES (?, 'user', 'agent', ?, ?, 1, 1, 1, 1, ?, ?, ?)"
)


async def kept(store: Store, *agents: tuple[str, str, str, str | None], deleted: int | None = None) -> None:
    """Agents (slug, environment, riskTier, workloadId) as a database from before may hold them."""

    async def body(work: Work) -> None:
        work.bookkeeping("what was kept before")
        await work.tx.many(INSERT, [(slug, slug, *facts) for slug, *facts in agents])
        await work.tx.many(RESOURCE, [(slug, slug, slug, b"{}", b"{}", deleted) for slug, *_ in agents])

    await store.transact(TESTER, body)


def test_a_workload_id_is_found_exactly_when_the_doors_refuse_it(
    database_url: str, clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        every = {f"agent-{number:02d}": text for number, text in enumerate(WORKLOADS)}
        await kept(store, *((slug, "dev", "low", text) for slug, text in every.items()))
        wanted = [slug for slug, text in every.items() if workload_fault(text)]
        assert await odd_facts(store.reads) == [OddFacts(slug, ("workloadId",)) for slug in wanted]
        assert 5 < len(wanted) < len(every) - 5

    run_with_store(database_url, clock, body)


def test_each_odd_fact_is_named_and_what_is_sound_unsaid_or_deleted_is_not(
    database_url: str, clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        await kept(
            store,
            ("sound", "production", "high", "spiffe://corp.example/a"),
            ("unsaid", "unknown", "unknown", None),
            ("upper", "Production", "high", None),
            ("all", "prod", "['high']", "bot"),
            ("blank", "dev ", "low", None),
        )
        await kept(store, ("gone", "prod", "none", "bot"), deleted=1)
        assert await odd_facts(store.reads) == [
            OddFacts("all", ("environment", "riskTier", "workloadId")),
            OddFacts("blank", ("environment",)),
            OddFacts("upper", ("environment",)),
        ]

    run_with_store(database_url, clock, body)


def test_of_very_many_only_so_many_are_read(database_url: str, clock: ManualClock) -> None:
    async def body(store: Store) -> None:
        await kept(store, *((f"agent-{number:05d}", "prod", "low", None) for number in range(COUNTED + 50)))
        assert len(await odd_facts(store.reads)) == COUNTED + 1

    run_with_store(database_url, clock, body)
