"""Groups and who is in them, pushed to the app where they are pushed."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.okta import events, ids
from scim_bridge.sandbox.okta.api.gate import Caller
from scim_bridge.sandbox.okta.directory import Directory, User
from scim_bridge.sandbox.okta.errors import OktaError, invalid, not_found
from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.model.profiles import fold
from scim_bridge.sandbox.okta.org import Org
from scim_bridge.sandbox.okta.scim_side.tasks import Tasks

Group = dict[str, Any]
MAX_NAME = 255


class Groups:
    """The groups of an org. Writing methods belong into a transaction."""

    def __init__(self, org: Org, directory: Directory, tasks: Tasks) -> None:
        self._org = org
        self._directory = directory
        self._tasks = tasks

    def all(self) -> list[Group]:
        """Every group, oldest first."""
        return [value for _, value in self._org.store.all("group")]

    def need(self, key: str) -> Group:
        """The group with this id; E0000007 otherwise."""
        found = self._org.store.get("group", key)
        if found is None:
            raise not_found(key, "UserGroup")
        return found

    def named(self, name: str) -> Group | None:
        """The group with this name, whatever its case."""
        return next((g for g in self.all() if g["profile"]["name"].casefold() == name.casefold()), None)

    def create(self, profile: dict[str, Any], actor: Caller) -> Group:
        """A new group; E0000055 for a name in use."""
        self._check(profile, None)
        now = self._org.stamp()
        made: Group = {
            "id": self._org.ids.new(ids.GROUP),
            "created": now,
            "lastUpdated": now,
            "lastMembershipUpdated": now,
            "objectClass": ["okta:user_group"],
            "type": "OKTA_GROUP",
            "profile": {"description": None, **profile},
        }
        self._org.store.put("group", made["id"], made)
        events.write(self._org, "group.lifecycle.create", actor, [events.group_target(made)])
        return made

    def change(self, group: Group, profile: dict[str, Any], actor: Caller) -> Group:
        """Another profile for a group; its push follows."""
        self._refuse_built_in(group)
        self._check(profile, group["id"])
        after = {**group, "profile": {"description": None, **profile}, "lastUpdated": self._org.stamp()}
        self._org.store.put("group", group["id"], after)
        events.write(self._org, "group.profile.update", actor, [events.group_target(after)])
        self.push(group["id"])
        return after

    def delete(self, group: Group, actor: Caller) -> None:
        """Delete a group; a pushed one is deleted in the app too."""
        self._refuse_built_in(group)
        store = self._org.store
        for kind in ("membership", "wantedmember", "groupowner"):
            for key, value in store.all(kind):
                if value["group"] == group["id"]:
                    store.delete(kind, key)
        pushed = store.get("grouppush", group["id"])
        if pushed is not None:
            store.delete("grouppush", group["id"])
            if pushed["scim_id"]:
                self._tasks.add("delete-group", group["id"], scim_id=pushed["scim_id"])
        store.delete("group", group["id"])
        events.write(self._org, "group.lifecycle.delete", actor, [events.group_target(group)])

    def members(self, group: Group) -> list[User]:
        """The users in a group, oldest first; everybody who is not deactivated in the built-in one."""
        users = self._directory.everybody()
        if group["type"] == "BUILT_IN":
            return [user for user in users if user["status"] != statuses.DEPROVISIONED]
        inside = {v["user"] for _, v in self._org.store.all("membership") if v["group"] == group["id"]}
        return [user for user in users if user["id"] in inside]

    def of(self, user: User) -> list[Group]:
        """The groups a user is in."""
        inside = {v["group"] for _, v in self._org.store.all("membership") if v["user"] == user["id"]}
        return [g for g in self.all() if g["id"] in inside or g["type"] == "BUILT_IN"]

    def add(self, group: Group, user: User, actor: Caller) -> None:
        """Put a user into a group; one who is in it already stays."""
        self._refuse_built_in(group)
        key = f"{group['id']}:{user['id']}"
        if self._org.store.get("membership", key) is None:
            self._org.store.put("membership", key, {"group": group["id"], "user": user["id"]})
            self._membership_changed(group, user, "add", actor)

    def remove(self, group: Group, user: User, actor: Caller) -> None:
        """Take a user out of a group; one who is not in it is fine."""
        self._refuse_built_in(group)
        if self._org.store.delete("membership", f"{group['id']}:{user['id']}"):
            self._membership_changed(group, user, "remove", actor)

    def expect(self, group: Group, login: str) -> None:
        """Put the user with this login into the group as soon as there is one."""
        key = f"{group['id']}:{fold(login)}"
        self._org.store.put("wantedmember", key, {"group": group["id"], "login": fold(login)})

    def welcome(self, user: User, actor: Caller) -> None:
        """Put a new user into the groups that waited for it."""
        for key, value in self._org.store.all("wantedmember"):
            if value["login"] == fold(user["profile"]["login"]):
                self._org.store.delete("wantedmember", key)
                self.add(self.need(value["group"]), user, actor)

    def push(self, group_id: str) -> str | None:
        """The task that brings a pushed group up to date; None for one that is not pushed."""
        if self._org.store.get("grouppush", group_id) is None:
            return None
        return self._tasks.pending("push-group", group_id) or self._tasks.add("push-group", group_id)

    def _membership_changed(self, group: Group, user: User, verb: str, actor: Caller) -> None:
        after = {**self.need(group["id"]), "lastMembershipUpdated": self._org.stamp()}
        self._org.store.put("group", group["id"], after)
        targets = [events.user_target(user), events.group_target(after)]
        events.write(self._org, f"group.user_membership.{verb}", actor, targets)
        self.push(group["id"])

    def _check(self, profile: dict[str, Any], own_id: str | None) -> None:
        name = profile.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
            raise invalid("name", f"name: The name must have 1 to {MAX_NAME} characters")
        unknown = sorted(set(profile) - {"name", "description", "objectClass"})
        if unknown:
            raise invalid(unknown[0], f"{unknown[0]}: Property is not defined in the group schema")
        known = self.named(name)
        if known is not None and known["id"] != own_id:
            raise OktaError("E0000055", "", [f"A group named {name} exists already"])

    def _refuse_built_in(self, group: Group) -> None:
        if group["type"] == "BUILT_IN":
            raise OktaError("E0000060")
