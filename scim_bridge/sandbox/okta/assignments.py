"""Who is assigned to the app, and what that asks of the SCIM side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import SYSTEM, Caller
from scim_bridge.sandbox.okta.directory import User
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.org import Org
from scim_bridge.sandbox.okta.scim_side import bodies
from scim_bridge.sandbox.okta.scim_side.tasks import Tasks

AppUser = dict[str, Any]


class Assignments:
    """App users, by the id of the Okta user. Writing methods belong into a transaction."""

    def __init__(self, org: Org, tasks: Tasks) -> None:
        self._org = org
        self._tasks = tasks

    def of(self, user_id: str) -> AppUser | None:
        """The assignment of a user, or None."""
        return self._org.store.get("appuser", user_id)

    def all(self) -> list[AppUser]:
        """Every assignment, oldest first."""
        return [value for _, value in self._org.store.all("appuser")]

    def assign(
        self, user: User, actor: Caller, profile: Mapping[str, Any] | None = None, scope: str = "USER"
    ) -> tuple[AppUser, str | None]:
        """Assign a user; the app user and the task that provisions it (None while provisioning is off)."""
        if user["status"] == statuses.DEPROVISIONED:
            raise OktaError("E0000038")
        if self.of(user["id"]) is not None:
            raise OktaError("E0000062")
        made = self._put(user, None, "STAGED", profile or {}, scope)
        self._tell("application.user_membership.add", actor, user)
        return made, self._tasks.add("provision", user["id"])

    def link(self, user: User, scim_id: str) -> AppUser:
        """Record which of the app's users a user is, after import or provisioning."""
        known = self.of(user["id"])
        if known is None:
            made = self._put(user, scim_id, "PROVISIONED", {}, "USER")
            self._tell("application.user_membership.add", SYSTEM, user)
            return made
        now = self._org.stamp()
        after = {
            **known,
            "externalId": scim_id,
            "status": "PROVISIONED",
            "syncState": "SYNCHRONIZED",
            "lastSync": now,
            "lastUpdated": now,
        }
        self._org.store.put("appuser", user["id"], after)
        return after

    def unassign(self, user: User, actor: Caller) -> str | None:
        """Take an assignment away; the task that deactivates the app's user, if there is one."""
        known = self.of(user["id"])
        if known is None:
            return None
        self._org.store.delete("appuser", user["id"])
        self._tell("application.user_membership.remove", actor, user)
        if known["externalId"] is None:
            return None
        return self._tasks.add("deactivate", user["id"], scim_id=known["externalId"], profile=user["profile"])

    def profile_changed(self, before: User, after: User) -> str | None:
        """The task that pushes a profile, when a mapped property of an assigned user changed."""
        known = self.of(after["id"])
        if known is None or known["externalId"] is None:
            return None
        if bodies.mapped(before["profile"]) == bodies.mapped(after["profile"]):
            return None
        return self._tasks.pending("update", after["id"]) or self._tasks.add("update", after["id"])

    def _put(
        self, user: User, scim_id: str | None, status: str, profile: Mapping[str, Any], scope: str
    ) -> AppUser:
        now = self._org.stamp()
        made = {
            "id": user["id"],
            "user": user["id"],
            "app": self._org.app()["id"],
            "externalId": scim_id,
            "created": now,
            "lastUpdated": now,
            "lastSync": now if scim_id else None,
            "scope": scope,
            "status": status,
            "statusChanged": now,
            "syncState": "SYNCHRONIZED"
            if scim_id
            else "DISABLED"
            if self._tasks.config() is None
            else "SYNCING",
            "credentials": {"userName": user["profile"]["login"]},
            "profile": {
                "givenName": user["profile"].get("firstName"),
                "familyName": user["profile"].get("lastName"),
                "email": user["profile"].get("email"),
                **profile,
            },
        }
        self._org.store.put("appuser", user["id"], made)
        return made

    def _tell(self, kind: str, actor: Caller, user: User) -> None:
        targets = [events.user_target(user), events.app_target(self._org.app())]
        events.write(self._org, kind, actor, targets)
