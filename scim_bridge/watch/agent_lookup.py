"""Which agent a sender means, remembered: thousands of events a second name a few hundred agents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_names import agent_id_named
from scim_bridge.registry.model import AGENT

MOST = 200_000
# Another replica's changes are seen after so long at most; this process's own at once.
REMEMBERED = SECOND


class AgentLookup:
    """Finds live agents by id, slug, userName or workload id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: dict[str, str | None] = {}
        # The version in which each agent had the names it is known by here.
        self._versions: dict[str, int] = {}
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
        if len(self._ids) > MOST:
            self._ids, self._versions = {}, {}
        if not 0 <= now - self._since <= REMEMBERED:
            await self._looked_again()
            self._since = now
        known = self._ids
        missing = {name for name in names if name not in known}
        if missing:
            # Names and versions of one moment: a name that moves on in between would be believed for good.
            async with self._store.database.snapshot() as reader:
                found = {one: one for one in await self._live(reader, missing)}
                for name in missing - found.keys():
                    known[name] = await agent_id_named(reader, name)
                known.update(found)
                fresh = {one for name in missing if (one := known[name]) is not None}
                self._versions |= await self._live(reader, fresh)
        return known

    async def _looked_again(self) -> None:
        """Forget who changed meanwhile, in one read, and every name that meant nobody."""
        live = await self._live(
            self._store.reads, {found for found in self._ids.values() if found is not None}
        )
        same = {one for one, version in live.items() if self._versions.get(one) == version}
        self._ids = {name: found for name, found in self._ids.items() if found in same}
        self._versions = {one: version for one, version in self._versions.items() if one in same}

    @staticmethod
    async def _live(reader: Reader, ids: Collection[str]) -> dict[str, int]:
        """Those of these that are ids of live agents, with their versions, all in one read."""
        if not ids:
            return {}
        rows = await reader.all(
            f"SELECT id, version FROM sb_resource WHERE id {among(reader.backend)} AND kind = 'agent'"
            " AND deleted IS NULL",
            listed(reader.backend, ids),
        )
        return {row["id"]: row["version"] for row in rows}
