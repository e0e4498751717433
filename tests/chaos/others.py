"""Who else is at work: gateways that ask, HR that tells of leavers, and somebody who has the IdPs synchronised."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.kernel.clock import SystemClock, iso
from scim_bridge.kernel.webhook import signed
from tests.chaos.balancer import Balancer, GaveUp, Said
from tests.chaos.ledger import ACKED, REFUSED, UNKNOWN, Ledger
from tests.chaos.site import Ground
from tests.chaos.wire import Wrong

JSON = "application/json"
# A hold is seen by every replica's decisions within a second of its commit.
SEEN = 1.0
POLL = 0.5


@dataclass
class Gateway:
    """Asks whether agents may act, and holds the answers against what IdPs were told of holds."""

    balancer: Balancer
    ledger: Ledger
    ground: Ground
    chance: random.Random
    asked: int = 0
    judged: int = 0
    wrong: list[str] = field(default_factory=list)

    async def step(self) -> None:
        """One question."""
        slug = self.chance.choice(self.ground.switched)
        self.asked += 1
        began, before = self.balancer.now(), self._held(slug)
        body = {
            "subject": {"type": "agent", "id": slug},
            "action": {"name": "read"},
            "resource": {"type": "repository", "id": "storefront"},
        }
        said = await self.balancer.send(
            "decision",
            "POST",
            "/access/v1/evaluation",
            request=f"gateway-{self.asked}",
            headers=lambda: {
                "authorization": f"Bearer {self.ground.tokens['access']}",
                "content-type": JSON,
            },
            content=json.dumps(body).encode(),
        )
        if said.status != 200:
            raise Wrong(f"a decision was answered with {said.status}: {said.text[:300]}")
        after = self._held(slug)
        if before is None or after is None or before != after or before[1] > began - SEEN:
            return
        self.judged += 1
        if bool(json.loads(said.text)["decision"]) is before[0]:
            self.wrong.append(f"{slug} at {began:.1f} s: held {before[0]}, {said.text[:200]}")

    def _held(self, slug: str) -> tuple[bool, float] | None:
        """Whether every replica must know the agent as held, and since when; None while that is changing."""
        held, since = False, 0.0
        for kind in self.ground.connections:
            if self.ledger.last("held", f"{kind}/{slug}") is None:
                continue
            sure = self.ledger.sure("held", f"{kind}/{slug}")
            if sure is None:
                return None
            held, since = held or bool(sure[0]), max(since, sure[1])
        return held, since


@dataclass
class Hr:
    """Tells of one leaver after the other, each by one signed event, signed anew at each try."""

    balancer: Balancer
    ledger: Ledger
    secret: str
    leavers: list[str]

    async def step(self) -> None:
        """The next one leaves."""
        if not self.leavers:
            return
        login, now = self.leavers.pop(0), SystemClock().now()
        employee = {"user_name": login, "work_email": login, "time_zone": "Europe/Lisbon"}
        body = json.dumps(
            {
                "type": "employee.terminated",
                "timestamp": iso(now),
                "data": {"employee": employee, "last_day": "2020-01-31", "kind": "involuntary"},
            }
        ).encode()
        # In the form of a request id, for it is one as well.
        event = f"leave-{login.partition('@')[0]}"
        entry = self.ledger.begin("departure", login, 1, event, self.balancer.now())
        try:
            said = await self.balancer.send(
                "hr",
                "POST",
                "/signals/hr/chaos",
                request=event,
                headers=lambda: signed(self.secret, event, time.time_ns() // 1000, body),
                content=body,
            )
        except GaveUp as error:
            entry.state = UNKNOWN if error.unknown else REFUSED
            raise
        finally:
            entry.ended = self.balancer.now()
        entry.state = ACKED if said.status == 200 else UNKNOWN
        if said.status != 200:
            raise Wrong(f"HR was answered with {said.status}: {said.text[:300]}")


@dataclass
class Sync:
    """Has plans made and applied by the API, each call with an idempotency key, and waits for the runs."""

    balancer: Balancer
    ground: Ground
    runs: list[dict[str, Any]] = field(default_factory=list)
    # Plans that were refused because agents changed meanwhile, as they say: nothing was written.
    moved: int = 0
    _count: int = 0

    async def _call(self, method: str, path: str, key: str = "", body: Any = None) -> Any:
        self._count += 1
        headers = {"authorization": f"Bearer {self.ground.tokens['admin']}", "content-type": JSON}
        if key:
            headers["idempotency-key"] = key
        said: Said = await self.balancer.send(
            f"api {method}",
            method,
            f"/api/v1{path}",
            request=f"sync-{self._count}",
            headers=lambda: headers,
            content=None if body is None else json.dumps(body).encode(),
        )
        if said.status not in (200, 201, 202):
            raise Wrong(f"{method} {path} was answered with {said.status}: {said.text[:300]}")
        return json.loads(said.text)

    async def step(self, connection: str) -> dict[str, Any] | None:
        """One plan and its run; None when agents changed meanwhile."""
        key = f"chaos-{connection}-{self._count}-{self.balancer.now():.3f}"
        asked = await self._call("POST", f"/connections/{connection}/plans", f"{key}-plan")
        made = await self._settled(asked["effect"])
        if made is None:
            return None
        plan = made["plan"]
        begun = await self._call("POST", f"/plans/{plan}/apply", f"{key}-apply", {"release": "chaos"})
        applied = await self._settled(begun["effect"])
        if applied is None:
            self.moved += 1
            return None
        return await self._ended(connection, applied["run"])

    async def _settled(self, effect: str) -> dict[str, Any] | None:
        while True:
            found = await self._call("GET", f"/effects/{effect}")
            if found["state"] in ("done", "dead"):
                return found.get("result") if found["state"] == "done" else None
            await asyncio.sleep(POLL)

    async def _ended(self, connection: str, run: str) -> dict[str, Any]:
        while (found := await self._call("GET", f"/runs/{run}"))["state"] == "RUNNING":  # noqa: ASYNC110
            await asyncio.sleep(POLL)
        kept = ("id", "state", "total", "done", "failed", "moved")
        parked = sorted({one["why"] for one in found["parked"]})[:5]
        self.runs.append({"connection": connection, **{name: found[name] for name in kept}, "parked": parked})
        return self.runs[-1]
