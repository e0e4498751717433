"""Sending events: signed afresh at every attempt, under the same webhook-id, journalled, until taken."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from scim_bridge.sandbox.hr import outbox, signing
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal
from scim_bridge.sandbox.kit.edge import readable
from scim_bridge.sandbox.kit.store import Store

EVENT = "event"
TARGET = "webhook"
TIMEOUT_SECONDS = 15.0


class Sender:
    """Delivers the outbox of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wake = asyncio.Event()
        self._sending = asyncio.Lock()

    def configure(self, body: Mapping[str, Any]) -> None:
        """Where events go from now on, and with which secret; Refusal when one of them is no good."""
        url, secret, ca_file = body.get("url"), body.get("secret"), body.get("ca_file")
        if not isinstance(url, str) or not url.startswith(
            ("https://", "http://127.0.0.1", "http://localhost")
        ):
            raise Refusal("'url' is an https address (http only on this machine).")
        if not isinstance(secret, str) or not signing.usable(secret):
            raise Refusal("'secret' is 'whsec_' and the base64 of at least 24 bytes.")
        if ca_file is not None and not (isinstance(ca_file, str) and Path(ca_file).is_file()):
            raise Refusal("'ca_file' is a file with certificates to trust.")
        self._store.put(TARGET, "target", {"url": url, "secret": secret, "ca_file": ca_file or ""})
        self._wake.set()

    def add(self, event: outbox.Event) -> None:
        """Put an event into the outbox; it is sent as soon as the loop runs."""
        self._store.put(EVENT, str(event["id"]), event)
        self._wake.set()

    def events(self) -> list[outbox.Event]:
        """Every event, oldest first."""
        return [value for _, value in self._store.all(EVENT)]

    async def run(self) -> None:
        """Deliver for ever: what is due now, then sleep until something is due or new."""
        while True:
            self._wake.clear()
            await self.deliver_due()
            wait = outbox.next_due(self.events(), self._store.clock.now())
            if self._store.get(TARGET, "target") is None:
                wait = None
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def deliver_due(self) -> int:
        """Send every event that is due, oldest first; how many were taken. Nothing without a target."""
        target, taken = self._store.get(TARGET, "target"), 0
        if target is None:
            return 0
        async with self._sending:
            for event in self.events():
                if not outbox.is_due(event, self._store.clock.now()):
                    continue
                after = await self._attempt(target, event)
                self._store.put(EVENT, str(event["id"]), after)
                taken += after["state"] == outbox.TAKEN
        return taken

    async def _attempt(self, target: Mapping[str, Any], event: outbox.Event) -> outbox.Event:
        body = str(event["body"]).encode()
        headers = signing.signed(target["secret"], str(event["id"]), self._seconds(), body)
        status, error = await self.send(str(event["type"]), target, headers, body)
        return outbox.after_attempt(event, status, error, headers, self._store.clock.now())

    async def send(
        self, operation: str, target: Mapping[str, Any], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        """One attempt as given, journalled; its status (0: no answer) and what went wrong."""
        status, error, answer = 0, "", None
        try:
            async with httpx2.AsyncClient(
                verify=_trust(str(target["ca_file"])), trust_env=False, timeout=TIMEOUT_SECONDS
            ) as client:
                response = await client.post(str(target["url"]), content=body, headers=dict(headers))
            status = response.status_code
            answer = readable(response.content, response.headers.get("content-type", ""))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self._store.record(
            "out",
            operation,
            "POST",
            str(target["url"]),
            readable(body, "application/json"),
            status,
            answer if status else error,
            headers,
        )
        return status, error

    async def misbehave(self, flaw: str, event: outbox.Event) -> dict[str, Any]:
        """Send an event with one flaw of `signing.FLAWS`, or replay its last attempt byte for byte.

        Says what the receiver answered; the event in the outbox stays as it was.
        """
        target = self._store.get(TARGET, "target")
        if target is None:
            raise Refusal("Configure the webhook first.")
        body = str(event["body"]).encode()
        if flaw == "replay":
            headers = dict(event["sent"])
            if not headers:
                raise Refusal("There is no delivery to replay yet.")
        elif flaw in signing.FLAWS:
            headers, body = signing.forged(flaw, target["secret"], str(event["id"]), self._seconds(), body)
        else:
            raise Refusal(f"'flaw' is one of replay, {', '.join(signing.FLAWS)}.")
        status, error = await self.send(f"misbehave: {flaw}", target, headers, body)
        return {
            "ok": True,
            "flaw": flaw,
            "event_id": event["id"],
            "status": status,
            "refused": status >= 400,
            "error": error,
        }

    def _seconds(self) -> float:
        return self._store.clock.now() / SECOND


def _trust(ca_file: str) -> ssl.SSLContext:
    context = httpx2.create_ssl_context(verify=True, trust_env=False)
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context
