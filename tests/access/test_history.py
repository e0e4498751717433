"""Decisions afterwards: listed, shown, explained, picked by chance, forgotten in time."""

from __future__ import annotations

import pytest

from scim_bridge.access.history import Wanted, decision, decisions, why
from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Decision, Question, Reason
from scim_bridge.access.retention import forget
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.errors import ConfigurationError, NotFound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.holds import place_hold
from scim_bridge.settings.access import AccessSettings, check_access
from tests.access.gateway import Gateway, OnStore, with_gateway
from tests.conftest import TESTER


def entry(store: Store, number: int, allowed: bool) -> Entry:
    question = Question("agent", "a", "read", "ticket", str(number))
    return Entry(store.ids.new(), store.clock.now(), question, Decision(allowed, (Reason("r", "t"),)), TESTER)


def test_decisions_are_listed_newest_first_by_page_and_shown_whole(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        reads = gateway.store.reads
        for verb in ("read", "write", "read", "deploy"):
            await gateway.ask("code-review", verb, context={"ticket": "CHG-1"})
        await gateway.ask("nobody")
        await gateway.log.drained()
        found = await decisions(reads, Wanted())
        assert [kept.action for kept in found] == ["read", "deploy", "read", "write", "read"]
        assert [kept.slug for kept in found] == [None, *["code-review"] * 4]
        first = await decisions(reads, Wanted(limit=2))
        rest = await decisions(reads, Wanted(limit=9, before=first[-1].id))
        assert [kept.id for kept in first + rest] == [kept.id for kept in found]
        agent = await find_agent(reads, "code-review")
        assert agent is not None
        mine = await decisions(reads, Wanted(agent.resource.id, denied=True))
        assert [kept.action for kept in mine] == ["deploy", "write"]
        assert await decisions(reads, Wanted(since=gateway.store.clock.now() + 1)) == []
        whole = await decision(reads, mine[0].id)
        assert (whole.asked, whole.subject_type, whole.allowed) == ({"ticket": "CHG-1"}, "agent", False)
        assert whole.reasons[0].id == "no-grant"
        with pytest.raises(NotFound):
            await decision(reads, "no such id")

    with_gateway(on_store, body)


def test_why_tells_what_stops_an_agent_now_and_what_its_denials_said(on_store: OnStore) -> None:
    async def body(gateway: Gateway) -> None:
        store = gateway.store
        for verb in ("write", "deploy", "write"):
            await gateway.ask("code-review", verb)
        agent = await find_agent(store.reads, "code-review")
        assert agent is not None
        await store.transact(
            TESTER, lambda work: place_hold(work, agent.resource.id, "admin", "admin", "Odd.", "an admin")
        )
        held = await gateway.ask("code-review", "read")
        found = await why(store.reads, "code-review", store.clock.now())
        assert [one.id for one in found.stopped] == ["hold:admin"]
        counted = [(reason.id, count) for reason, count, _ in found.counted]
        assert counted == [("no-grant", 3), ("hold:admin", 1)]
        latest = found.counted[1][2]
        assert latest.id == held["context"]["id"]
        with pytest.raises(NotFound):
            await why(store.reads, "nobody", store.clock.now())

    with_gateway(on_store, body)


def test_a_share_of_the_yeses_is_kept_and_every_no(on_store: OnStore) -> None:
    """The same ones however often it is tried; the tap hears of all."""

    async def main(store: Store) -> None:
        for share, least, most in ((0.0, 0, 0), (0.25, 60, 140), (1.0, 400, 400)):
            heard: list[Entry] = []
            log = DecisionLog(store, heard.extend, allow_share=share)
            entries = [entry(store, n, n % 2 == 0) for n in range(800)]
            await log.keep(*entries)
            await log.drained()
            ids = {row["id"] for row in await store.reads.all("SELECT id FROM sb_decision")}
            yeses = [one for one in entries if one.decision.allowed and one.id in ids]
            assert least <= len(yeses) <= most, share
            assert all(one.id in ids for one in entries if not one.decision.allowed)
            assert len(heard) == 800

    on_store(main)


def test_decisions_are_forgotten_when_their_days_are_over(on_store: OnStore, clock: ManualClock) -> None:
    async def main(store: Store) -> None:
        log = DecisionLog(store)
        days = AccessSettings(keep_allow_days=10, keep_deny_days=30)

        async def kept() -> list[str]:
            rows = await store.reads.all("SELECT allowed, resource_id FROM sb_decision ORDER BY resource_id")
            return [f"{row['resource_id']}{'+' if row['allowed'] else '-'}" for row in rows]

        for number in range(4):
            await log.keep(entry(store, number, number % 2 == 0))
            await log.drained()
            clock.advance(days=9)
        assert await forget(store, AccessSettings(keep_allow_days=0, keep_deny_days=0)) == 0
        assert await forget(store, days) == 2
        assert await kept() == ["1-", "3-"]
        assert await forget(store, days) == 0
        clock.advance(days=10)
        assert await forget(store, days) == 1
        assert await kept() == ["3-"]

    on_store(main)


@pytest.mark.parametrize(
    "wrong",
    [
        AccessSettings(allow_log="some"),
        AccessSettings(allow_log=1.5),
        AccessSettings(allow_log=-0.1),
        AccessSettings(max_evaluations=0),
        AccessSettings(keep_deny_days=-1),
        AccessSettings(person_types=("user", "Agent")),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: AccessSettings) -> None:
    with pytest.raises(ConfigurationError):
        check_access(wrong)


def test_the_share_of_yeses_is_a_word_or_a_number() -> None:
    shares = [AccessSettings(allow_log=told).allow_share for told in ("full", "off", "0.1", 0.1, 1)]
    assert shares == [1.0, 0.0, 0.1, 0.1, 1.0]
