"""Several writes of one object in one call: Graph's `$batch`, twenty at a time, each with its own answer.

Source: Graph "Combine multiple requests in one HTTP call using JSON batching".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.sync.idp.entra.calls import Reply, answers_in
from scim_bridge.sync.idp.entra.graph import BATCH, Graph
from scim_bridge.sync.idp.entra.refusals import refusal
from scim_bridge.sync.idp.port import IdpError

# A pause that Entra asks of one step is waited out when it is this short; else the whole change waits.
SHORT = 3
ROUNDS = 5


def _never(_reply: Reply) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Write:
    """One write. `first` are the numbers of writes that must be done before; `expect` takes an answer as done.

    `settles`: a 404 means that a fresh object is not seen everywhere yet, or that somebody just went.
    """

    what: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    expect: Callable[[Reply], bool] = _never
    first: tuple[int, ...] = ()
    settles: bool = False

    def refused(self, reply: Reply) -> IdpError:
        """The error of an answer."""
        if self.settles and reply.status == 404:
            return IdpError(
                "entra-settling",
                f"Entra did not {self.what}: it does not find it now.",
                transient=True,
                retry_after=5,
            )
        return refusal(self.what, reply.status, reply.headers, reply.body)

    def request(self, number: int, sent: Sequence[int]) -> dict[str, Any]:
        """The step of a batch; it depends only on what is in the same one."""
        step: dict[str, Any] = {"id": str(number), "method": self.method, "url": self.path}
        if self.body is not None:
            step |= {"headers": {"Content-Type": "application/json"}, "body": self.body}
        depends = [str(other) for other in self.first if other in sent]
        return {**step, "dependsOn": depends} if depends else step


async def write_all(graph: Graph, writes: Sequence[Write]) -> list[Reply]:
    """Make every write, those that do not depend on a refused one whatever becomes of the others.

    Answers in the order of the writes. IdpError afterwards when one was refused; what no waiting heals first.
    """
    if len(writes) == 1:
        (one,) = writes
        reply = await graph.call(one.what, one.method, one.path, one.body, expect=lambda _: True)
        if reply.ok or one.expect(reply):
            return [reply]
        raise one.refused(reply)
    done: dict[int, Reply] = {}
    refused: dict[int, IdpError] = {}
    for _ in range(ROUNDS):
        left = [n for n in range(len(writes)) if n not in done and n not in refused]
        if not left:
            break
        pause = 0
        for start in range(0, len(left), BATCH):
            pause = max(pause, await _round(graph, writes, left[start : start + BATCH], done, refused))
        if pause:
            await asyncio.sleep(pause)
    for number in range(len(writes)):
        if number not in done and number not in refused:
            refused[number] = IdpError(
                "entra-throttled", "Entra asks to slow down.", transient=True, retry_after=10
            )
    if refused:
        raise max(refused.values(), key=lambda error: (not error.transient, error.retry_after or 0))
    return [done[number] for number in range(len(writes))]


async def _round(
    graph: Graph,
    writes: Sequence[Write],
    numbers: Sequence[int],
    done: dict[int, Reply],
    refused: dict[int, IdpError],
) -> int:
    """Send some of the writes once; the whole seconds to wait before those that were not answered."""
    sent = [n for n in numbers if not any(other in refused for other in writes[n].first)]
    for number in set(numbers) - set(sent):
        # What it depends on will never be there: its reason is the other's.
        refused[number] = next(refused[other] for other in writes[number].first if other in refused)
    if not sent:
        return 0
    requests = [writes[n].request(n, sent) for n in sent]
    reply = await graph.call("write", "POST", "/$batch", {"requests": requests})
    pause = 0
    for number, part in answers_in(reply).items():
        if number not in sent:
            continue
        write = writes[number]
        if part.ok or write.expect(part):
            done[number] = part
        elif part.status == 424:
            continue
        else:
            error = write.refused(part)
            wait = error.retry_after or 0
            if part.status == 429 and wait <= SHORT:
                pause = max(pause, wait)
            else:
                refused[number] = error
    return pause
