"""One run: everything started, load on all doors, blows by the schedule, everything mended, everything judged."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import judge
from tests.chaos.balancer import Balancer, GaveUp, rates
from tests.chaos.crew import Crew
from tests.chaos.idps import EntraLane, Lane, OktaLane
from tests.chaos.ledger import Ledger, lost
from tests.chaos.others import Gateway, Hr, Sync
from tests.chaos.postgres import Postgres
from tests.chaos.schedule import KILL, Blow, Window, covered, drawn
from tests.chaos.site import Site
from tests.chaos.wire import Wire, Wrong

SETTLING = 150.0


@dataclass(frozen=True)
class Plan:
    """How large and how long a run is. `pace`: seconds a lane rests between two calls."""

    seed: int = 1
    seconds: float = 600.0
    every: float = 10.0
    restarts: int = 2
    web: int = 3
    workers: int = 3
    agents: int = 24
    leavers: int = 10
    okta: int = 2
    entra: int = 2
    gateways: int = 2
    pace: float = 0.12
    # Sync runs begin so often, at each IdP in turn; 0: only the first ones.
    syncs: float = 45.0

    @property
    def members(self) -> list[str]:
        """Whom blows may hit."""
        return [f"web-{n + 1}" for n in range(self.web)] + [f"worker-{n + 1}" for n in range(self.workers)]

    @property
    def blows(self) -> list[Blow]:
        """The schedule of this seed."""
        return drawn(self.seed, self.seconds, self.members, every=self.every, restarts=self.restarts)


@dataclass
class Run:
    """What a run is made of while it lasts."""

    plan: Plan
    site: Site
    postgres: Postgres
    crew: Crew
    balancer: Balancer
    ledger: Ledger = field(default_factory=Ledger)
    wrong: list[str] = field(default_factory=list)
    struck: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False
    sync: Sync | None = None

    async def play(self) -> dict[str, Any]:
        """The load and the blows; what the actors saw."""
        plan, ground = self.plan, self.site.ground
        sync = self.sync = Sync(self.balancer, ground)
        for connection in ("okta", "entra"):
            # From here on every change is pushed by itself.
            first = await sync.step(connection)
            if first is None or first["state"] != "OK":
                raise RuntimeError(f"the first sync of {connection} did not end well: {first}")
        self.crew.windows.clear()
        self.balancer.tries.clear()
        self.balancer.requests, self.crew.began = 0, time.monotonic()
        gateways = [
            Gateway(self.balancer, self.ledger, ground, random.Random(f"{plan.seed}:gateway-{n}"))
            for n in range(plan.gateways)
        ]
        hr = Hr(self.balancer, self.ledger, self.site.hr_secret, list(ground.leavers))
        leaving = plan.seconds * 0.85 / max(1, plan.leavers)
        actors = [self._lasting(lane.step, plan.pace) for lane in self._lanes()]
        actors += [self._lasting(gateway.step, plan.pace) for gateway in gateways]
        actors.append(self._lasting(hr.step, leaving))
        if plan.syncs:
            actors.append(self._lasting(self._in_turn(sync), plan.syncs))
        async with asyncio.TaskGroup() as group:
            for actor in actors:
                group.create_task(actor)
            group.create_task(self._strike())
            await asyncio.sleep(plan.seconds)
            self.over = True
        return {
            "decisions": sum(each.asked for each in gateways),
            "decisions judged": sum(each.judged for each in gateways),
            "decisions wrong": [one for each in gateways for one in each.wrong],
            "sync runs": sync.runs,
            "plans that had moved": sync.moved,
        }

    def _lanes(self) -> list[Lane]:
        plan, ground = self.plan, self.site.ground
        count = plan.okta + plan.entra
        lanes: list[Lane] = []
        for number in range(count):
            kind = "okta" if number < plan.okta else "entra"
            name = f"{kind}-{number + 1 if kind == 'okta' else number - plan.okta + 1}"
            wire = Wire(name, self.balancer, self.ledger, ground.tokens[kind])
            make = OktaLane if kind == "okta" else EntraLane
            lanes.append(make(wire, ground, ground.switched[number::count], plan.seed))
        return lanes

    @staticmethod
    def _in_turn(sync: Sync) -> Callable[[], Awaitable[object]]:
        turn = ["okta", "entra"]

        async def step() -> None:
            turn.reverse()
            await sync.step(turn[0])

        return step

    async def _lasting(self, step: Callable[[], Awaitable[object]], pause: float) -> None:
        """Again and again until the time is over; what a client could not expect is kept."""
        while not self.over:
            began = self.crew.now()
            try:
                await step()
            except GaveUp:
                pass
            except Wrong as error:
                self.wrong.append(f"{began:.1f} s: {error}")
            # Looked at often, so that nobody holds up the end.
            end = self.crew.now() + pause
            while not self.over and self.crew.now() < end:  # noqa: ASYNC110
                await asyncio.sleep(min(0.5, max(0.0, end - self.crew.now())))

    async def _strike(self) -> None:
        """Every blow at its time; what is being started again is waited for beside it."""
        async with asyncio.TaskGroup() as group:
            for blow in self.plan.blows:
                await asyncio.sleep(max(0.0, blow.at - self.crew.now()))
                self.struck.append({**asdict(blow), "struck": round(self.crew.now(), 2)})
                hit = self.crew.kill(blow.target) if blow.what == KILL else self._restart(blow)
                group.create_task(hit)

    async def _restart(self, blow: Blow) -> None:
        began = self.crew.now()
        await asyncio.to_thread(self.postgres.restart, blow.what)
        for name, member in list(self.crew.members.items()):
            if member.role != "worker":
                with suppress(RuntimeError):
                    await self.crew.until_ready(name)
        self.crew.windows.append(Window(began, self.crew.now(), blow.what))

    async def last_sync(self) -> list[dict[str, Any]]:
        """What pushes do not do (agents that came meanwhile) is done by a last run at each IdP; all runs so far."""
        assert self.sync is not None
        for connection in self.site.peers:
            while await self.sync.step(connection) is None:  # noqa: ASYNC110
                await asyncio.sleep(1.0)
        return self.sync.runs

    async def settle(self) -> float:
        """Wait until nothing is under way any more; how many seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < SETTLING:
            left = await asyncio.to_thread(
                judge.rows,
                self.site.url,
                "SELECT (SELECT COUNT(*) FROM sb_effect WHERE state IN ('pending', 'handed'))"
                " + (SELECT COUNT(*) FROM sb_departure WHERE state NOT IN ('closed', 'cancelled'))"
                " + (SELECT COUNT(*) FROM sb_receipt WHERE signed IS NULL)"
                " + (SELECT COUNT(*) FROM sb_audit WHERE seq IS NULL) AS n",
            )
            if left[0]["n"] == 0:
                break
            await asyncio.sleep(0.5)
        return round(time.monotonic() - began, 1)


