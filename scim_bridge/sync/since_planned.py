"""A planned change when its turn comes: what moved at the IdP since, and what is left to do."""

from __future__ import annotations

from typing import Any

from scim_bridge.sync.difference import marked_anothers
from scim_bridge.sync.digests import canonical
from scim_bridge.sync.idp.port import CREATE, ENABLED, GONE, RETIRE, SHARED, UPDATE, ObjectChange, Observed
from scim_bridge.sync.sameness import absent, same


def moved(change: ObjectChange, observed: Observed | None) -> str:
    """What changed at the IdP since the plan was made, in words; empty when the plan still holds.

    What is already as it should be has not moved: the answer to an earlier write may have been lost.
    """
    if change.action == CREATE:
        if observed is None or observed.agent_id == change.agent_id:
            return ""
        return f"an object named {observed.name} appeared at the IdP"
    if observed is None:
        # Gone is what was asked for where it was to be deleted, and the answer to that may have been lost.
        return "" if GONE in change.after.values() else "the object is gone from the IdP"
    if marked_anothers(observed, change.agent_id) and change.after.get(ENABLED) is not False:
        return f"the object carries another agent's mark ({observed.agent_id}) at the IdP now"
    done = True
    for name, value in change.after.items():
        current = observed.attributes.get(name)
        if same(name, current, value):
            continue
        done = False
        if name in SHARED and _between(current, change.before.get(name), value):
            continue
        if not same(name, current, change.before.get(name)):
            return (
                f"{name} is {_shown(current)} at the IdP now, the plan saw {_shown(change.before.get(name))}"
            )
    thawing = observed.thaws and bool(change.after.get(ENABLED))
    return "" if done or thawing or change.action == RETIRE else observed.frozen


def _between(current: Any, before: Any, after: Any) -> bool:
    """True for a shared list that an attempt which was cut off may have left behind."""
    there, old, new = set(current or ()), set(before or ()), set(after or ())
    return old & new <= there <= old | new


def _shown(value: Any) -> str:
    return "absent" if absent(value) else canonical(value).decode()[:80]


def left_to_do(change: ObjectChange, observed: Observed | None) -> ObjectChange:
    """The part of a planned change that is not done yet; its `after` is empty when nothing is left."""
    if observed is None:
        return change
    after = {
        name: value
        for name, value in change.after.items()
        if not same(name, observed.attributes.get(name), value)
        # Of an object that was given another agent's mark meanwhile only the stop is ours to write.
        and (name == ENABLED or not marked_anothers(observed, change.agent_id))
    }
    before = {name: observed.attributes.get(name) for name in after}
    action = UPDATE if change.action == CREATE else change.action
    return ObjectChange(
        change.agent_id, change.slug, action, observed.remote_id, before, after, change.wanted
    )
