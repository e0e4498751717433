"""Lifecycle calls and profile changes with everything Okta does along with them."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import Caller
from scim_bridge.sandbox.okta.assignments import Assignments
from scim_bridge.sandbox.okta.directory import Directory, User
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.org import Org


class Lifecycle:
    """What changes a user. Every method belongs into a transaction of the store."""

    def __init__(self, org: Org, directory: Directory, assignments: Assignments) -> None:
        self._org = org
        self._directory = directory
        self._assignments = assignments

    def act(self, user: User, action: str, actor: Caller, *, later: bool = False) -> User:
        """Follow a lifecycle call; OktaError in the wrong status. `later`: the caller does not wait."""
        self._directory.refuse_if_moving(user)
        status = statuses.after(action, user["status"], user["credentials"])
        after = {**user, "status": status}
        if action == "deactivate":
            after["credentials"] = {k: v for k, v in user["credentials"].items() if k != "password"}
            self._assignments.unassign(user, actor)
            after = self._delayed(user, after) if later else after
        done = self._directory.replace(user, after)
        events.write(self._org, f"user.lifecycle.{action}", actor, [events.user_target(done)])
        return done

    def _delayed(self, before: User, after: User) -> User:
        seconds = float(self._org.settings()["deactivation_seconds"])
        if seconds <= 0:
            return after
        due = self._org.now() + int(seconds * SECOND)
        moving = {"transitioningToStatus": after["status"], "transition_due": due}
        return {**after, "status": before["status"], **moving}

    def change(self, user: User, after: User, actor: Caller) -> User:
        """Store a changed profile or type; E0000038 for a deactivated user."""
        if user["status"] == statuses.DEPROVISIONED:
            raise OktaError("E0000038")
        self._directory.refuse_if_moving(user)
        done = self._directory.replace(user, after)
        if done["type"] != user["type"]:
            events.write(self._org, "user.account.update_user_type", actor, [events.user_target(done)])
        if done["profile"] != user["profile"]:
            changed = _differences(user["profile"], done["profile"])
            target = {**events.user_target(done), "changeDetails": changed}
            events.write(self._org, "user.account.update_profile", actor, [target])
            self._assignments.profile_changed(user, done)
        return done

    def delete(self, user: User, actor: Caller, *, later: bool = False) -> None:
        """Deactivate a user that is not; delete one that is."""
        if user["status"] != statuses.DEPROVISIONED:
            self.act(user, "deactivate", actor, later=later)
            return
        target = [events.user_target(user)]
        events.write(self._org, "user.lifecycle.delete.initiated", actor, target)
        self._directory.remove(user)
        events.write(self._org, "user.lifecycle.delete.completed", actor, target)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "from": {name: before.get(name) for name in names},
        "to": {name: after.get(name) for name in names},
    }