Beside = Callable[[Run], Awaitable[None]]


async def lived(
    plan: Plan, site: Site, postgres: Postgres, beside: Beside | None = None, forking: Path | None = None
) -> tuple[Run, dict[str, Any]]:
    """Start the crew, play, settle, stop; the run and what was seen. `beside` looks on until the load is over."""
    crew = Crew(site.environment, site.folder, forking)
    run: Run | None = None
    try:
        await crew.start(plan.web, plan.workers)
        bases = [member.url for member in crew.members.values() if member.role != "worker"]
        run = Run(plan, site, postgres, crew, Balancer(bases, crew.now))
        watching = None if beside is None else asyncio.ensure_future(beside(run))
        seen = await run.play()
        if watching is not None:
            await watching
        seen["seconds to settle"] = await run.settle()
        seen["sync runs"] = await run.last_sync()
        await run.settle()
        seen["processor seconds"] = {k: round(v, 1) for k, v in crew.seconds_used().items()}
        return run, seen
    finally:
        codes = crew.stop()
        if run is not None:
            await run.balancer.close()
            run.struck.append({"exit codes": codes})


def rehearsed(
    plan: Plan,
    folder: Path,
    beside: Beside | None = None,
    after: Callable[[Site], None] = lambda _: None,
    forking: Path | None = None,
) -> dict[str, Any]:
    """The whole run on a fresh server; the report. `after` looks at what is left when it is judged."""
    postgres = Postgres()
    site: Site | None = None
    try:
        site = Site.opened(postgres.url, folder)
        site.furnish(plan.agents, plan.leavers)
        run, seen = asyncio.run(lived(plan, site, postgres, beside, forking))
        report = judged(run, seen)
        after(site)
        return report
    finally:
        if site is not None:
            site.close()
        postgres.close()


def judged(run: Run, seen: dict[str, Any]) -> dict[str, Any]:
    """The report of a run that is over, with the verdict."""
    plan, site, ledger = run.plan, run.site, run.ledger
    skip = judge.forgotten(ledger)
    missing = [
        one
        for one in lost(ledger, judge.found(site, ledger), judge.before(ledger))
        if (one.kind, one.whom) not in skip
    ]
    told = [whom for kind, whom in ledger.subjects() if kind == "departure"]
    windows = run.crew.windows
    codes = run.struck.pop()["exit codes"] if run.struck and "exit codes" in run.struck[-1] else {}
    return {
        "seed": plan.seed,
        "plan": asdict(plan),
        "schedule": run.struck,
        "seconds in restarts": round(covered(windows, plan.seconds), 1),
        "windows": [{**asdict(w), "began": round(w.began, 1), "ended": round(w.ended, 1)} for w in windows],
        "requests": run.balancer.requests,
        "requests per second": round(run.balancer.requests / plan.seconds, 1),
        "error rate": rates(run.balancer.tries, windows),
        "given up": run.balancer.gave_up,
        "wrong answers": run.wrong,
        "writes": ledger.counts(),
        "lost acknowledged writes": [asdict(one) for one in missing],
        "audit of writes": judge.audited(site, ledger),
        "idps": judge.objects(site),
        "platform": judge.delivered(site),
        "effects": judge.left_over(site),
        "exit codes": codes,
        **seen,
        **site.with_bridge(lambda bridge: judge.proven(bridge, told)),
    }
