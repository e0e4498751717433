"""`python -m tests.sync.scale figures|kills --kind okta|entra`: the sync at its real size, as one JSON line.

figures: so many agents into an empty peer, some changed, nothing changed: calls counted at the peer.
kills: a run whose workers are killed, compared with one nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scim_bridge.app import Bridge
from scim_bridge.sync.plan import make_plan
from scim_bridge.sync.run import RUNNING, Run, run
from tests.conftest import TESTER
from tests.sync.scale.kills import disturbed, undisturbed
from tests.sync.scale.peer import Peer
from tests.sync.scale.site import NAME, Progress, begin, furnish, redescribe, with_bridge, worker


def _performed(url: str, run_id: str) -> Run:
    process, progress = worker(url), Progress(url, run_id)
    try:
        while progress.now()[0] == RUNNING:
            time.sleep(0.5)
        return with_bridge(url, lambda bridge: run(bridge.ctx.store.reads, run_id))
    finally:
        progress.close()
        process.terminate()
        process.wait(60)


def _applied(url: str, peer: Peer, what: str) -> dict[str, Any]:
    """Plan and apply, counted in two parts."""
    mark, begun = peer.mark(), time.monotonic()
    run_id = with_bridge(url, begin)
    planned, middle = time.monotonic(), peer.mark()
    found = _performed(url, run_id)
    done = time.monotonic()
    return {
        "what": what,
        "state": found.state,
        "changes": found.total,
        "plan": {"seconds": round(planned - begun, 1), **_upto(peer, mark, middle)},
        "apply": {"seconds": round(done - planned, 1), **peer.calls(middle)},
    }


def _upto(peer: Peer, mark: int, middle: int) -> dict[str, int]:
    whole, rest = peer.calls(mark), peer.calls(middle)
    return {name: whole[name] - rest[name] for name in whole}


def figures(options: argparse.Namespace, url: str, peer: Peer) -> list[dict[str, Any]]:
    """Create all, change some, change nothing."""
    if options.limits:
        peer.control("PUT" if peer.kind == "okta" else "POST", *_limits(peer, options.limits))
    agents = with_bridge(
        url, lambda bridge: furnish(bridge, peer, options.agents, rate_reserve=options.reserve)
    )
    lines = [_applied(url, peer, "all new")]
    changed = agents[:: max(1, len(agents) // options.changed)][: options.changed]
    with_bridge(url, lambda bridge: redescribe(bridge, changed, "does something else"))
    lines.append(_applied(url, peer, f"{len(changed)} changed"))
    mark = peer.mark()

    async def again(bridge: Bridge) -> int:
        there, idp = await bridge.idps.of(NAME)
        return (await make_plan(bridge.ctx, TESTER, there, idp)).changes

    begun = time.monotonic()
    left = with_bridge(url, again)
    seconds = round(time.monotonic() - begun, 1)
    lines.append(
        {"what": "nothing changed", "changes": left, "plan": {"seconds": seconds, **peer.calls(mark)}}
    )
    return lines


def _limits(peer: Peer, limits: str) -> tuple[str, dict[str, Any]]:
    found = json.loads(limits)
    return ("/limits", found) if peer.kind == "okta" else ("/settings", found)


def kills(options: argparse.Namespace, url: str, peer: Peer) -> list[dict[str, Any]]:
    """The kill run beside the undisturbed one."""
    with tempfile.TemporaryDirectory() as quiet:
        expected = undisturbed(f"sqlite:///{quiet}/quiet.db", peer, options.agents)
    found = disturbed(
        url, peer, options.agents, kills=options.kills, workers=options.workers, expected=expected
    )
    return [asdict(found)]


def main() -> None:
    """Run one of them and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.sync.scale")
    parser.add_argument("what", choices=["figures", "kills"])
    parser.add_argument("--kind", choices=["okta", "entra"], default="okta")
    parser.add_argument("--database-url", default="", help="default: a SQLite file that is thrown away")
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--changed", type=int, default=50)
    parser.add_argument("--reserve", type=int, default=10)
    parser.add_argument("--limits", default="", help="JSON for the sandbox's limits")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        peer = Peer(options.kind, Path(data) / options.kind)
        try:
            url = options.database_url or f"sqlite:///{data}/bridge.db"
            for line in (figures if options.what == "figures" else kills)(options, url, peer):
                print(json.dumps(line), flush=True)
        finally:
            peer.close()


if __name__ == "__main__":
    main()
