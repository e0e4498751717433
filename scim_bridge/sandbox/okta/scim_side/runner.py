"""Performs tasks one after the other, and records what came of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx2

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.scim_client import ScimCaller
from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import SYSTEM
from scim_bridge.sandbox.okta.parts import Parts
from scim_bridge.sandbox.okta.scim_side import answers, bodies, people, pushing
from scim_bridge.sandbox.okta.scim_side.config import Config
from scim_bridge.sandbox.okta.scim_side.import_users import import_users
from scim_bridge.sandbox.okta.scim_side.pushing import Pushed
from scim_bridge.sandbox.okta.scim_side.session import Session
from scim_bridge.sandbox.okta.scim_side.tasks import Task

log = logging.getLogger("sandbox.okta.scim")
PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 45.0


class Runner:
    """`transport` replaces the network in tests of one process."""

    def __init__(self, parts: Parts, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._parts = parts
        self._transport = transport
        self._busy = asyncio.Lock()
        self._kinds: dict[str, Callable[[Session, Config, Task], Awaitable[None]]] = {
            "test": self._test,
            "import": self._import,
            "provision": self._provision,
            "update": self._update,
            "deactivate": self._deactivate,
            "push-group": self._push_group,
            "delete-group": self._delete_group,
        }

    async def forever(self) -> None:
        """Perform tasks as they become ready, until cancelled."""
        while True:
            try:
                await self.run()
            except Exception:
                log.exception("the task runner failed")
            await asyncio.sleep(PAUSE_SECONDS)

    async def run(self) -> None:
        """Perform every task that is ready, and those that become ready by that."""
        async with self._busy:
            while ready := self._parts.tasks.ready():
                for task in ready:
                    await self._perform(task)

    async def settle(self, keys: Sequence[str], patience: float = PATIENCE_SECONDS) -> list[Task]:
        """Perform these tasks, waiting where the app asked for it, at most `patience` seconds; the tasks."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            await self.run()
            found = [self._parts.tasks.get(key) for key in keys]
            waits = [task["not_before"] for task in found if task["state"] == "waiting"]
            left = deadline - loop.time()
            wait = (min(waits) - self._parts.org.now()) / SECOND if waits else 0.0
            if not waits or wait > left:
                return found
            await asyncio.sleep(max(wait, 0.01))

    async def _perform(self, task: Task) -> None:
        tasks = self._parts.tasks
        config = tasks.config()
        task = tasks.begin(task)
        if config is None:
            tasks.finish(task, "Provisioning is switched off.", [])
            return
        headers = {**bodies.HEADERS, "authorization": config.authorization}
        async with ScimCaller(
            self._parts.org.store,
            config.base_url,
            config.token,
            config.ca_file or None,
            headers,
            content_type=bodies.CONTENT_TYPE,
            transport=self._transport,
        ) as caller:
            session = Session(caller)
            try:
                await self._kinds[task["kind"]](session, config, task)
            except answers.Throttled as throttled:
                if task["tries"] >= answers.MAX_TRIES:
                    tasks.finish(task, f"The app said 429 {answers.MAX_TRIES} times.", session.calls)
                else:
                    seconds = answers.wait_before(throttled.seconds, task["tries"])
                    tasks.postpone(task, seconds, session.calls)
            except answers.Failed as failed:
                tasks.finish(task, str(failed), session.calls)
            else:
                tasks.finish(task, None, session.calls)

    def _told(self, kind: str, task: Task, targets: Sequence[dict[str, Any]]) -> None:
        app = events.app_target(self._parts.org.app())
        events.write(self._parts.org, kind, SYSTEM, [*targets, app], debug={"task": task["id"]})

    async def _test(self, session: Session, config: Config, task: Task) -> None:
        await session.page("Users", 1, 2)
        if self._parts.org.settings()["import_groups"]:
            await session.page("Groups", 1)

    async def _import(self, session: Session, config: Config, task: Task) -> None:
        result = await import_users(self._parts, session)
        task["detail"] = {**task["detail"], "result": result}

    async def _provision(self, session: Session, config: Config, task: Task) -> None:
        parts = self._parts
        user = parts.directory.find(task["subject"])
        if user is None or parts.assignments.of(user["id"]) is None:
            return
        scim_id = await people.provision(session, config.dialect, user["profile"], user["id"])
        with parts.org.store.transaction():
            now = parts.directory.find(user["id"]) or user
            if parts.assignments.of(user["id"]) is None:
                # Unassigned while the request was under way: what was created must not stay active.
                parts.tasks.add("deactivate", user["id"], scim_id=scim_id, profile=now["profile"])
                return
            parts.assignments.link(user, scim_id)
            self._told("application.provision.user.push", task, [events.user_target(user)])
            for group in parts.groups.of(user):
                parts.groups.push(group["id"])

    async def _update(self, session: Session, config: Config, task: Task) -> None:
        parts = self._parts
        user, assigned = parts.directory.find(task["subject"]), parts.assignments.of(task["subject"])
        if user is None or assigned is None or assigned["externalId"] is None:
            return
        await people.replace(session, assigned["externalId"], user["profile"], user["id"], active=True)
        with parts.org.store.transaction():
            parts.assignments.link(user, assigned["externalId"])
            self._told("application.provision.user.push_profile", task, [events.user_target(user)])

    async def _deactivate(self, session: Session, config: Config, task: Task) -> None:
        detail, okta_id = task["detail"], task["subject"]
        await people.deactivate(session, config.dialect, detail["scim_id"], detail["profile"], okta_id)
        target = events.user_target({"id": okta_id, "profile": detail["profile"]})
        self._told("application.provision.user.deactivate", task, [target])

    async def _push_group(self, session: Session, config: Config, task: Task) -> None:
        store, group_id = self._parts.org.store, task["subject"]
        group, stored = store.get("group", group_id), store.get("grouppush", group_id)
        if group is None or stored is None:
            return
        before = Pushed(stored["scim_id"], stored["name"], tuple(stored["members"]))
        members = []
        for user in self._parts.groups.members(group):
            assigned = self._parts.assignments.of(user["id"])
            if assigned is not None and assigned["externalId"] is not None:
                members.append(bodies.member(assigned["externalId"], user["profile"]["login"]))
        name, now = group["profile"]["name"], bool(task["detail"].get("now"))
        after = await pushing.push(session, config.dialect, before, name, members, now=now)
        with store.transaction():
            if store.get("grouppush", group_id) is not None:
                pushed = {"scim_id": after.scim_id, "name": after.name, "members": list(after.members)}
                store.put("grouppush", group_id, {**stored, **pushed})
            self._told("application.provision.group_push.push", task, [events.group_target(group)])

    async def _delete_group(self, session: Session, config: Config, task: Task) -> None:
        await session.delete_group(task["detail"]["scim_id"])
        target = events.other_target("UserGroup", task["subject"], "")
        self._told("application.provision.group_push.delete", task, [target])
