"""Groups of agent users, by name: read group by group, written one membership each.

Only groups that Okta itself keeps. None is ever deleted, renamed or emptied by us.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from okta.models.add_group_request import AddGroupRequest

from scim_bridge.registry.model import fold
from scim_bridge.sync.idp.okta.errors import DUPLICATE_GROUP, OktaRefusal
from scim_bridge.sync.idp.okta.links import gathered
from scim_bridge.sync.idp.okta.patience import pages
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.vocabulary import text_literal
from scim_bridge.sync.idp.port import IdpError

# Names in one search: an expression must stay well under the longest address Okta reads.
AT_ONCE = 25
IN_FLIGHT = 5
PAGE = 200
MEMBERS = 1000
BELIEVED = 300.0
KIND = "OKTA_GROUP"
DESCRIPTION = "Made by scim-bridge, which puts AI agents into it."


class Groups:
    """The groups of one org, found by name in any case and called by the name they have there."""

    def __init__(self, session: Session, *, create: bool) -> None:
        self._session = session
        self._create = create
        # By folded name: when it was looked up, its id (None: no such group), its name there.
        self._known: dict[str, tuple[float, str | None, str]] = {}

    async def members(self, names: Sequence[str]) -> dict[str, set[str]]:
        """The ids of everybody in each of these groups that is there; looked up anew."""
        self._known.clear()
        await self._look_up(names)
        there = [(name, key) for _, key, name in self._known.values() if key is not None]
        gate = asyncio.Semaphore(IN_FLIGHT)
        return dict(await gathered(self._inside(gate, name, key) for name, key in there))

    async def named(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """These groups as they are called there, sorted, and notes on those that are not there."""
        await self._look_up(names)
        found, notes = [], []
        for asked in names:
            _, key, name = self._known[fold(asked)]
            if key is not None or self._create:
                found.append(name)
            else:
                notes.append(f"Okta has no group {asked}; with create_groups=yes it would be made.")
        return sorted(set(found)), notes

    async def of(self, user_id: str) -> list[str]:
        """The names of the groups a user is in, whoever put it there."""
        reply = await self._session.send("read the groups", "GET", f"/api/v1/users/{user_id}/groups")
        kept = [group for group in reply.content or () if self._learn(group)]
        return sorted(str(group["profile"]["name"]) for group in kept)

    async def change(self, user_id: str, before: set[str], after: set[str]) -> None:
        """Put a user into groups and take it out of others; each may be done twice."""
        for name in sorted(after - before):
            await self._join(await self._made(name), name, user_id)
        for name in sorted(before - after):
            if (key := await self._id(name)) is not None:
                await self._leave(key, name, user_id)

    async def _look_up(self, names: Iterable[str]) -> None:
        now = time.monotonic()
        unknown = {fold(name): name for name in names}
        for folded, (seen, _, _) in self._known.items():
            if now - seen < BELIEVED:
                unknown.pop(folded, None)
        parts = list(unknown.values())
        for start in range(0, len(parts), AT_ONCE):
            await self._search(parts[start : start + AT_ONCE])

    async def _search(self, names: Sequence[str]) -> None:
        either = " or ".join(f"profile.name eq {text_literal(name)}" for name in names)
        await self._find(names, search=f'type eq "{KIND}" and ({either})')

    async def _find(self, names: Sequence[str], **query: str) -> None:
        now = time.monotonic()
        self._known |= {fold(name): (now, None, name) for name in names}
        wanted, method = {fold(name) for name in names}, self._session.client.list_groups
        what = "look for groups"
        found = pages(self._session, what, lambda: self._session.call(what, method, limit=PAGE, **query))
        async for groups, _ in found:
            for group in groups:
                if fold(str(group["profile"]["name"])) in wanted:
                    self._learn(group)

    def _learn(self, group: Mapping[str, Any]) -> bool:
        name = str(group["profile"]["name"])
        if group.get("type") != KIND:
            return False
        self._known[fold(name)] = (time.monotonic(), str(group["id"]), name)
        return True

    async def _id(self, name: str) -> str | None:
        await self._look_up([name])
        return self._known[fold(name)][1]

    async def _made(self, name: str) -> str:
        """The id of a group, made when it is not there and the settings ask for that."""
        if (key := await self._id(name)) is not None:
            return key
        if not self._create:
            fix = "Add it there, or set create_groups=yes on the connection."
            raise IdpError("okta-no-group", f"Okta has no group {name}.", fix, transient=False)
        body = AddGroupRequest.from_dict({"profile": {"name": name, "description": DESCRIPTION}})
        try:
            reply = await self._session.call(f"add the group {name}", self._session.client.add_group, body)
            self._learn(reply.content)
        except OktaRefusal as error:
            if error.okta != DUPLICATE_GROUP and not error.taken:
                raise
            # Another agent's change made it a moment ago, before a search could know; q asks no index.
            await self._find([name], q=name)
        found = self._known[fold(name)][1]
        if found is None:
            raise IdpError("okta-group", f"The group {name} is there but not found yet.", transient=True)
        return found

    async def _join(self, key: str, name: str, user_id: str) -> None:
        method = self._session.client.assign_user_to_group
        try:
            await self._session.call(f"put the user into the group {name}", method, key, user_id)
        except OktaRefusal as error:
            if error.absent:
                self._known.pop(fold(name), None)
            raise

    async def _leave(self, key: str, name: str, user_id: str) -> None:
        method = self._session.client.unassign_user_from_group
        try:
            await self._session.call(f"take the user out of the group {name}", method, key, user_id)
        except OktaRefusal as error:
            if not error.absent:
                raise

    async def _inside(self, gate: asyncio.Semaphore, name: str, key: str) -> tuple[str, set[str]]:
        what, method = f"list who is in the group {name}", self._session.client.list_group_users
        inside: set[str] = set()
        async with gate:
            try:
                first = lambda: self._session.call(what, method, key, limit=MEMBERS)  # noqa: E731
                async for users, _ in pages(self._session, what, first):
                    inside |= {str(user["id"]) for user in users}
            except OktaRefusal as error:
                # Deleted since it was looked up.
                if not error.absent:
                    raise
        return name, inside
