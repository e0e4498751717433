"""A webhook: the credential is posted, signed by Standard Webhooks, to whoever keeps it; encrypted if they gave a key.

Types: credential.delivered (2xx: it is kept), credential.withdrawn, credential.confirm (answered with
{"in_use": true|false}; anything else: it cannot be told) and credential.test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from scim_bridge.credentials.delivery.failures import by_status
from scim_bridge.credentials.delivery.places import version_of
from scim_bridge.credentials.model import Delivered, DeliveryFailed, Fresh, Target
from scim_bridge.kernel.clock import Clock, iso
from scim_bridge.kernel.envelope import encrypted, receiver_key
from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.webhook import signed
from scim_bridge.settings.stores import Options

FIX = "Look at what the receiver expects."


class Webhook:
    """One receiver. `place` in its messages is the target's address as it was given."""

    def __init__(self, options: Options, outbound: Outbound, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        parts = urlsplit(options["address"])
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._outbound = outbound.reaching([f"{parts.hostname}:{port}"])
        self._key = receiver_key(options["encrypt_to"]) if options["encrypt_to"] else None

    async def deliver(self, target: Target, fresh: Fresh, idempotency: str) -> Delivered:
        """Post the value; the same delivery has the same webhook-id at every attempt."""
        version = version_of(idempotency)
        text = fresh.value.reveal()
        value = {"value": text} if self._key is None else {"value_jwe": encrypted(text, self._key)}
        expires = None if fresh.expires is None else iso(fresh.expires)
        about = {"kind": fresh.kind, "reference": fresh.reference, "expires": expires}
        self._taken(
            await self._post("delivered", target, version, about | {"public": dict(fresh.public)} | value)
        )
        return Delivered(version)

    async def confirmed(self, target: Target, delivered: Delivered, since: int) -> bool | None:
        """What the receiver says of its use; None when it does not answer that."""
        answer = await self._post("confirm", target, delivered.version, {"since": iso(since)})
        if answer.status >= 500:
            self._taken(answer)
        try:
            said = orjson.loads(answer.body) if answer.status == 200 else None
        except orjson.JSONDecodeError:
            said = None
        found = said.get("in_use") if isinstance(said, dict) else None
        return found if isinstance(found, bool) else None

    async def withdraw(self, target: Target, delivered: Delivered) -> None:
        """Say that the version is called off; the receiver puts back what was there before."""
        self._taken(await self._post("withdrawn", target, delivered.version, {}))

    async def probe(self) -> None:
        """Post a message of type credential.test, which holds nothing."""
        target = Target("webhook", {}, self._options.name)
        self._taken(await self._post("test", target, version_of(f"test {self._clock.now()}"), {}))

    async def close(self) -> None:
        """Close the connections to it."""
        await self._outbound.aclose()

    async def _post(self, what: str, target: Target, version: str, more: Mapping[str, Any]) -> Answer:
        data = {"store": target.name, "place": dict(target.address), "version": version, **more}
        now = self._clock.now()
        body = orjson.dumps({"type": f"credential.{what}", "timestamp": iso(now), "data": data})
        # A question is asked again and again, news is told once.
        event = f"{version}.{what}.{now}" if what == "confirm" else f"{version}.{what}"
        headers = signed(self._options["secret"], event, now, body)
        try:
            return await self._outbound.send(
                "POST", self._options["address"], headers=headers, body=body, timeout=self._options.timeout
            )
        except OutboundError as error:
            raise DeliveryFailed(error.code, error.message, error.fix, transient=error.transient) from None

    def _taken(self, answer: Answer) -> None:
        if not 200 <= answer.status < 300:
            raise by_status(self._options.name, answer.status, FIX)
