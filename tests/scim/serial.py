"""Is there one order in which acknowledged changes of a group's members explain all that was answered?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """One acknowledged change: member, whether it came or went, version in the answer, begin and end by one clock."""

    writer: int
    member: str
    joins: bool
    version: int
    began: float
    ended: float

    def on(self, members: frozenset[str]) -> frozenset[str]:
        """The members after it."""
        return members | {self.member} if self.joins else members - {self.member}


def replayed(first: int, members: Iterable[str], changes: Sequence[Done]) -> tuple[int, frozenset[str]]:
    """The last version and the members then, by doing the changes in the order of their versions.

    A version belongs to exactly one change that made it out of the version before; whoever else was answered
    with it found things as asked already. AssertionError when there is no such order.
    """
    state, version = frozenset(members), first
    told: dict[int, list[Done]] = {}
    for change in changes:
        told.setdefault(change.version, []).append(change)
    assert all(change.on(state) == state for change in told.pop(first, ()))
    while told:
        version += 1
        here = told.pop(version, [])
        made = {change.on(state) for change in here if change.on(state) != state}
        fits = [after for after in made if all(change.on(after) == after for change in here)]
        assert fits, f"version {version} came of none of {here}"
        state = fits[0]
    return version, state


def in_time(changes: Sequence[Done]) -> bool:
    """True when no change that began after another had ended was answered with an older version."""
    return all(
        earlier.version <= later.version
        for earlier in changes
        for later in changes
        if earlier.ended < later.began
    )
