"""What agent users are members of, as far as settings ask for it and the org lets us: groups, applications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.sync.idp.okta.assignments import Assignments
from scim_bridge.sync.idp.okta.features import APPS, Features
from scim_bridge.sync.idp.okta.features import GROUPS as GROUPS_FEATURE
from scim_bridge.sync.idp.okta.groups import Groups
from scim_bridge.sync.idp.okta.options import Options
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.port import APPLICATIONS, GROUPS


@dataclass(slots=True)
class Found:
    """Who is in which of our groups and applications, as a listing read them: sets of user ids by name."""

    groups: dict[str, set[str]] = field(default_factory=dict)
    applications: dict[str, set[str]] = field(default_factory=dict)

    def of(self, user_id: str) -> dict[str, Any]:
        """What one user is in, as attributes; None where it is in nothing."""
        return {
            GROUPS: sorted(name for name, inside in self.groups.items() if user_id in inside) or None,
            APPLICATIONS: sorted(name for name, inside in self.applications.items() if user_id in inside)
            or None,
        }


class Members:
    """The two kinds of membership as attributes of a user."""

    def __init__(self, session: Session, features: Features, options: Options) -> None:
        self._features = features
        self._names = options.groups
        self._asks_apps = bool(options.applications)
        self._groups = Groups(session, create=options.create_groups)
        self._assignments = Assignments(session, options.applications)

    async def _no_groups(self) -> str:
        """Why no group can be pushed though the settings ask for it; empty when they can."""
        feature = await self._features.one(GROUPS_FEATURE)
        return "" if feature.usable else f"Groups are not pushed: {feature.reason}."

    async def _no_apps(self) -> str:
        feature = await self._features.one(APPS)
        return "" if feature.usable else f"Agents are not assigned to applications: {feature.reason}."

    async def found(self) -> Found:
        """Everybody in the groups and applications we answer for: one listing each, none of them by agent."""
        result = Found()
        if self._names is not None and not await self._no_groups():
            result.groups = await self._groups.members(await self._names())
        if self._asks_apps and not await self._no_apps():
            result.applications = await self._assignments.assigned()
        return result

    async def wanted(self, groups: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """The attributes an agent in these groups should have, and notes on what cannot be had."""
        attributes: dict[str, Any] = {}
        notes: list[str] = []
        if self._names is not None:
            if why := await self._no_groups():
                notes.append(why)
            else:
                attributes[GROUPS], more = await self._groups.named(groups)
                notes += more
        if self._asks_apps:
            if why := await self._no_apps():
                notes.append(why)
            else:
                attributes[APPLICATIONS] = self._assignments.applications
                notes += self._assignments.notes
        return attributes, notes

    async def of(self, user_id: str) -> dict[str, Any]:
        """What one user is in now; None where it is in nothing."""
        found: dict[str, Any] = {}
        if self._names is not None and not await self._no_groups():
            found[GROUPS] = await self._groups.of(user_id) or None
        if self._asks_apps and not await self._no_apps():
            found[APPLICATIONS] = await self._assignments.of(user_id) or None
        return found

    async def write(self, user_id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make the memberships of one user as they should be, as far as `after` speaks of them."""
        for name, part in ((GROUPS, self._groups), (APPLICATIONS, self._assignments)):
            if name in after:
                await part.change(user_id, set(before.get(name) or ()), set(after[name] or ()))
