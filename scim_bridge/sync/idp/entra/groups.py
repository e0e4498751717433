"""Agent identities in security groups, by name: read with the identity, joined twenty at a time.

Only groups whose members are assigned by hand: the membership of dynamic ones is a rule's business, of
role-assignable ones a privileged administrator's, of synchronised ones the other directory's. None is ever
deleted, renamed or emptied by us, and only our agents ever leave one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.registry.model import fold
from scim_bridge.sync.idp.entra.calls import Get, Reply, absent, held, literal
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.joining import Joining
from scim_bridge.sync.idp.entra.needs import GROUPS as FEATURE
from scim_bridge.sync.idp.entra.part import Of
from scim_bridge.sync.idp.port import GROUPS, Attributes, DesiredAgent, IdpError, ObjectChange

SELECT = "id,displayName,groupTypes,securityEnabled,mailEnabled,isAssignableToRole,onPremisesSyncEnabled"
# Graph takes at most fifteen values in one `in`.
AT_ONCE = 15
BELIEVED = 300.0
DESCRIPTION = "Made by scim-bridge, which puts AI agents into it."
KIND = "#microsoft.graph.group"


@dataclass(frozen=True, slots=True)
class Known:
    """A group of the tenant by one of our names: `id` when agents can be put into it, else why not."""

    name: str
    id: str = ""
    why: str = ""
    missing: bool = False


def judged(name: str, found: Sequence[Mapping[str, Any]]) -> Known:
    """What the groups of one name are to us. Pure."""
    if not found:
        return Known(name, why="there is no such group", missing=True)
    if len(found) > 1:
        return Known(name, why=f"{len(found)} groups have that name")
    (one,) = found
    called = str(one.get("displayName") or name)
    for wrong, why in (
        ("DynamicMembership" in (one.get("groupTypes") or ()), "its membership is dynamic: a rule decides"),
        (one.get("isAssignableToRole"), "it can be assigned to Entra roles: only administrators fill it"),
        (one.get("onPremisesSyncEnabled"), "it comes from another directory"),
        ("Unified" in (one.get("groupTypes") or ()), "it is a Microsoft 365 group, which takes no agent"),
        (one.get("mailEnabled"), "it is mail-enabled, which Graph cannot fill"),
        (not one.get("securityEnabled"), "it is no security group"),
    ):
        if wrong:
            return Known(called, why=why)
    return Known(called, str(one["id"]))


class Groups:
    """The groups of a tenant that agents are put into.

    `names` are those this connection is told of, now or before; `chosen` says of one whether it is now.
    """

    feature = FEATURE
    each = True

    def __init__(
        self,
        graph: Graph,
        names: Callable[[], Awaitable[list[str]]],
        chosen: Callable[[str], bool],
        *,
        create: bool,
    ) -> None:
        self._graph = graph
        self._names = names
        self._chosen = chosen
        self._create = create
        self._joining = Joining(graph)
        self._known: dict[str, tuple[float, Known]] = {}

    async def everywhere(self) -> Of:
        """Look every group up anew, fifteen to a read, twenty reads to a call; who is in them, `gets` says."""
        self._known.clear()
        await self._look_up(await self._names())
        return lambda _remote_id: {}

    async def wanted(self, agent: DesiredAgent) -> tuple[Mapping[str, Any], Sequence[str]]:
        """The groups the agent is in here and can be in there, as they are called there."""
        if agent.deleted:
            return {}, ()
        chosen = [name for name in agent.groups if self._chosen(name)]
        looked = await self._look_up(chosen)
        names, notes = [], []
        for asked in chosen:
            known = looked[fold(asked)]
            if known.id or (known.missing and self._create):
                names.append(known.name)
            else:
                hint = "; with create_groups=yes it would be made" if known.missing else ""
                notes.append(f"Agents are not put into the group {asked}: {known.why}{hint}.")
        return {GROUPS: sorted(set(names))}, notes

    def gets(self, remote_id: str) -> list[Get]:
        """The groups one agent identity is in."""
        return [Get(f"/servicePrincipals/{remote_id}/memberOf", {"$select": "id,displayName"})]

    async def one(self, remote_id: str, replies: Sequence[Reply]) -> Attributes:
        """Of the groups in the answer, those we are told of."""
        if not self._known:
            await self._look_up(await self._names())
        ids = {known.id: known.name for _, known in self._known.values() if known.id}
        listed = await self._graph.collected("list the groups of the agent identity", replies[0])
        return {GROUPS: sorted(ids[str(one["id"])] for one in listed if str(one.get("id")) in ids)}

    async def stop(self, change: ObjectChange) -> None:
        """A stopped agent keeps its groups: it may not act, and is in them again when it may."""

    async def bring(self, change: ObjectChange) -> None:
        """Join and leave; each may be done twice."""
        if GROUPS not in change.after:
            return
        before, after = set(change.before.get(GROUPS) or ()), set(change.after[GROUPS] or ())
        looked = await self._look_up([*before, *after])
        remote_id = str(change.remote_id)
        for name in sorted(after - before):
            await self._joining.join(await self._made(name), name, remote_id)
        for name in sorted(before - after):
            known = looked[fold(name)]
            if known.id:
                path = f"/groups/{known.id}/members/{remote_id}/$ref"
                await self._graph.call(
                    f"take the agent out of the group {name}", "DELETE", path, expect=absent
                )

    async def _look_up(self, names: Iterable[str]) -> dict[str, Known]:
        """What these groups are, by folded name. A listing may begin meanwhile, and forget what was known."""
        now = time.monotonic()
        asked = {fold(name): name for name in names}
        unknown = [
            name
            for key, name in asked.items()
            if key not in self._known or now - self._known[key][0] > BELIEVED
        ]
        looked = {key: self._known[key][1] for key, name in asked.items() if name not in unknown}
        if not unknown:
            return looked
        parts = [unknown[start : start + AT_ONCE] for start in range(0, len(unknown), AT_ONCE)]
        replies = await self._graph.reads("look for groups", [_search(part) for part in parts], patient=True)
        found: dict[str, list[Mapping[str, Any]]] = {}
        for reply in replies:
            for one in await self._graph.collected("look for groups", reply):
                found.setdefault(fold(str(one.get("displayName"))), []).append(one)
        for name in unknown:
            looked[fold(name)] = judged(name, found.get(fold(name), []))
            self._known[fold(name)] = (now, looked[fold(name)])
        return looked

    async def _made(self, name: str) -> str:
        """The id of a group, made when it is not there and the settings ask for that."""
        known = (await self._look_up([name]))[fold(name)]
        if not known.id and known.missing and self._create:
            # Another agent's change may have made it a moment ago.
            self._known.pop(fold(name), None)
            known = (await self._look_up([name]))[fold(name)]
        if known.id:
            return known.id
        if not (known.missing and self._create):
            raise IdpError(
                "entra-group", f"The agent is not put into the group {name}: {known.why}.", transient=False
            )
        body = {
            "displayName": name,
            "description": DESCRIPTION,
            "mailEnabled": False,
            "mailNickname": nickname(name),
            "securityEnabled": True,
        }
        # Several workers may want it at once, and names are not unique there: Graph's upsert makes it once.
        path = f"/groups(uniqueName={literal(unique(name))})"
        what = f"add the group {name}"
        upsert = {"prefer": "create-if-missing"}
        reply = await self._graph.call(what, "PATCH", path, body, headers=upsert)
        if not isinstance(reply.body, Mapping) or not reply.body.get("id"):
            reply = await self._graph.call(what, "GET", path, query={"$select": "id"})
        made = str(held(what, reply, "id")["id"])
        self._known[fold(name)] = (time.monotonic(), Known(name, made))
        return made


def unique(name: str) -> str:
    """The alternate key of a group that we make: the same for one name, whoever makes it."""
    return f"scim-bridge-{hashlib.sha256(fold(name).encode()).hexdigest()[:32]}"


def nickname(name: str) -> str:
    """The mail nickname Entra wants of every group: letters, digits and hyphens, at most 64."""
    plain = "".join(one if one.isascii() and one.isalnum() else "-" for one in name)
    return plain.strip("-")[:64] or "group"


def _search(names: Sequence[str]) -> Get:
    listed = ",".join(literal(name) for name in names)
    return Get("/groups", {"$filter": f"displayName in ({listed})", "$select": SELECT})
