"""kill -9 in the middle of a run, again and again: the end is that of a run nobody disturbed."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from scim_bridge.app import Bridge
from scim_bridge.sync.plan import make_plan
from scim_bridge.sync.run import RUNNING, Run, run
from tests.conftest import TESTER
from tests.forked import Forked
from tests.sync.scale.peer import Peer
from tests.sync.scale.site import NAME, Progress, begin, furnish, with_bridge, worker

LOOK = 0.1


@dataclass(frozen=True)
class Outcome:
    """What came of it. `doubled` are names that the peer has more than once."""

    run: Run
    kills: int
    seconds: float
    doubled: list[str]
    left: int
    same: bool


def undisturbed(
    url: str, peer: Peer, agents: int, forking: Path | None = None
) -> dict[str, list[dict[str, object]]]:
    """The peer's agents after a run of one worker that nobody killed, by name."""
    disturbed(url, peer, agents, kills=0, workers=1, expected=None, forking=forking)
    found = peer.agents()
    peer.fresh()
    return found


def disturbed(
    url: str,
    peer: Peer,
    agents: int,
    *,
    kills: int,
    workers: int,
    expected: dict[str, list[dict[str, object]]] | None,
    patience: float = 3600,
    forking: Path | None = None,
) -> Outcome:
    """A run of so many agents whose workers are killed `kills` times, one at a time, evenly over the run."""

    async def prepare(bridge: Bridge) -> str:
        await furnish(bridge, peer, agents)
        return await begin(bridge)

    run_id = with_bridge(url, prepare)
    chance = random.Random(agents * 1000 + kills)
    begun = time.monotonic()
    crew = [worker(url, forking) for _ in range(workers)]
    killed, progress = 0, Progress(url, run_id)
    try:
        while True:
            state, settled = progress.now()
            if state != RUNNING or time.monotonic() - begun > patience:
                break
            if killed < kills and settled > (killed + 1) * agents // (kills + 1):
                number = chance.randrange(workers)
                _kill(crew[number])
                crew[number] = worker(url, forking)
                killed += 1
            time.sleep(LOOK)
        seconds = time.monotonic() - begun
    finally:
        progress.close()
        for process in crew:
            process.terminate()
        for process in crew:
            process.wait(60)
            assert process.stdin is not None
            process.stdin.close()

    async def after(bridge: Bridge) -> tuple[Run, int]:
        there, idp = await bridge.idps.of(NAME)
        plan = await make_plan(bridge.ctx, TESTER, there, idp)
        return await run(bridge.ctx.store.reads, run_id), plan.changes

    there = peer.agents()
    doubled = sorted(name for name, objects in there.items() if len(objects) > 1)
    same = expected is None or _without_ids(there) == _without_ids(expected)
    ended, left = with_bridge(url, after)
    return Outcome(ended, killed, seconds, doubled, left, same)


def _kill(process: Forked | subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def _without_ids(found: dict[str, list[dict[str, object]]]) -> str:
    """The same for two runs that made the same: our agents' ids differ from one database to the next."""
    return repr(sorted((name, [_plain(one) for one in objects]) for name, objects in found.items()))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in sorted(value.items()) if k not in ("agentId", "managerId")}
    return value
