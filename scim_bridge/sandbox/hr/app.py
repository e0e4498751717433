"""The HR system put together: its employees, its outbox, and what steers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.routing import BaseRoute

from scim_bridge.sandbox.hr import employees, outbox
from scim_bridge.sandbox.hr.employees import Employee
from scim_bridge.sandbox.hr.sender import Sender
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.kit.server import Sandbox
from scim_bridge.sandbox.kit.store import Store

EMPLOYEE = "employee"


class Hr:
    """What the HR system does when it is told something. Employees are kept by e-mail, in any case."""

    def __init__(self, store: Store, sender: Sender) -> None:
        self._store = store
        self.sender = sender

    def find(self, email: str) -> Employee | None:
        """An employee by e-mail, or None."""
        found = self._store.get(EMPLOYEE, email.lower())
        return None if found is None else Employee(**found)

    def put(self, employee: Employee) -> None:
        """Keep an employee."""
        self._store.put(EMPLOYEE, employee.work_email.lower(), employee.as_dict())

    def upsert(self, body: dict[str, Any]) -> Employee:
        """Create or change an employee; Refusal for a wrong member."""
        email = employees.text(body, "email", "")
        made = employees.upserted(body, self.find(email), f"E{uuid4().int % 10**6:06d}")
        self.put(made)
        return made

    def leave(self, body: dict[str, Any]) -> dict[str, Any]:
        """An employee leaves: kept, and the event put into the outbox, together."""
        employee = self._known(body)
        gone, data = employees.leaving(employee, body, self._seconds())
        today = employees.today(gone.time_zone, self._seconds())
        kind = "employee.leaving" if gone.last_day > today else "employee.left"
        return self._say(gone, kind, data)

    def come_back(self, body: dict[str, Any]) -> dict[str, Any]:
        """An employee stays after all, or is hired again."""
        back, data = employees.returning(self._known(body))
        return self._say(back, "employee.returned", data)

    def event_for(self, body: dict[str, Any]) -> outbox.Event:
        """An event to misbehave with: one by `event_id`, about `email`, else the latest."""
        events = self.sender.events()
        wanted = body.get("event_id")
        if wanted is not None:
            events = [one for one in events if one["id"] == wanted]
        elif body.get("email") is not None:
            _, data = employees.leaving(self._known(body), body, self._seconds())
            return self._event("employee.left", data)
        if not events:
            raise Refusal("There is no such event; give an 'email' to make one up.")
        return events[-1]

    def _known(self, body: dict[str, Any]) -> Employee:
        email = employees.text(body, "email", "")
        return self.find(email) or employees.stranger(email, f"E{uuid4().int % 10**6:06d}")

    def _say(self, employee: Employee, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        event = self._event(kind, data)
        with self._store.transaction():
            self.put(employee)
            self.sender.add(event)
        return {"ok": True, "event_id": event["id"], "type": kind, "employee": employee.as_dict()}

    def _event(self, kind: str, data: dict[str, Any]) -> outbox.Event:
        body = orjson.dumps(employees.event(kind, data, self._seconds())).decode()
        return outbox.fresh(f"msg_{uuid4().hex}", kind, body, self._store.clock.now())

    def _seconds(self) -> float:
        return self._store.clock.now() / SECOND


def build(sandbox: Sandbox) -> Sequence[BaseRoute]:
    """Every route of the HR system; it has no API of its own but the control API."""
    sender = Sender(sandbox.store)
    hr = Hr(sandbox.store, sender)
    sandbox.background.append(sender.run)

    async def configure(request: Request) -> Any:
        sender.configure(await read_object(request))
        return {"ok": True}

    async def upsert(request: Request) -> Any:
        return {"ok": True, "employee": _asked(hr.upsert, await read_object(request)).as_dict()}

    async def listing(request: Request) -> Any:
        return {"employees": [value for _, value in sandbox.store.all(EMPLOYEE)]}

    async def leave(request: Request) -> Any:
        return _asked(hr.leave, await read_object(request))

    async def come_back(request: Request) -> Any:
        return _asked(hr.come_back, await read_object(request))

    async def events(request: Request) -> Any:
        shown = ("id", "type", "state", "attempts", "due", "last_status", "last_error")
        return {"events": [{name: one[name] for name in shown} for one in sender.events()]}

    async def misbehave(request: Request) -> Any:
        body = await read_object(request)
        event = _asked(hr.event_for, body)
        return await sender.misbehave(str(body.get("flaw", "")), event)

    return [
        control_route("/webhook/configure", configure, ["POST"]),
        control_route("/employees", upsert, ["POST", "PUT"]),
        control_route("/employees", listing, ["GET"]),
        control_route("/leave", leave, ["POST"]),
        control_route("/return", come_back, ["POST"]),
        control_route("/events", events, ["GET"]),
        control_route("/misbehave", misbehave, ["POST"]),
    ]


def _asked(act: Any, body: dict[str, Any]) -> Any:
    try:
        return act(body)
    except employees.Refusal as refusal:
        raise Refusal(str(refusal)) from None
