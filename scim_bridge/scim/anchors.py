"""What is remembered of lists that are being paged through: where pages ended, and how long the lists were.

A page by startIndex goes on where the page before it ended. So its cost does not grow with its depth, and
deletions in between make nobody be passed over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from scim_bridge.kernel.clock import MINUTE, SECOND
from scim_bridge.scim.selecting import Key

# An import reads a page, works on it and comes back.
ANCHORED = 5 * MINUTE
COUNTED = 5 * SECOND
LISTS = 128
PAGES = 256


@dataclass(slots=True)
class _List:
    """One list: keys by position with the instant they were seen, and its length with instant and state."""

    ends: OrderedDict[int, tuple[Key, int]] = field(default_factory=OrderedDict)
    total: int = 0
    counted: int = -1
    changes: int = -1


class Anchors:
    """The lists of one process, those asked for last. Instants are passed in."""

    def __init__(self) -> None:
        self._lists: OrderedDict[Hashable, _List] = OrderedDict()
        self._changes = 0

    def changed(self, _changed: object = None) -> None:
        """Something was written here: lengths have to be counted anew."""
        self._changes += 1

    def _list(self, of: Hashable) -> _List:
        known = self._lists.get(of)
        if known is None:
            known = self._lists[of] = _List()
            if len(self._lists) > LISTS:
                self._lists.popitem(last=False)
        else:
            self._lists.move_to_end(of)
        return known

    def ended(self, of: Hashable, position: int, key: Key, now: int) -> None:
        """A page of this list ended with its row number `position`."""
        ends = self._list(of).ends
        ends[position] = key, now
        ends.move_to_end(position)
        if len(ends) > PAGES:
            ends.popitem(last=False)

    def before(self, of: Hashable, position: int, now: int) -> tuple[int, Key | None]:
        """The row known to be nearest at or before a position, and its position; (0, None) is the beginning."""
        known = self._lists.get(of)
        if known is None or position == 0:
            return 0, None
        exact = known.ends.get(position)
        if exact is not None and 0 <= now - exact[1] < ANCHORED:
            return position, exact[0]
        fresh = [at for at, (_, seen) in known.ends.items() if at < position and 0 <= now - seen < ANCHORED]
        nearest = max(fresh, default=0)
        return nearest, known.ends[nearest][0] if nearest else None

    def length(self, of: Hashable, now: int) -> int | None:
        """How long the list is, if it was counted a moment ago and nothing was written here since."""
        known = self._lists.get(of)
        if known is None or known.changes != self._changes or not 0 <= now - known.counted < COUNTED:
            return None
        return known.total

    @property
    def changes(self) -> int:
        """The state a count begins with, to be given to `counted`."""
        return self._changes

    def counted(self, of: Hashable, total: int, changes: int, now: int) -> None:
        """The list was so long in this state."""
        known = self._list(of)
        known.total, known.changes, known.counted = total, changes, now
