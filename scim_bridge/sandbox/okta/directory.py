"""Users as the org keeps them: found by id or login, stored, shown, removed with all that hangs on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.okta import ids
from scim_bridge.sandbox.okta.errors import OktaError, invalid_fields, not_found
from scim_bridge.sandbox.okta.model import profiles, statuses
from scim_bridge.sandbox.okta.org import Org

User = dict[str, Any]


class Directory:
    """The users of an org. Every writing method belongs into a transaction of the store."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._known: list[User] = []
        self._version: tuple[int, int] | None = None

    def find(self, name: str) -> User | None:
        """The user with this id or login."""
        store = self._org.store
        user = store.get("user", name)
        if user is None and (entry := store.get("login", profiles.fold(name))):
            user = store.get("user", entry["id"])
        return None if user is None else self._settled(user)

    def need(self, name: str) -> User:
        """The user with this id or login; E0000007 otherwise."""
        user = self.find(name)
        if user is None:
            raise not_found(name, "User")
        return user

    def everybody(self) -> list[User]:
        """All users, in the order they were created; read again only after one changed. Never alter them."""
        version = self._org.store.version("user")
        if version != self._version:
            self._known = [value for _, value in self._org.store.all("user")]
            self._version = version
        return [self._settled(user) for user in self._known]

    def create(
        self,
        profile: Mapping[str, Any],
        *,
        status: str,
        credentials: Mapping[str, Any] | None = None,
        type_id: str | None = None,
    ) -> User:
        """Store a new user; OktaError when its profile is not one the type allows."""
        now = self._org.stamp()
        user: User = {
            "id": self._org.ids.new(ids.USER),
            "status": status,
            "created": now,
            "activated": now if status != statuses.STAGED else None,
            "statusChanged": now if status != statuses.STAGED else None,
            "lastLogin": None,
            "lastUpdated": now,
            "passwordChanged": now if credentials and "password" in credentials else None,
            "type": {"id": type_id or self._org.default_type()["id"]},
            "profile": profiles.tidy(profile),
            "credentials": {"provider": {"type": "OKTA", "name": "OKTA"}, **(credentials or {})},
        }
        self._check(user)
        self._remember_before(user["id"], None)
        self._put(user)
        return user

    def replace(self, before: User, after: User) -> User:
        """Store a changed user; OktaError when its profile is not one the type allows."""
        after = {**after, "profile": profiles.tidy(after["profile"])}
        if after == before:
            return before
        if after["profile"] != before["profile"] or after["type"] != before["type"]:
            self._check(after)
        now = self._org.stamp()
        after["lastUpdated"] = now
        if after["status"] != before["status"]:
            after["statusChanged"] = now
            if after["status"] in (statuses.ACTIVE, statuses.PROVISIONED):
                after["activated"] = after["activated"] or now
        self._remember_before(before["id"], before)
        old = profiles.fold(before["profile"]["login"])
        if old != profiles.fold(after["profile"]["login"]):
            self._org.store.delete("login", old)
        self._put(after)
        return after

    def remove(self, user: User) -> None:
        """Delete a user for good, with links, memberships and group ownerships."""
        store, user_id = self._org.store, user["id"]
        store.delete("user", user_id)
        store.delete("login", profiles.fold(user["profile"]["login"]))
        store.delete("searchlag", user_id)
        for kind in ("link", "membership", "groupowner", "appuser"):
            for key, value in store.all(kind):
                if user_id in (value.get("user"), value.get("primary"), value.get("associated")):
                    store.delete(kind, key)

    def searchable(self) -> list[User]:
        """All users as the search index knows them: it may lag behind."""
        now = self._org.now()
        stale = {
            key: entry["before"] for key, entry in self._org.store.all("searchlag") if entry["until"] > now
        }
        users = [stale.get(user["id"], user) for user in self.everybody()]
        return [user for user in users if user is not None]

    def _put(self, user: User) -> None:
        self._org.store.put("user", user["id"], user)
        self._org.store.put("login", profiles.fold(user["profile"]["login"]), {"id": user["id"]})

    def _check(self, user: User) -> None:
        causes = profiles.problems(user["profile"], self._org.schema_of(user))
        if not causes:
            holder = self._org.store.get("login", profiles.fold(user["profile"]["login"]))
            if holder is not None and holder["id"] != user["id"]:
                causes = ["login: An object with this field already exists in the current organization"]
            causes += self._not_unique(user)
        if causes:
            raise invalid_fields(causes)

    def _not_unique(self, user: User) -> list[str]:
        definitions = profiles.definitions(self._org.schema_of(user))
        unique = [
            name for name, item in definitions.items() if item.get("unique") and user["profile"].get(name)
        ]
        return [
            f"{name}: An object with this field already exists in the current organization"
            for name in unique
            if any(
                other["id"] != user["id"] and other["profile"].get(name) == user["profile"][name]
                for _, other in self._org.store.all("user")
            )
        ]

    def _remember_before(self, user_id: str, before: User | None) -> None:
        lag = float(self._org.settings()["search_lag_seconds"])
        if lag > 0:
            until = self._org.now() + int(lag * SECOND)
            known = self._org.store.get("searchlag", user_id)
            if known is not None and known["until"] > self._org.now():
                before = known["before"]
            self._org.store.put("searchlag", user_id, {"until": until, "before": before})

    def _settled(self, user: User) -> User:
        """The user after a transition whose time has come."""
        due = user.get("transition_due")
        if due is None or due > self._org.now():
            return user
        after = {name: value for name, value in user.items() if name != "transition_due"}
        after["status"] = after.pop("transitioningToStatus")
        with self._org.store.transaction():
            return self.replace(user, after)

    def refuse_if_moving(self, user: User) -> None:
        """E0000112 while an asynchronous lifecycle call is under way."""
        if user.get("transition_due") is not None:
            raise OktaError("E0000112")
