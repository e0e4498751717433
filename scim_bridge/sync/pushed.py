"""What was written at an IdP last: what of a change is announced before it, and what is remembered after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scim_bridge.sync.idp.port import ENABLED, RETIRE, SHARED, Attributes, ObjectChange

# Where `Pushed.begun` is kept beside what was written; no IdP has an attribute of this name.
BEGUN = "~begun"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was last written for an agent at a connection; `begun` is what was announced (see `announced`)."""

    agent_id: str
    remote_id: str
    attributes: Attributes
    retired: bool = False
    written: int = 0
    begun: Attributes = field(default_factory=dict)

    @property
    def ours(self) -> dict[str, Any]:
        """What was written or begun: what of it is there passes for our doing."""
        made = dict(self.attributes)
        for name, value in self.begun.items():
            made[name] = sorted({*(made.get(name) or ()), *value}) if name in SHARED else value
        return made


def announced(change: ObjectChange, pushed: Pushed | None) -> dict[str, Any]:
    """What to remember before a change is written, because it would pass for somebody else's were the answer lost.

    A stop, and what is added to shared lists; what was announced before as well. Empty when the change has
    nothing of that kind.
    """
    last = {} if pushed is None else dict(pushed.begun)
    early: dict[str, Any] = {ENABLED: False} if change.after.get(ENABLED) is False else {}
    for name in SHARED & change.after.keys():
        added = set(change.after[name] or ()) - set(change.before.get(name) or ())
        early[name] = sorted(set(last.get(name) or ()) | added)
    return {**last, **early} if early else {}


def remembered(
    change: ObjectChange, pushed: Pushed | None, meanwhile: Pushed | None = None
) -> dict[str, Any]:
    """What to remember as written after a change.

    "Off" is remembered only where we switched it off: what was off already is somebody else's stop. So is
    of a shared list only what we added to it.
    `meanwhile` is what was written since `pushed` was read: a stop that overtook this change stays ours.
    """
    last = {} if pushed is None else pushed.ours
    # What waits for a decision is not among what is wanted: of it the last word stays.
    kept = {**last, **change.wanted}
    if change.action == RETIRE:
        return kept
    ours = change.after.get(ENABLED) is False or last.get(ENABLED) is False
    if kept.get(ENABLED) is False and not ours:
        kept[ENABLED] = None
    if ENABLED not in kept and ENABLED in last:
        # Not asked for now is not released: a stop of ours stays ours.
        kept[ENABLED] = last[ENABLED]
    for name in SHARED & kept.keys():
        added = set(change.after.get(name) or ()) - set(change.before.get(name) or ())
        kept[name] = sorted((set(last.get(name) or ()) | added) & set(kept[name] or ()))
    overtaken = meanwhile is not None and (pushed is None or meanwhile.written != pushed.written)
    if overtaken and meanwhile is not None and meanwhile.ours.get(ENABLED) is False:
        kept[ENABLED] = False
    return kept
