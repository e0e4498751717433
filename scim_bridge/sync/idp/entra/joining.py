"""Members put into a group together: what several changes ask for at the same time is one call of up to twenty."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from scim_bridge.sync.idp.entra.calls import V1, Reply
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.refusals import SETTLING, already_there, error_of
from scim_bridge.sync.idp.port import IdpError

# Graph, "Add members": at most twenty in one PATCH.
TOGETHER = 20
PAUSE = 0.05


class Joining:
    """Collects for a moment, then writes. Used from one event loop."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._waiting: dict[str, list[tuple[str, asyncio.Future[None]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, group_id: str, name: str, member_id: str) -> None:
        """Put one member into a group; IdpError as if it had been alone. Being there already is done."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(group_id, [])
        waiting.append((member_id, done))
        if len(waiting) == 1:
            task = asyncio.create_task(self._later(group_id, name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await done

    async def _later(self, group_id: str, name: str) -> None:
        await asyncio.sleep(PAUSE)
        waiting = self._waiting.pop(group_id)
        for start in range(0, len(waiting), TOGETHER):
            part = waiting[start : start + TOGETHER]
            try:
                await self._write(group_id, name, [member for member, _ in part])
            except IdpError as error:
                if len(part) > 1 and not error.transient:
                    # One of them is the reason: each by itself, so that it alone is parked.
                    await self._apart(group_id, name, part)
                else:
                    _settle(part, error)
            except BaseException as error:
                _settle(part, error)
                raise
            else:
                _settle(part, None)

    async def _apart(
        self, group_id: str, name: str, part: Sequence[tuple[str, asyncio.Future[None]]]
    ) -> None:
        for one in part:
            try:
                await self._write(group_id, name, [one[0]])
            except IdpError as error:
                _settle([one], error)
            else:
                _settle([one], None)

    async def _write(self, group_id: str, name: str, members: Sequence[str]) -> None:
        links = [f"{self._graph.base_url}/{V1}/directoryObjects/{member}" for member in members]
        what = f"put the agent into the group {name}"
        if len(links) == 1:
            path, method, body = f"/groups/{group_id}/members/$ref", "POST", {"@odata.id": links[0]}
            reply = await self._graph.call(what, method, path, body, expect=_known_answer)
        else:
            bound = {"members@odata.bind": links}
            reply = await self._graph.call(what, "PATCH", f"/groups/{group_id}", bound, expect=absent_now)
        if reply.status == 404:
            raise IdpError(
                "entra-settling",
                f"Entra does not find the group {name} or the agent identity now.",
                transient=True,
                retry_after=SETTLING,
            )


def absent_now(reply: Reply) -> bool:
    """The group or a member is not there, or not yet."""
    return reply.status == 404


def _known_answer(reply: Reply) -> bool:
    return absent_now(reply) or already_there(reply.status, error_of(reply.body)[1])


def _settle(part: Sequence[tuple[str, asyncio.Future[None]]], error: BaseException | None) -> None:
    for _, done in part:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
