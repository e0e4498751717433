"""Promises about signals: each event once, kept with its audit row, reacted to in one transaction."""

from __future__ import annotations

import dataclasses

import pytest

from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.people import create_person
from scim_bridge.registry.signal import LEFT, RETURNED, Signal
from scim_bridge.signals.service import accept, keep_unmatched
from tests.conftest import TESTER


async def person(store: Store, user_name: str = "maria@corp.test") -> str:
    made = await store.transact(
        TESTER, lambda work: create_person(work, {"userName": user_name}, origin="test")
    )
    return made.id


def left(person_id: str, key: str = "event-1", source: str = "hr:acme") -> Signal:
    return Signal(source, key, LEFT, person_id, 1_000_000, 2_000_000, "left the company")


def test_the_same_event_twice_is_reacted_to_once_and_events_of_other_doors_are_not_mistaken_for_it(
    on_store,
) -> None:
    async def body(store: Store) -> None:
        seen: list[Signal] = []

        async def react(work: Work, signal: Signal) -> None:
            seen.append(signal)

        maria = await person(store)
        answers = [
            await store.transact(TESTER, lambda work, signal=signal: accept(work, signal, react))
            for signal in (left(maria), left(maria), left(maria, source="scim:okta"), left(maria, "event-2"))
        ]
        assert answers == [True, False, True, True]
        assert len(seen) == 3
        rows = await store.reads.all("SELECT * FROM sb_signal ORDER BY id")
        assert [(row["source"], row["key"]) for row in rows] == [
            ("hr:acme", "event-1"),
            ("scim:okta", "event-1"),
            ("hr:acme", "event-2"),
        ]
        audited = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'signal.accepted'")
        assert audited["n"] == 3

    on_store(body)


def test_a_reaction_that_fails_leaves_no_trace_so_the_door_can_send_again(on_store) -> None:
    async def body(store: Store) -> None:
        maria = await person(store)

        async def fail(work: Work, signal: Signal) -> None:
            raise RuntimeError("out of luck")

        with pytest.raises(RuntimeError):
            await store.transact(TESTER, lambda work: accept(work, left(maria), fail))
        assert await store.reads.one("SELECT 1 AS x FROM sb_signal") is None

        async def fine(work: Work, signal: Signal) -> None:
            return None

        assert await store.transact(TESTER, lambda work: accept(work, left(maria), fine))

    on_store(body)


def test_news_that_the_same_door_took_back_later_is_kept_and_nothing_follows(on_store) -> None:
    async def body(store: Store) -> None:
        seen: list[str] = []

        async def react(work: Work, signal: Signal) -> None:
            seen.append(signal.key)

        maria, ben = await person(store), await person(store, "ben@corp.test")
        back = dataclasses.replace(left(maria), kind=RETURNED, key="back", at=5_000_000)
        told = (
            back,
            dataclasses.replace(left(maria), key="late", at=4_000_000),
            dataclasses.replace(left(maria), key="involuntary", at=4_000_000, immediate=True),
            dataclasses.replace(left(maria), key="another door", at=4_000_000, source="scim:okta"),
            dataclasses.replace(left(ben), key="another person", at=4_000_000),
            dataclasses.replace(left(maria), key="newer", at=6_000_000),
            dataclasses.replace(back, key="back, late", at=5_500_000),
        )
        for signal in told:
            assert await store.transact(TESTER, lambda work, signal=signal: accept(work, signal, react))
        assert seen == ["back", "involuntary", "another door", "another person", "newer"]
        kept = await store.reads.one("SELECT COUNT(*) AS n FROM sb_signal")
        audited = await store.reads.one(
            "SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'signal.overtaken'"
        )
        assert (kept["n"], audited["n"]) == (7, 2)

    on_store(body)


def test_news_about_nobody_is_kept_once_and_acted_on_once_somebody_matches(on_store) -> None:
    async def body(store: Store) -> None:
        seen: list[Signal] = []

        async def react(work: Work, signal: Signal) -> None:
            seen.append(signal)

        nobody = left("")
        for fresh in (True, False):
            kept = await store.transact(
                TESTER, lambda work: keep_unmatched(work, nobody, "maria@corp.test", "nobody is known")
            )
            assert kept is fresh
        assert not seen
        maria = await person(store)
        signal = dataclasses.replace(nobody, person_id=maria)
        assert await store.transact(TESTER, lambda work: accept(work, signal, react))
        assert not await store.transact(TESTER, lambda work: accept(work, signal, react))
        assert not await store.transact(
            TESTER, lambda work: keep_unmatched(work, nobody, "maria@corp.test", "nobody is known")
        )
        assert seen == [signal]
        row = await store.reads.one("SELECT COUNT(*) AS n, MAX(person_id) AS person FROM sb_signal")
        assert (row["n"], row["person"]) == (1, maria)

    on_store(body)
