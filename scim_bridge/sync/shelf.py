"""The objects a listing showed, and which of them is which agent. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from scim_bridge.registry.model import fold
from scim_bridge.sync.difference import marked_anothers
from scim_bridge.sync.idp.port import DesiredAgent, Observed, Wanted
from scim_bridge.sync.pushed import Pushed
from scim_bridge.sync.strangers import Stranger, strangers


@dataclass(slots=True)
class Shelf:
    """The objects a listing showed, to be found by id, by our mark or by name."""

    by_id: dict[str, Observed] = field(default_factory=dict)
    by_mark: dict[str, list[Observed]] = field(default_factory=dict)
    by_name: dict[str, Observed] = field(default_factory=dict)
    others: dict[str, Observed] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)
    # Objects that may be people: never told as nobody's agents.
    unkind: set[str] = field(default_factory=set)
    complete: bool = False

    def put(self, observed: Observed) -> None:
        """Add an object of a page."""
        self.by_id[observed.remote_id] = observed
        if observed.agent_id:
            self.by_mark.setdefault(observed.agent_id, []).append(observed)
        else:
            self.by_name[fold(observed.name)] = observed

    def holds(self, remote_id: str) -> bool:
        """True when an object was shown, as ours or as another of its kind."""
        return remote_id in self.by_id or remote_id in self.others

    def nobodys(self, agents: Collection[str]) -> tuple[Stranger, ...]:
        """The objects shown that no agent claimed; `agents` are the ids known here."""
        shown = [each for each in self.by_id.values() if each.remote_id not in self.unkind]
        return strangers([*shown, *self.others.values()], self.claimed, agents)

    def find(self, agent: DesiredAgent, wanted: Wanted, pushed: Pushed | None) -> Observed | None:
        """The object of an agent: where we wrote it, else with its mark, else by a name it may have."""
        if pushed is not None and pushed.remote_id in self.by_id:
            found = self.by_id[pushed.remote_id]
            if not marked_anothers(found, agent.agent_id) or not pushed.retired:
                # With another agent's mark, too: it is not replaced by a second one.
                return found
        if marked := self.by_mark.get(agent.agent_id):
            return min(marked, key=lambda observed: observed.remote_id)
        if agent.deleted:
            # Whoever bears its name now is somebody else.
            return None
        named = (self.by_name.get(fold(name)) for name in wanted.match)
        return next((observed for observed in named if observed is not None), None)

    def strangers(self, known: set[str], ignored: Collection[str] = ()) -> list[str]:
        """Notes on marks that are not of agents we know, and on marks that several objects carry.

        Objects whose ids are `ignored` are spoken of no more.
        """
        notes = []
        for mark, every in sorted(self.by_mark.items()):
            objects = [observed for observed in every if observed.remote_id not in ignored]
            if not objects:
                continue
            if mark not in known:
                notes.append(f"{objects[0].name} carries the mark of an agent unknown here: left as it is.")
            elif len(objects) > 1:
                names = ", ".join(sorted(observed.name for observed in objects))
                notes.append(f"Several objects carry the mark of one agent: {names}.")
        return notes
