"""What is to be done for one agent, and why: the registry, what was written last and the IdP, compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.sync.idp.port import (
    CREATE,
    ENABLED,
    RETIRE,
    SHARED,
    UPDATE,
    Attributes,
    DesiredAgent,
    ObjectChange,
    Observed,
    Wanted,
)
from scim_bridge.sync.pushed import Pushed
from scim_bridge.sync.sameness import absent, kept_as, same


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done for one agent: a change or nothing, why per attribute, warnings."""

    change: ObjectChange | None
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def marked_anothers(observed: Observed, agent_id: str) -> bool:
    """True when an object carries the mark of another agent than this one."""
    return observed.agent_id not in ("", agent_id)


def difference(
    agent: DesiredAgent, wanted: Wanted, observed: Observed | None, pushed: Pushed | None
) -> Difference:
    """What to do so that the IdP says what the registry says.

    Three-way: the registry decides facts whoever changed them last (and the reason says who). What
    stops an agent is always written; an agent is switched on only where we switched it off, so an
    IdP's own stop is never undone.
    """
    if observed is None:
        return _missing(agent, wanted, pushed)
    if marked_anothers(observed, agent.agent_id):
        return _contested(agent, wanted, observed, pushed)
    last = None if pushed is None else pushed.ours
    written = None if pushed is None else pushed.attributes
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    notes = [*wanted.notes, *observed.notes]
    for name, value in wanted.attributes.items():
        current = observed.attributes.get(name)
        if name in SHARED:
            value = _in_part(value, current, None if last is None else last.get(name))
        elif kept_as(name, current, value, last):
            continue
        if same(name, current, value):
            continue
        if name == ENABLED and value and not _may_switch_on(agent, current, last):
            notes.append(f"{agent.slug} was switched off at the IdP, not by us: left as it is.")
            continue
        before[name], after[name] = current, value
    cleared = _cleared(wanted, observed, {} if written is None else written)
    before |= cleared
    after |= dict.fromkeys(cleared)
    if not after:
        return Difference(None, notes=tuple(notes))
    if observed.frozen and not agent.deleted and not (observed.thaws and after.get(ENABLED)):
        return Difference(None, notes=(*notes, f"{agent.slug}: {observed.frozen}"))
    reasons = {name: _why(agent, name, before[name], after[name], written) for name in after}
    reasons |= dict.fromkeys(cleared, "no row of the mapping writes it any more")
    action = RETIRE if agent.deleted else UPDATE
    change = ObjectChange(
        agent.agent_id,
        agent.slug,
        action,
        observed.remote_id,
        before,
        after,
        {**wanted.attributes, **dict.fromkeys(cleared)},
    )
    return Difference(change, reasons, tuple(notes))


def _in_part(wanted: Any, current: Any, last: Any) -> list[str]:
    """A shared list as it should be: ours as wanted, what others put there as it is."""
    there, ours = set(current or ()), set(last or ())
    return sorted(there - (ours - set(wanted or ())) | set(wanted or ()))


def _contested(agent: DesiredAgent, wanted: Wanted, observed: Observed, pushed: Pushed | None) -> Difference:
    """What to do where somebody put another agent's mark on the object we wrote.

    Whose it is now only a person can say: it is neither changed nor replaced by a second one. A stop is written
    all the same: what acts for this agent's credentials is that object.
    """
    if pushed is None or pushed.retired or pushed.remote_id != observed.remote_id:
        return _missing(agent, wanted, pushed)
    note = (
        f"{agent.slug}: its object {observed.name} ({observed.remote_id}) carries another agent's mark there"
        f" ({observed.agent_id}): nothing but a stop is written, and no second object is made."
        " Take that mark off there, and the next apply puts this agent's on."
    )
    current = observed.attributes.get(ENABLED)
    if wanted.attributes.get(ENABLED) is not False or not current:
        return Difference(None, notes=(note,))
    action = RETIRE if agent.deleted else UPDATE
    off = {ENABLED: False}
    change = ObjectChange(
        agent.agent_id, agent.slug, action, observed.remote_id, {ENABLED: current}, off, off
    )
    return Difference(change, {ENABLED: _why(agent, ENABLED, current, False, None)}, (note,))


def _cleared(wanted: Wanted, observed: Observed, written: Attributes) -> dict[str, Any]:
    """What a mapping wrote that is withdrawn, as it still stands there. What somebody changed since is theirs."""
    found = {
        name: observed.attributes.get(name) for name in wanted.withdrawn if not absent(written.get(name))
    }
    return {
        name: current
        for name, current in found.items()
        if not absent(current)
        and (same(name, current, written[name]) or kept_as(name, current, written[name], written))
    }


def _missing(agent: DesiredAgent, wanted: Wanted, pushed: Pushed | None) -> Difference:
    if agent.deleted or agent.outside:
        return Difference(None)
    after = {name: value for name, value in wanted.attributes.items() if not absent(value)}
    change = ObjectChange(
        agent.agent_id, agent.slug, CREATE, None, after=after, wanted=dict(wanted.attributes)
    )
    gone = pushed is not None and pushed.remote_id
    why = "it is gone from the IdP" if gone else "new there"
    return Difference(change, dict.fromkeys(after, why), wanted.notes)


def _may_switch_on(agent: DesiredAgent, current: Any, last: Attributes | None) -> bool:
    if agent.held_there:
        return False
    return current is None or (last is not None and last.get(ENABLED) is False)


def _why(agent: DesiredAgent, name: str, current: Any, value: Any, last: Attributes | None) -> str:
    if name == ENABLED and not value:
        return "deleted here" if agent.deleted else f"held: {'; '.join(agent.holds)}"
    if name == ENABLED:
        return "no hold is left"
    if last is None or name not in last:
        return "not written before"
    if same(name, current, last[name]):
        return "changed here"
    if same(name, value, last[name]):
        return "changed at the IdP since it was last written"
    return "changed here and at the IdP"
