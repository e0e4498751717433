"""Control of the SCIM side: what the app's Provisioning tab and Assignments tab can do.

Every verb answers {"ok", "calls": [{operation, method, path, status}]}, and when something failed
"error" and "failed": [{"kind", "subject", "error"}]. A task the app throttled is waited for, for at most
`patience` seconds (a member of the request), and stays in the list after that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.okta.api.gate import ADMIN
from scim_bridge.sandbox.okta.control import refusal
from scim_bridge.sandbox.okta.directory import User
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import profiles, statuses
from scim_bridge.sandbox.okta.parts import Parts
from scim_bridge.sandbox.okta.scim_side.config import BadConfig, read_config
from scim_bridge.sandbox.okta.scim_side.runner import PATIENCE_SECONDS, Runner
from scim_bridge.sandbox.okta.scim_side.tasks import Task

Body = dict[str, Any]


def routes(parts: Parts, runner: Runner) -> list[BaseRoute]:
    """The verbs under /sandbox/scim."""
    verbs = Verbs(parts)

    def verb(path: str, act: Callable[[Body], Sequence[str]]) -> BaseRoute:
        async def run(request: Request) -> Any:
            body = await read_object(request)
            if parts.tasks.config() is None:
                raise Refusal("Provisioning is not configured: POST /sandbox/scim/configure first.", 409)
            try:
                with parts.org.store.transaction(), parts.tasks.collecting() as added:
                    extra = act(body)
            except OktaError as error:
                raise refusal(error) from None
            keys = list(dict.fromkeys([*added, *extra]))
            return report(await runner.settle(keys, _patience(body)))

        return control_route(f"/scim/{path}", run, ["POST"])

    async def configure(request: Request) -> Any:
        try:
            config = read_config(await read_object(request))
        except BadConfig as error:
            raise Refusal(str(error)) from None
        parts.org.store.put("setting", "scim", config.as_dict())
        return {"ok": True, "base_url": config.base_url, "dialect": config.dialect, "auth": config.auth}

    async def tasks(request: Request) -> Any:
        return {"waiting": parts.tasks.open(), "failed": parts.tasks.failed()}

    return [
        control_route("/scim/configure", configure, ["POST"]),
        control_route("/scim/tasks", tasks, ["GET"]),
        verb("test", verbs.test),
        verb("import", verbs.bring_in),
        verb("assign", verbs.assign),
        verb("update", verbs.update),
        verb("deactivate", verbs.deactivate),
        verb("reactivate", verbs.reactivate),
        verb("push-groups", verbs.push_groups),
        verb("unpush-groups", verbs.unpush_groups),
        verb("retry", verbs.retry),
        verb("settle", verbs.settle),
    ]


def report(tasks: Sequence[Task]) -> dict[str, Any]:
    """What came of tasks, as a control call answers it."""
    calls = [call for task in tasks for call in task["calls"]]
    bad = [task for task in tasks if task["state"] != "done"]
    told: dict[str, Any] = {"ok": not bad, "calls": calls}
    results = [task["detail"]["result"] for task in tasks if "result" in task["detail"]]
    if results:
        told["result"] = results[-1]
    if bad:
        told["error"] = f"{bad[0]['kind']} of {bad[0]['subject']}: {bad[0]['error']}"
        told["failed"] = [{"kind": t["kind"], "subject": t["subject"], "error": t["error"]} for t in bad]
    return told


def _patience(body: Mapping[str, Any]) -> float:
    given = body.get("patience", PATIENCE_SECONDS)
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise Refusal("'patience' is a number of seconds.")
    return float(given)


def _texts(body: Body, name: str) -> list[str]:
    found = body.get(name)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise Refusal(f"{name!r} is a list of texts.")
    return found


class Verbs:
    """Each verb acts in one transaction and may name further tasks to wait for."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def test(self, body: Body) -> Sequence[str]:
        """Test connector configuration."""
        self._parts.tasks.add("test", "connector")
        return ()

    def bring_in(self, body: Body) -> Sequence[str]:
        """Import now."""
        self._parts.tasks.add("import", "connector")
        return ()

    def assign(self, body: Body) -> Sequence[str]:
        """Assign users by login; one who is assigned already (by import) is provisioned again."""
        for login in _texts(body, "logins"):
            self._provision(self._user({"login": login}))
        return ()

    def update(self, body: Body) -> Sequence[str]:
        """Change a user's Okta profile; null clears."""
        user, profile = self._user(body), body.get("profile")
        if not isinstance(profile, dict):
            raise Refusal("'profile' is an object.")
        changed = {**user, "profile": profiles.merged(user["profile"], profile)}
        self._parts.lifecycle.change(user, changed, ADMIN)
        return self._open_for(user)

    def deactivate(self, body: Body) -> Sequence[str]:
        """Take the assignment away; with "how": "user" deactivate the Okta user, which does so too."""
        user = self._user(body)
        if self._how(body) == "user":
            self._parts.lifecycle.act(user, "deactivate", ADMIN)
        else:
            self._parts.assignments.unassign(user, ADMIN)
        return self._open_for(user)

    def reactivate(self, body: Body) -> Sequence[str]:
        """Assign again; a deactivated Okta user is activated first, with "how": "user" a suspended one too."""
        user = self._user(body)
        if user["status"] == statuses.DEPROVISIONED:
            user = self._parts.lifecycle.act(user, "activate", ADMIN)
        elif self._how(body) == "user" and user["status"] == statuses.SUSPENDED:
            user = self._parts.lifecycle.act(user, "unsuspend", ADMIN)
        self._provision(user)
        return ()

    def push_groups(self, body: Body) -> Sequence[str]:
        """Push groups by name; with "now": true overwrite all members."""
        for name in _texts(body, "names"):
            group = self._parts.groups.named(name)
            if group is None:
                raise Refusal(f"There is no group {name!r}.")
            if self._parts.org.store.get("grouppush", group["id"]) is None:
                fresh = {"group": group["id"], "scim_id": None, "name": "", "members": []}
                self._parts.org.store.put("grouppush", group["id"], fresh)
            self._parts.tasks.add("push-group", group["id"], now=bool(body.get("now")))
        return ()

    def unpush_groups(self, body: Body) -> Sequence[str]:
        """Stop pushing groups; with "delete": true delete them in the app."""
        for name in _texts(body, "names"):
            group = self._parts.groups.named(name)
            pushed = group and self._parts.org.store.get("grouppush", group["id"])
            if not group or not pushed:
                raise Refusal(f"The group {name!r} is not pushed.")
            self._parts.org.store.delete("grouppush", group["id"])
            if body.get("delete") and pushed["scim_id"]:
                self._parts.tasks.add("delete-group", group["id"], scim_id=pushed["scim_id"])
        return ()

    def retry(self, body: Body) -> Sequence[str]:
        """Try every failed task again."""
        return [self._parts.tasks.retry(task) for task in self._parts.tasks.failed()]

    def settle(self, body: Body) -> Sequence[str]:
        """Wait for everything that is in the task list now."""
        return [task["id"] for task in self._parts.tasks.open()]

    def _user(self, body: Body) -> User:
        login = body.get("login")
        user = self._parts.directory.find(login) if isinstance(login, str) else None
        if user is None:
            raise Refusal(f"There is no Okta user {login!r}.")
        return user

    def _how(self, body: Body) -> str:
        how = body.get("how", "assignment")
        if how not in ("assignment", "user"):
            raise Refusal("'how' is assignment or user.")
        return str(how)

    def _provision(self, user: User) -> None:
        if self._parts.assignments.of(user["id"]) is None:
            self._parts.assignments.assign(user, ADMIN)
        else:
            self._parts.tasks.add("provision", user["id"])

    def _open_for(self, user: User) -> list[str]:
        """Tasks about this user that still wait: a call repeated after a kill -9 waits for them too."""
        return [task["id"] for task in self._parts.tasks.open() if task["subject"] == user["id"]]
