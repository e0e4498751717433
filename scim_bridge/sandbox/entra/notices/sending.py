"""Calling subscribers: the validation token, notices of changes, notices about the subscription itself."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx2

from scim_bridge.sandbox.entra.graph.call import Answer
from scim_bridge.sandbox.entra.notices import model
from scim_bridge.sandbox.entra.notices.subscriptions import SUBSCRIPTION, alive, client_state, forget
from scim_bridge.sandbox.entra.tenant import DELETED, USER, Tenant, hidden
from scim_bridge.sandbox.kit.clock import SECOND, iso
from scim_bridge.sandbox.kit.scim_client import ScimCaller, ScimReply

log = logging.getLogger("sandbox.entra.notices")

NOTICE, SETTING, TRUST = "notice", "notices", "noticetrust"
WAITING, SENT, GIVEN_UP, LOST = "waiting", "sent", "given up", "lost"
PAUSE_SECONDS = 0.05
ECHO_SECONDS, SECONDS = 10.0, 3.0
# Tried again for four hours, with growing pauses (Graph, change notifications).
PATIENCE = 4 * 3600 * SECOND
WAITS = (1, 2, 5, 10, 30, 60, 300)
AT_ONCE = 20
# So long before the end a subscriber that has an address for it is asked to renew.
WARNING = 12 * 60 * model.MINUTE
DEFAULTS: dict[str, Any] = {"hold": False, "copies": 1, "reverse": False, "lose": 0}


class Sender:
    """`transport` replaces the network in tests of one process."""

    def __init__(
        self, tenant: Tenant, ca_file: str, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self.tenant = tenant
        self._ca_file = ca_file
        self._transport = transport
        self._busy = asyncio.Lock()

    def settings(self) -> dict[str, Any]:
        """How notices are sent now."""
        return {**DEFAULTS, **(self.tenant.store.get("setting", SETTING) or {})}

    async def forever(self) -> None:
        """Send as things change, until cancelled."""
        while True:
            try:
                if not self.settings()["hold"]:
                    await self.run()
            except Exception:
                log.exception("the notice sender failed")
            await asyncio.sleep(PAUSE_SECONDS)

    async def run(self) -> int:
        """Write down what changed, then send what is due; how many calls were made."""
        async with self._busy:
            for one in alive(self.tenant):
                if one["proven"]:
                    self._write_down(one)
            calls = 0
            for one in alive(self.tenant):
                calls += await self._send_due(one)
            return calls

    def _write_down(self, subscription: dict[str, Any]) -> None:
        tenant = self.tenant
        upto = tenant.change()
        with tenant.store.transaction():
            if upto > subscription["told"]:
                for kind, value in self._changed(subscription, upto):
                    self._add(subscription, self.change(subscription, kind, str(value["id"])))
                subscription = {**subscription, "told": upto}
            ending = subscription["expires"] - tenant.now() < WARNING
            if ending and not subscription["warned"] and subscription["lifecycleNotificationUrl"]:
                subscription = {**subscription, "warned": True}
                self._add(subscription, self.lifecycle(subscription, "reauthorizationRequired"))
            tenant.store.put(SUBSCRIPTION, subscription["id"], subscription)

    def _changed(self, subscription: Mapping[str, Any], upto: int) -> list[tuple[str, Mapping[str, Any]]]:
        wanted = str(subscription["changeType"]).split(",")
        store, low = self.tenant.store, subscription["told"]
        found: list[tuple[str, Mapping[str, Any]]] = []
        for kind, rows in (("updated", store.all(USER)), ("deleted", store.all(DELETED))):
            for _, value in rows:
                of_user = kind == "updated" or hidden(value, "kind") == USER
                if of_user and low < hidden(value, "change", 0) <= upto and kind in wanted:
                    found.append((kind, value))
        one = str(subscription["resource"]).strip("/").partition("/")[2].lower()
        return [(kind, value) for kind, value in found if not one or one == value["id"]]

    def _add(self, subscription: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        found = self.settings()
        state = WAITING
        if found["lose"] > 0:
            self.tenant.store.put("setting", SETTING, {**found, "lose": found["lose"] - 1})
            state = LOST
        key = f"{self.tenant.now():020d}-{secrets.token_hex(4)}"
        now = self.tenant.now()
        self.tenant.store.put(
            NOTICE,
            key,
            {
                "key": key,
                "subscription": subscription["id"],
                "body": dict(body),
                "state": state,
                "made": now,
                "due": now,
                "tries": 0,
                "left": int(found["copies"]),
            },
        )

    def change(self, subscription: Mapping[str, Any], kind: str, user_id: str) -> dict[str, Any]:
        """A notice of a user: basic, with nothing but the id; the clientState is put in when it is sent."""
        where = f"Users/{user_id}"
        data = {"@odata.type": "#Microsoft.Graph.User", "@odata.id": where, "id": user_id}
        return {**self._head(subscription), "changeType": kind, "resource": where, "resourceData": data}

    def lifecycle(self, subscription: Mapping[str, Any], event: str) -> dict[str, Any]:
        """A notice about the subscription itself."""
        return {**self._head(subscription), "lifecycleEvent": event, "resource": subscription["resource"]}

    def _head(self, subscription: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "subscriptionId": subscription["id"],
            "subscriptionExpirationDateTime": iso(subscription["expires"]),
            "tenantId": self.tenant.id,
        }

    async def _send_due(self, subscription: Mapping[str, Any]) -> int:
        now = self.tenant.now()
        due = [
            value
            for _, value in self.tenant.store.all(NOTICE)
            if value["state"] == WAITING
            and value["due"] <= now
            and value["subscription"] == subscription["id"]
        ]
        if self.settings()["reverse"]:
            due.reverse()
        calls = 0
        for lifecycle in (False, True):
            some = [one for one in due if ("lifecycleEvent" in one["body"]) is lifecycle]
            for start in range(0, len(some), AT_ONCE):
                part = some[start : start + AT_ONCE]
                reply = await self.post(subscription, [one["body"] for one in part], lifecycle=lifecycle)
                calls += 1
                for one in part:
                    self.tenant.store.put(NOTICE, one["key"], _after(one, reply.status, self.tenant.now()))
        return calls

    async def post(
        self,
        subscription: Mapping[str, Any],
        notices: list[dict[str, Any]],
        *,
        lifecycle: bool = False,
        state: str | None = None,
    ) -> ScimReply:
        """One call with notices, carrying the subscription's clientState or `state` in its place."""
        proof = client_state(self.tenant, str(subscription["id"])) if state is None else state
        url = subscription["lifecycleNotificationUrl"] if lifecycle else subscription["notificationUrl"]
        body = {"value": [{**one, "clientState": proof} for one in notices]}
        return await self._call(str(url), "change notification", "", body, SECONDS)

    async def proven(self, answer: Answer) -> Answer:
        """The answer to a new subscription: as it is when its addresses echo a token, else 400."""
        made = self.tenant.store.get(SUBSCRIPTION, str(answer.body["id"]))
        if made is None:
            return answer
        for url in dict.fromkeys((made["notificationUrl"], made["lifecycleNotificationUrl"])):
            if url and not await self._echoes(url):
                forget(self.tenant, made["id"])
                message = (
                    "Subscription validation request failed. Notification endpoint must respond with 200 OK"
                )
                error = {"code": "ValidationError", "message": f"{message} to validation request."}
                return Answer(400, {"error": error}, answer.headers)
        self.tenant.store.put(SUBSCRIPTION, made["id"], {**made, "proven": True})
        return answer

    async def _echoes(self, url: str) -> bool:
        token = f"Validation: Testing client application reachability {secrets.token_urlsafe(12)}"
        joint = "&" if "?" in url else "?"
        path = f"{joint}validationToken={quote(token, safe='')}"
        reply = await self._call(url, "validation request", path, None, ECHO_SECONDS)
        kind = reply.headers.get("content-type", "").partition(";")[0]
        return reply.status == 200 and reply.text == token and kind == "text/plain"

    async def _call(self, url: str, operation: str, path: str, body: Any, seconds: float) -> ScimReply:
        trusted = (self.tenant.store.get("setting", TRUST) or {}).get("ca_file") or self._ca_file
        async with ScimCaller(
            self.tenant.store,
            url,
            "",
            trusted,
            {"authorization": ""},
            content_type="application/json",
            timeout=seconds,
            transport=self._transport,
        ) as caller:
            return await caller.call(operation, "POST", path, body)


def _after(notice: Mapping[str, Any], status: int, now: int) -> dict[str, Any]:
    if 200 <= status < 300:
        left = notice["left"] - 1
        return {**notice, "left": left, "state": SENT if left <= 0 else WAITING, "status": status}
    tries = notice["tries"] + 1
    wait = WAITS[min(tries, len(WAITS)) - 1] * SECOND
    state = WAITING if now + wait < notice["made"] + PATIENCE else GIVEN_UP
    return {**notice, "tries": tries, "due": now + wait, "state": state, "status": status}
