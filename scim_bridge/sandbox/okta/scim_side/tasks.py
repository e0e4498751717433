"""The task list: what is to be provisioned, what was, and what failed and why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.okta.org import Org
from scim_bridge.sandbox.okta.scim_side.config import Config

WAITING, DONE, FAILED = "waiting", "done", "failed"
OPEN_KIND, CLOSED_KIND = "task", "closedtask"
Task = dict[str, Any]


class Tasks:
    """Tasks in the order they were added; those about one user or group never overtake each other."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._collector: list[str] | None = None

    def config(self) -> Config | None:
        """The provisioning settings, None while provisioning is off."""
        stored = self._org.store.get("setting", "scim")
        return Config(**stored) if stored else None

    def add(self, kind: str, subject: str, **detail: Any) -> str | None:
        """Add a task; its id. None while provisioning is off: Okta then does nothing, now or later."""
        if self.config() is None:
            return None
        key = self._org.ids.new("tsk")
        task = {
            "id": key,
            "kind": kind,
            "subject": subject,
            "detail": detail,
            "state": WAITING,
            "tries": 0,
            "not_before": 0,
            "error": None,
            "created": self._org.stamp(),
            "finished": None,
            "calls": [],
        }
        self._org.store.put(OPEN_KIND, key, task)
        if self._collector is not None:
            self._collector.append(key)
        return key

    @contextlib.contextmanager
    def collecting(self) -> Iterator[list[str]]:
        """The ids of the tasks added inside the block. Never await inside."""
        found: list[str] = []
        self._collector = found
        try:
            yield found
        finally:
            self._collector = None

    def get(self, key: str) -> Task:
        """A task by id, open or closed."""
        found = self._org.store.get(OPEN_KIND, key) or self._org.store.get(CLOSED_KIND, key)
        assert found is not None, f"task {key} is gone"
        return found

    def open(self) -> list[Task]:
        """Tasks that wait, oldest first."""
        return [task for _, task in self._org.store.all(OPEN_KIND)]

    def failed(self) -> list[Task]:
        """Tasks that failed, oldest first."""
        return [task for _, task in self._org.store.all(CLOSED_KIND) if task["state"] == FAILED]

    def ready(self) -> list[Task]:
        """Tasks that may run now: not throttled, and no earlier task about the same subject waits."""
        now, blocked, found = self._org.now(), set(), []
        for task in self.open():
            if task["subject"] not in blocked and task["not_before"] <= now:
                found.append(task)
            blocked.add(task["subject"])
        return found

    def pending(self, kind: str, subject: str) -> str | None:
        """The id of a task of this kind about this subject that was not tried yet, or None."""
        for task in self.open():
            if (task["kind"], task["subject"], task["tries"]) == (kind, subject, 0):
                if self._collector is not None:
                    self._collector.append(task["id"])
                return str(task["id"])
        return None

    def begin(self, task: Task) -> Task:
        """Note that a try begins."""
        begun = {**task, "tries": task["tries"] + 1}
        self._org.store.put(OPEN_KIND, task["id"], begun)
        return begun

    def postpone(self, task: Task, seconds: int, calls: Sequence[Mapping[str, Any]]) -> None:
        """Try again after so many seconds."""
        later = {
            **task,
            "not_before": self._org.now() + seconds * SECOND,
            "error": f"The app said 429; the task is tried again in {seconds} s.",
            "calls": [*task["calls"], *calls],
        }
        self._org.store.put(OPEN_KIND, task["id"], later)

    def finish(self, task: Task, error: str | None, calls: Sequence[Mapping[str, Any]]) -> None:
        """Done, or failed with what an admin reads."""
        ended = {
            **task,
            "state": DONE if error is None else FAILED,
            "error": error,
            "finished": self._org.stamp(),
            "calls": [*task["calls"], *calls],
        }
        with self._org.store.transaction():
            self._org.store.delete(OPEN_KIND, task["id"])
            self._org.store.put(CLOSED_KIND, task["id"], ended)

    def retry(self, task: Task) -> str:
        """Put a failed task back into the list, as the Admin Console's button does; its id."""
        fresh = {**task, "state": WAITING, "tries": 0, "not_before": 0, "error": None, "finished": None}
        with self._org.store.transaction():
            self._org.store.delete(CLOSED_KIND, task["id"])
            self._org.store.put(OPEN_KIND, task["id"], fresh)
        return str(task["id"])
