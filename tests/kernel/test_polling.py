"""Whoever has nothing to do asks seldom; whoever has asks often."""

from __future__ import annotations

import asyncio

from scim_bridge.kernel.polling import BUSY, CALM, QUIET, Polling


class _Queue:
    def __init__(self) -> None:
        self.said: list[float] = []

    async def set_polling_interval_sec_async(self, value: float) -> None:
        self.said.append(value)


def _told(*moments: tuple[float, int], still_open: bool = False) -> list[float]:
    queue, now = _Queue(), [0.0]

    async def any_open() -> bool:
        return still_open

    async def main() -> None:
        polling = Polling([queue], any_open, lambda: now[0])
        for at, handed in moments:
            now[0] = at
            await polling.handed_over(handed)

    asyncio.run(main())
    return queue.said


def test_it_asks_seldom_once_it_has_been_calm() -> None:
    assert _told((1, 0), (CALM - 1, 0), (CALM + 1, 0), (CALM + 2, 0), (3 * CALM, 0)) == [QUIET]


def test_it_asks_often_again_with_the_first_effect() -> None:
    assert _told((CALM + 1, 0), (CALM + 2, 1), (CALM + 3, 4)) == [QUIET, BUSY]


def test_it_keeps_asking_often_while_effects_are_with_the_engine() -> None:
    assert _told((CALM + 1, 0), (3 * CALM, 0), still_open=True) == []


def test_a_busy_replica_says_so_again_for_another_may_have_thought_it_quiet() -> None:
    assert _told((1, 1), (CALM + 2, 1), (CALM + 3, 1)) == [BUSY]
