"""What somebody changed at the IdP since we last wrote it, and what the connection's rules make of it. Pure.

Three-way: what is there is neither what was last written nor what the registry wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scim_bridge.registry.connections import Connection
from scim_bridge.registry.drift_rules import ASK, OURS, THEIRS, DriftRules, parse_drift
from scim_bridge.sync.difference import marked_anothers
from scim_bridge.sync.idp.port import ENABLED, SHARED, DesiredAgent, Idp, Observed, Wanted
from scim_bridge.sync.mapping import Rule, taken_in
from scim_bridge.sync.meaning import meaning_of, ours_of
from scim_bridge.sync.pushed import Pushed
from scim_bridge.sync.sameness import absent, kept_as, same

# How a drift stands: nobody decided yet; the registry took it over; ours was written over it; they undid it.
OPEN = "open"
TAKEN = "taken"
OVERRIDDEN = "overridden"
UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Drift:
    """One attribute of one agent that is neither as we wrote it nor as we want it.

    `ours_name` is our name for it, empty when it is only the IdP's; `rule` is what the connection says of it;
    `written` is when we wrote the object last.
    """

    agent_id: str
    slug: str
    remote_id: str
    attribute: str
    ours_name: str
    ours: Any
    theirs: Any
    rule: str
    written: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How a connection reads drift: the IdP's words in ours, its rules, and what the IdP alone says (`inward`)."""

    meaning: Mapping[str, str]
    rules: DriftRules
    inward: Mapping[str, str] = field(default_factory=dict)

    def drifts(
        self, agent: DesiredAgent, wanted: Wanted, observed: Observed | None, pushed: Pushed | None
    ) -> tuple[Drift, ...]:
        """What of an agent was changed there. Nothing is drift that we never wrote, nor a stop known as theirs."""
        if observed is None or pushed is None or pushed.retired or agent.deleted:
            return ()
        if marked_anothers(observed, agent.agent_id):
            # What it says may be of the agent whose mark it was given.
            return ()
        found = []
        for attribute, ours in wanted.attributes.items():
            last, theirs = pushed.attributes.get(attribute), observed.attributes.get(attribute)
            if attribute not in pushed.attributes or (attribute == ENABLED and last is None):
                continue
            if attribute in SHARED:
                # Of a list that we share only what we added and still want can be taken from us.
                last = sorted(set(last or ()) & set(ours or ()))
                theirs = sorted(set(theirs or ()) & set(last))
            if same(attribute, theirs, last) or same(attribute, theirs, ours):
                continue
            if kept_as(attribute, theirs, last, pushed.attributes):
                # The IdP's own form of what we wrote: nobody changed it, and it is nothing to take over.
                continue
            name = self.meaning.get(attribute, "")
            found.append(
                Drift(
                    agent.agent_id,
                    agent.slug,
                    observed.remote_id,
                    attribute,
                    name,
                    ours,
                    theirs,
                    self._rule(name, theirs),
                    pushed.written,
                )
            )
        return (*found, *self._taken_in(agent, observed, pushed))

    def _taken_in(self, agent: DesiredAgent, observed: Observed, pushed: Pushed) -> Iterator[Drift]:
        """What the mapping takes from the IdP, where it says something else than the registry does."""
        for attribute, name in self.inward.items():
            ours, theirs = ours_of(agent, name), observed.attributes.get(attribute)
            if not absent(theirs) and not same(attribute, theirs, ours):
                yield Drift(
                    agent.agent_id,
                    agent.slug,
                    observed.remote_id,
                    attribute,
                    name,
                    ours,
                    theirs,
                    THEIRS,
                    pushed.written,
                )

    def _rule(self, name: str, theirs: Any) -> str:
        rule = self.rules.of(name)
        if rule == THEIRS and name == ENABLED:
            # A stop may be taken over; what switches an agent on never is.
            return THEIRS if theirs is False else OURS
        # An attribute that came back empty is no wish: somebody has to say so.
        return ASK if rule == THEIRS and absent(theirs) else rule


def reading_of(connection: Connection, idp: Idp, mapping: Sequence[Rule]) -> Reading:
    """How a connection reads drift, by its setting, its adapter and its mapping."""
    rules = parse_drift(str(connection.settings.get("drift") or ""))
    return Reading(meaning_of(idp, mapping), rules, taken_in(mapping))


def spared(wanted: Wanted, found: Iterable[Drift]) -> Wanted:
    """What is wanted without what waits for a decision: it is neither written nor forgotten. A stop never waits."""
    waiting = [each for each in found if each.rule != OURS and each.attribute != ENABLED]
    if not waiting:
        return wanted
    names = {each.attribute for each in waiting}
    kept = {name: value for name, value in wanted.attributes.items() if name not in names}
    words = (
        "to be settled (sync drift)"
        if any(each.rule == ASK for each in waiting)
        else "taken over by sync apply"
    )
    note = f"{waiting[0].slug}: {', '.join(sorted(names))} changed at the IdP and left so, {words}."
    return replace(wanted, attributes=kept, notes=(*wanted.notes, note))
