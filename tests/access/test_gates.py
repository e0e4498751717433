"""Gates and taps: what a yes of the policies passes as well, and who is told of decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from scim_bridge.access.decide import decide
from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Decision, Facts, Question, Reason
from scim_bridge.access.policies import load_policies
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from tests.access.gateway import Gateway, OnStore, with_gateway
from tests.conftest import TESTER

USED_UP = Reason("budget:tiny", "The budget is used up.")


def test_a_gate_hears_of_yeses_only_and_its_no_says_when_to_ask_again(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        heard: list[str] = []

        async def count(question: Question, facts: Facts, decision: Decision, now: int) -> Decision:
            heard.append(f"{facts.slug} {question.action}")
            return (
                decision
                if len(heard) == 1
                else replace(decision, allowed=False, reasons=(USED_UP,), retry_after=7)
            )

        async def never(question: Question, facts: Facts, decision: Decision, now: int) -> Decision:
            assert len(heard) == 1, "asked after a no"
            return decision

        store, policies = gateway.store, load_policies()

        async def ask(action: str) -> Decision:
            question = Question("agent", "code-review", action, "repository", "storefront")
            return await decide(store.reads, policies, question, store.clock.now(), (count, never))

        assert (await ask("write")).allowed is False
        assert heard == []
        assert (await ask("read")).allowed is True
        no = await ask("read")
        assert heard == ["code-review read"] * 2
        told = no.answer("d1", 0)
        assert told["decision"] is False
        assert told["context"]["retry_after"] == 7
        assert told["context"]["reasons"] == [{"id": "budget:tiny", "text": "The budget is used up."}]

    with_gateway(on_store, body)


def test_the_tap_hears_of_every_kept_decision_and_its_failure_harms_no_answer(sqlite_url: str) -> None:
    heard: list[list[str]] = []

    async def tap(entries: Sequence[Entry]) -> None:
        heard.append([entry.id for entry in entries])
        raise RuntimeError("the listener is broken")

    def entry(number: int, allowed: bool) -> Entry:
        decision = Decision(allowed, (Reason("r", "t"),))
        return Entry(f"d{number}", 0, Question("agent", "a", "read", "t", "r"), decision, TESTER)

    async def main() -> None:
        clock = ManualClock()
        database = await open_database(sqlite_url)
        log = DecisionLog(Store(database, clock, UuidV7(clock)), tap)
        await log.keep(entry(0, False))
        assert heard == [["d0"]]
        await log.keep(entry(1, True))
        await log.keep(entry(2, True))
        await log.drained()
        assert heard == [["d0"], ["d1", "d2"]]
        rows = await database.reads.all("SELECT id FROM sb_decision ORDER BY id")
        assert [row["id"] for row in rows] == ["d0", "d1", "d2"]
        await database.close()

    asyncio.run(main())
