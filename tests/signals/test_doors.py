"""Promises about doors: what was heard, missed and where to go on is known, and a note of one thing keeps the rest."""

from __future__ import annotations

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.work import Store, Work
from scim_bridge.signals.doors import Door, door, doors, note_gap, note_heard, note_trouble
from tests.conftest import TESTER

NAME = "okta-log:acme"


async def noted(store: Store, *steps) -> Door:
    async def body(work: Work) -> None:
        work.bookkeeping("a door's state")
        for step in steps:
            await step(work)

    await store.transact(TESTER, body)
    found = await door(store.reads, NAME)
    assert found is not None
    return found


def heard(**more):
    return lambda work: note_heard(work, NAME, "okta-log", **more)


def test_a_cursor_moves_only_when_it_is_said_and_the_newest_event_stays_known(on_store, clock) -> None:
    async def body(store: Store) -> None:
        first = await noted(store, heard(event=clock.now() - 3 * SECOND, events=2, cursor="a"))
        assert (first.cursor, first.events, first.lag) == ("a", 2, 3 * SECOND)
        clock.advance(seconds=10)
        quiet = await noted(store, heard())
        assert (quiet.cursor, quiet.events, quiet.event) == ("a", 2, first.event)
        assert (quiet.heard, quiet.lag) == (clock.now(), 3 * SECOND), "asking in vain is no delay"
        assert (await noted(store, heard(cursor=""))).cursor == ""

    on_store(body)


def test_trouble_keeps_its_first_time_and_ends_with_the_next_answer(on_store, clock) -> None:
    async def body(store: Store) -> None:
        since = clock.now()
        await noted(store, lambda work: note_trouble(work, NAME, "okta-log", "401"))
        clock.advance(seconds=60)
        again = await noted(store, lambda work: note_trouble(work, NAME, "okta-log", "503"))
        assert (again.trouble, again.troubled) == ("503", since)
        assert (await noted(store, heard())).trouble == ""
        assert [found.name for found in await doors(store.reads)] == [NAME]

    on_store(body)


def test_the_newest_ten_gaps_are_kept(on_store) -> None:
    async def body(store: Store) -> None:
        await noted(store, heard())
        for number in range(12):
            found = await noted(store, lambda work, n=number: note_gap(work, NAME, f"gap {n}"))
        assert [gap.why for gap in found.gaps] == [f"gap {n}" for n in range(2, 12)]

    on_store(body)
