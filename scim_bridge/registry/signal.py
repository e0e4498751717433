"""A signal: something happened to a person, in one shape whichever door it came through.

The doors (SCIM, HR webhooks, IdP events, the command line) make one, the signals room keeps each
only once, and the departures room decides what follows, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scim_bridge.kernel.work import Work

LEFT = "person.left"
RETURNED = "person.returned"
DELETED = "person.deleted"
# Somebody who is not active was made the owner of an agent: whether they left is for the departures to know.
NAMED = "person.named_owner"
# Still employed, elsewhere: another manager, department or post.
MOVED = "person.moved"
# On leave of absence from `effective_at` on: employed, and not there to answer for anything. RETURNED ends it.
AWAY = "person.away"
# The source of a drill's own signals, and the origin of its canary.
DRILL = "drill"


@dataclass(frozen=True, slots=True)
class Signal:
    """What happened to whom, said by whom.

    `source` names the door ("scim:okta", "hr:workday", "cli"); `key` is the door's own id of the
    event: the same source and key twice is one signal. `effective_at` (microseconds) may lie ahead:
    a leave date. `immediate` is an involuntary leave: no grace. `reason` is shown to people.
    """

    source: str
    key: str
    kind: str
    person_id: str
    at: int
    effective_at: int
    reason: str
    immediate: bool = False


React = Callable[[Work, Signal], Awaitable[None]]
"""What to do about a signal that was not seen before, inside the transaction that accepts it."""
