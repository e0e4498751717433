"""Source-target links: which resource of the target a user or group is, and how far it was written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from scim_bridge.sandbox.entra.scim.replies import Failed
from scim_bridge.sandbox.kit.clock import SECOND, iso
from scim_bridge.sandbox.kit.store import Store

LINK = "link"
FAILURE = "failure"
JOB = "job"
HOUR = 3600 * SECOND
RETRY_HOURS = (6, 12, 24)


@dataclass(frozen=True, slots=True)
class Link:
    """`remote_id` is the resource's id; `change` the source's change number it was last written at.

    `managed` is False after a user was unassigned: the service no longer cares what becomes of it.
    `manager` and `members` are source ids as last written.
    """

    kind: str
    source_id: str
    remote_id: str
    change: int = 0
    managed: bool = True
    manager: str = ""
    members: tuple[str, ...] = ()


class Links:
    """The job's memory over the sandbox's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, kind: str, source_id: str) -> Link | None:
        """The link of a source object, or None."""
        kept = self._store.get(LINK, f"{kind}:{source_id}")
        return None if kept is None else _link(kept)

    def every(self, kind: str) -> list[Link]:
        """Every link of a type."""
        return [link for _, value in self._store.all(LINK) if (link := _link(value)).kind == kind]

    def put(self, link: Link) -> Link:
        """Keep a link."""
        self._store.put(LINK, f"{link.kind}:{link.source_id}", asdict(link))
        return link

    def drop(self, link: Link) -> None:
        """Forget a link."""
        self._store.delete(LINK, f"{link.kind}:{link.source_id}")

    def restart(self, *, full: bool) -> None:
        """Evaluate everything anew; with `full` the links are forgotten too (resetScope Full)."""
        with self._store.transaction():
            for kind in ("user", "group"):
                for link in self.every(kind):
                    if full:
                        self.drop(link)
                    else:
                        self.put(replace(link, change=0))

    def failed(self, source_id: str, error: Failed, now: int) -> None:
        """Note that an object failed, and when the service would try it again by its own clock."""
        kept = self._store.get(FAILURE, source_id) or {"count": 0, "first": iso(now)}
        count = int(kept["count"]) + 1
        wait = RETRY_HOURS[min(count, len(RETRY_HOURS)) - 1]
        entry = {**kept, "count": count, "status": error.status, "error": str(error)}
        self._store.put(FAILURE, source_id, {**entry, "next_retry": iso(now + wait * HOUR)})

    def mended(self, source_id: str) -> None:
        """Note that an object works again."""
        self._store.delete(FAILURE, source_id)

    def failures(self) -> list[dict[str, Any]]:
        """What fails, with counts and next tries."""
        return [{"id": key, **value} for key, value in self._store.all(FAILURE)]

    def quarantine(self, reason: str, now: int) -> None:
        """Put the job into quarantine."""
        self._store.put(JOB, "quarantine", {"reason": reason, "since": iso(now)})

    def quarantined(self) -> dict[str, Any] | None:
        """Why and since when the job is in quarantine, or None."""
        return self._store.get(JOB, "quarantine")

    def release(self) -> None:
        """End the quarantine."""
        self._store.delete(JOB, "quarantine")


def _link(kept: dict[str, Any]) -> Link:
    return Link(**{**kept, "members": tuple(kept["members"])})
