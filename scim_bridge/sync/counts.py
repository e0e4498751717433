"""How many changes of each kind a plan has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scim_bridge.sync.idp.port import CREATE, RETIRE, SHARED, UPDATE, ObjectChange


@dataclass(frozen=True, slots=True)
class Counts:
    """How many changes of each kind.

    `losses` take a group or an application away; `stops` switch an agent off, the retired ones too.
    """

    creates: int = 0
    updates: int = 0
    retires: int = 0
    losses: int = 0
    stops: int = 0

    @property
    def all(self) -> int:
        """Every change."""
        return self.creates + self.updates + self.retires


def counted(changes: Iterable[ObjectChange]) -> Counts:
    """How many changes of each kind."""
    listed = list(changes)
    actions = [change.action for change in listed]
    stops = sum(change.stops for change in listed)
    losses = sum(1 for change in listed if _loses(change))
    return Counts(actions.count(CREATE), actions.count(UPDATE), actions.count(RETIRE), losses, stops)


def _loses(change: ObjectChange) -> bool:
    return any(
        set(change.before.get(name) or ()) - set(change.after[name] or ())
        for name in SHARED & change.after.keys()
    )
