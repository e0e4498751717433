"""The pure rules of sync: what an agent should be at an IdP, what differs there, and why."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from scim_bridge.registry.agents import AgentFacts
from scim_bridge.registry.model import display_name, primary_email
from scim_bridge.sync.idp.port import (
    CREATE,
    ENABLED,
    GONE,
    RETIRE,
    SHARED,
    UPDATE,
    Attributes,
    DesiredAgent,
    ObjectChange,
    Observed,
    Wanted,
)
from scim_bridge.sync.sources import beside

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


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done for one agent: a change or nothing, why per attribute, warnings."""

    change: ObjectChange | None
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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


def desired(facts: AgentFacts, hold_source: str, groups: Sequence[str] = ()) -> DesiredAgent:
    """What the registry says of a live agent to the connection that places holds as `hold_source`."""
    others = [hold for hold in facts.holds if hold.source != hold_source]
    extension, doc = facts.extension, facts.resource.doc
    return DesiredAgent(
        agent_id=facts.resource.id,
        slug=facts.slug,
        user_name=facts.resource.name,
        display_name=display_name(doc),
        email=primary_email(doc),
        purpose=str(extension.get("purpose") or ""),
        platform=facts.platform,
        model=str(extension.get("model") or ""),
        environment=facts.environment,
        risk_tier=facts.risk_tier,
        workload_id=facts.workload_id or "",
        enabled=not others,
        holds=tuple(hold.reason for hold in others),
        owner=facts.owners.owner,
        co_owners=facts.owners.co_owners,
        sponsors=facts.owners.sponsors,
        attestation=facts.attestation,
        held_there=len(others) < len(facts.holds),
        groups=tuple(groups),
        more=beside(doc),
    )


def buried(agent_id: str, slug: str, user_name: str) -> DesiredAgent:
    """What the registry says of a deleted agent: switched off, nothing else."""
    return DesiredAgent(
        agent_id=agent_id,
        slug=slug,
        user_name=user_name,
        display_name="",
        email="",
        purpose="",
        platform="",
        model="",
        environment="",
        risk_tier="",
        workload_id="",
        enabled=False,
        deleted=True,
    )


def absent(value: Any) -> bool:
    """True for null, empty text and empty lists: IdPs keep them as one and the same."""
    return value is None or value == "" or value == []


def same(name: str, left: Any, right: Any) -> bool:
    """True when two values of an attribute mean the same at an IdP."""
    if name == ENABLED:
        return bool(left) == bool(right)
    if absent(left) or absent(right):
        return absent(left) and absent(right)
    # 1 == True in Python; at an IdP they differ.
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _in_part(wanted: Any, current: Any, last: Any) -> list[str]:
    """A shared list as it should be: ours as wanted, what others put there as it is."""
    there, ours = set(current or ()), set(last or ())
    return sorted(there - (ours - set(wanted or ())) | set(wanted or ()))


def kept_as(name: str, current: Any, value: Any, last: Attributes | None) -> bool:
    """True when the IdP keeps what we last wrote in a form of its own: other case, blanks or order.

    Writing it again would change nothing, each time anew.
    """
    if name == ENABLED or last is None or name not in last or not same(name, last[name], value):
        return False
    return _form(current) == _form(value) and not absent(value)


def _form(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if isinstance(value, list):
        return sorted((_form(one) for one in value), key=repr)
    return value


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


def marked_anothers(observed: Observed, agent_id: str) -> bool:
    """True when an object carries the mark of another agent than this one."""
    return observed.agent_id not in ("", agent_id)


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


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks: equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def desired_digest(agent: DesiredAgent) -> str:
    """A digest of everything the registry says of an agent to a connection."""
    return hashlib.sha256(canonical(asdict(agent))).hexdigest()


def plan_digest(connection_id: str, changes: Iterable[ObjectChange]) -> str:
    """A digest of what a plan would do: the same changes in any order give the same one."""
    listed = [
        [c.agent_id, c.action, c.remote_id, dict(c.before), dict(c.after), dict(c.wanted)] for c in changes
    ]
    listed.sort(key=lambda item: (str(item[0]), str(item[1])))
    return hashlib.sha256(canonical([connection_id, listed])).hexdigest()


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
