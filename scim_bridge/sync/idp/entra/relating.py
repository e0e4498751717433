"""Owners and sponsors of an agent identity: who is added, and only then who is taken away."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.registry.model import fold
from scim_bridge.sync.idp.entra.batches import Write
from scim_bridge.sync.idp.entra.calls import V1, Reply, absent
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.people import People
from scim_bridge.sync.idp.entra.reading import identity
from scim_bridge.sync.idp.entra.refusals import already_there, error_of


class Relating:
    """Says which writes bring one relation to what is wanted."""

    def __init__(self, graph: Graph, people: People) -> None:
        self._graph = graph
        self._people = people

    async def writes(
        self, remote_id: str, relation: str, before: Sequence[str], after: Sequence[str], number: int
    ) -> list[Write]:
        """The writes, the first of which will have this number. Nobody goes before all who are new have come.

        An agent identity is never without a sponsor.
        """
        added = [name for name in after if name not in before]
        removed = [name for name in before if name not in after]
        place = f"{identity(remote_id)}/{relation}"
        writes = []
        for name, person in (await self._people.ids(added)).items():
            link = f"{self._graph.base_url}/{V1}/directoryObjects/{person}"
            what = f"add {name} to the {relation}"
            writes.append(Write(what, "POST", f"{place}/$ref", {"@odata.id": link}, _there, settles=True))
        if not removed:
            return writes
        first = tuple(range(number, number + len(writes)))
        listed = await self._graph.every(f"list the {relation}", place)
        by_name = {fold(str(one.get("userPrincipalName") or "")): str(one["id"]) for one in listed}
        for name in removed:
            if name in by_name:
                what = f"remove {name} from the {relation}"
                path = f"{place}/{by_name[name]}/$ref"
                writes.append(Write(what, "DELETE", path, expect=absent, first=first))
        return writes


def _there(reply: Reply) -> bool:
    return already_there(reply.status, error_of(reply.body)[1])
