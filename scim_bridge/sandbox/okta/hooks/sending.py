"""Calling hooks: the verification challenge, deliveries with their one retry, and calls that are no good."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from scim_bridge.sandbox.kit.scim_client import ScimCaller, ScimReply
from scim_bridge.sandbox.okta.api import views
from scim_bridge.sandbox.okta.hooks import model, queue
from scim_bridge.sandbox.okta.org import Org

log = logging.getLogger("sandbox.okta.hooks")
PAUSE_SECONDS = 0.05
# How long Okta waits for an answer.
SECONDS = 3.0
AT_ONCE = 20


class Sender:
    """`transport` replaces the network in tests of one process."""

    def __init__(self, org: Org, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._org = org
        self._transport = transport
        self._busy = asyncio.Lock()

    async def forever(self) -> None:
        """Deliver as events come, until cancelled."""
        while True:
            try:
                if not queue.settings(self._org)["hold"]:
                    await self.run()
            except Exception:
                log.exception("the hook sender failed")
            await asyncio.sleep(PAUSE_SECONDS)

    async def run(self) -> int:
        """Make every delivery that is due; how many calls were made."""
        calls = 0
        async with self._busy:
            while due := self._due():
                for hook_id, deliveries in due.items():
                    await self._deliver(hook_id, deliveries)
                    calls += 1
        return calls

    def _due(self) -> dict[str, list[dict[str, Any]]]:
        found = queue.settings(self._org)
        waiting = [
            value
            for _, value in self._org.store.all(queue.DELIVERY)
            if value["state"] == queue.WAITING and value["due"] <= self._org.now()
        ]
        if found["reverse"]:
            # One event in a call, the newest first: as unordered as Okta may be.
            return {value["hook"]: [value] for value in waiting}
        due: dict[str, list[dict[str, Any]]] = {}
        for value in waiting:
            if len(due.setdefault(value["hook"], [])) < AT_ONCE:
                due[value["hook"]].append(value)
        return due

    async def _deliver(self, hook_id: str, deliveries: Sequence[dict[str, Any]]) -> None:
        store = self._org.store
        hook = store.get(queue.HOOK, hook_id)
        events = [store.get("log", one["event"]) for one in deliveries]
        if hook is None or not any(events):
            for one in deliveries:
                store.put(queue.DELIVERY, one["key"], {**one, "state": queue.FAILED})
            return
        body = self.envelope(hook, [event for event in events if event is not None])
        reply = await self.post(hook, body)
        for one in deliveries:
            after = {**one, "tries": one["tries"] + 1, "status": reply.status, "sent": body}
            if 200 <= reply.status < 300:
                left = one["left"] - 1
                after |= {"left": left, "state": queue.DELIVERED if left <= 0 else queue.WAITING, "tries": 0}
            elif not model.again(reply.status, after["tries"]):
                after["state"] = queue.FAILED
            store.put(queue.DELIVERY, one["key"], after)

    def envelope(self, hook: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The body of a call."""
        return {
            **model.ENVELOPE,
            "source": f"{self._org.url}/api/v1/eventHooks/{hook['id']}",
            "eventId": secrets.token_hex(16),
            "eventTime": self._org.stamp(),
            "data": {"events": [views.event(event) for event in events]},
        }

    async def post(self, hook: Mapping[str, Any], body: Any, *, secret: str | None = None) -> ScimReply:
        """One call with a hook's headers; `secret` in place of its own."""
        return await self._call(hook, "event hook", "POST", body, self._headers(hook, secret))

    async def verify(self, hook: Mapping[str, Any]) -> bool:
        """Send the one-time challenge; True when it came back."""
        challenge = secrets.token_urlsafe(30)
        headers = {"x-okta-verification-challenge": challenge}
        reply = await self._call(hook, "event hook verification", "GET", None, headers)
        told = reply.body.get("verification") if isinstance(reply.body, Mapping) else None
        return reply.status == 200 and told == challenge

    def _headers(self, hook: Mapping[str, Any], secret: str | None) -> dict[str, str]:
        config = hook["channel"]["config"]
        headers = {str(one["key"]).lower(): str(one["value"]) for one in config["headers"]}
        if config["authScheme"]:
            kept = self._org.store.get(queue.SECRET, str(hook["id"])) or {}
            own = str(kept.get("secret") or "")
            headers[str(config["authScheme"]["key"]).lower()] = own if secret is None else secret
        return headers

    async def _call(
        self, hook: Mapping[str, Any], operation: str, method: str, body: Any, headers: Mapping[str, str]
    ) -> ScimReply:
        trusted = (self._org.store.get("setting", "hooktrust") or {}).get("ca_file")
        async with ScimCaller(
            self._org.store,
            hook["channel"]["config"]["uri"],
            "",
            trusted or self._org.sandbox.ca.ca_file,
            {"authorization": "", **headers},
            content_type="application/json",
            timeout=SECONDS,
            transport=self._transport,
        ) as caller:
            return await caller.call(operation, method, "", body)
