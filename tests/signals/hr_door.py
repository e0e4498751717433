"""The HR door of a company where Maria, Ben and Ana work."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
from starlette.applications import Starlette

from scim_bridge.kernel.clock import SECOND, ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.signal import Signal
from scim_bridge.sandbox.hr.employees import Employee, event, leaving
from scim_bridge.sandbox.hr.signing import signed
from scim_bridge.signals.routes import routes
from tests.conftest import MASTER


def secret(seed: str) -> str:
    return "whsec_" + base64.b64encode(seed.ljust(32, ".").encode()).decode()


NEW, OLD = secret("the new secret"), secret("the old secret")
MARIA = Employee("E1", "Maria@corp.test", "Maria", "Costa", time_zone="Europe/Lisbon")


@dataclass
class Door:
    """The HR door of a store, who works there, and the signals it let through."""

    store: Store
    clock: ManualClock
    ids: dict[str, str]
    seen: list[Signal] = field(default_factory=list)

    def __post_init__(self) -> None:
        ctx = Context(self.store, MASTER, Outbound(), "http://bridge.test", Path())
        self.app = Starlette(routes=routes(ctx, {"acme": f"{NEW} {OLD}", "empty": ""}, self.react))

    async def react(self, _work: Work, signal: Signal) -> None:
        self.seen.append(signal)

    async def post(
        self, headers: dict[str, str], body: bytes, name: str = "acme"
    ) -> tuple[int, dict[str, Any]]:
        """What the door answers to a raw call."""
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            answer = await client.post(f"/signals/hr/{name}", headers=headers, content=body)
            return answer.status_code, answer.json()

    async def send(self, payload: Any, key: str = "msg_1", by: str = NEW) -> tuple[int, dict[str, Any]]:
        """What the door answers to a genuine event."""
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        return await self.post(signed(by, key, self.clock.now() / SECOND, body), body)

    def leave(self, employee: Employee = MARIA, **body: str) -> dict[str, Any]:
        """The event the sandbox HR system sends when somebody leaves."""
        now = self.clock.now() / SECOND
        return event("employee.leaving", leaving(employee, body, now)[1], now)

    async def audited(self, action: str) -> list[dict[str, Any]]:
        rows = await self.store.reads.all("SELECT * FROM sb_audit WHERE action = ? ORDER BY id", action)
        return [{**dict(row), "detail": orjson.loads(row["detail"])} for row in rows]
