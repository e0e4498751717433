"""Which agent a sender means, remembered: thousands of events a second name a few hundred agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_names import agent_id_named
from scim_bridge.registry.model import AGENT

MOST = 200_000
# Another replica's changes are seen after so long at most; this process's own at once.
REMEMBERED = 30 * SECOND


class AgentLookup:
    """Finds live agents by id, slug, userName or workload id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: dict[str, str | None] = {}
        self._since = 0
        store.on_change(self._changed)

    def _changed(self, changed: list[tuple[str, str]]) -> None:
        if not self._ids or not any(kind == AGENT for kind, _ in changed):
            return
        gone = {subject for kind, subject in changed if kind == AGENT}
        # A name that meant nobody may mean somebody now.
        self._ids = {
            name: found for name, found in self._ids.items() if found is not None and found not in gone
        }

    async def ids(self, names: Iterable[str]) -> Mapping[str, str | None]:
        """The agent's id for each name; None when it means nobody, or is not clear."""
        now = self._store.clock.now()
        if now - self._since > REMEMBERED or len(self._ids) > MOST:
            self._ids, self._since = {}, now
        known = self._ids
        missing = {name for name in names if name not in known}
        if missing:
            known.update(await self._live_ids(missing))
            for name in missing - known.keys():
                known[name] = await agent_id_named(self._store.reads, name)
        return known

    async def _live_ids(self, names: Iterable[str]) -> dict[str, str | None]:
        """Those of the names that are ids, all in one read: an id goes before every other name."""
        reads = self._store.reads
        rows = await reads.all(
            f"SELECT id FROM sb_resource WHERE id {among(reads.backend)} AND kind = 'agent' AND deleted IS NULL",
            listed(reads.backend, names),
        )
        return {row["id"]: row["id"] for row in rows}
