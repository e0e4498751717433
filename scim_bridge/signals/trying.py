"""Trying a door: a harmless message through the real way in, and whether it came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.outbound import Outbound, OutboundError
from scim_bridge.kernel.vendor_webhook import STANDARD, signature
from scim_bridge.kernel.webhook import signed
from scim_bridge.signals.hr import HrMapping

TYPE = "scim-bridge.test"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try: whether the door works, and what happened in words."""

    door: str
    works: bool
    told: str


Try = Callable[[], Awaitable[Tried]]


def harmless(mapping: HrMapping) -> bytes:
    """A message that this mapping reads and does not act on."""
    message: object = TYPE
    for part in reversed(mapping.type[0].split(".")):
        message = {part: message}
    if mapping.each:
        for part in reversed(mapping.each.split(".")):
            message = {part: [message] if part == mapping.each.split(".")[-1] else message}
    return orjson.dumps(message)


async def try_hr(
    ctx: Context, outbound: Outbound, name: str, mapping: HrMapping, secrets: list[str]
) -> Tried:
    """Send a signed message that means nothing to an HR door, at the address others reach it by."""
    door = f"hr:{name}"
    if not secrets:
        raise NotFound("hr-unknown", "No HR system is set up under this name.", f"Set hr.{name}.")
    now, body = ctx.store.clock.now(), harmless(mapping)
    if mapping.signing == STANDARD:
        headers = signed(secrets[0], f"test_{ctx.store.ids.new()}", now, body)
    else:
        headers = signature(mapping.signing, secrets[0], body, now // SECOND)
    url = f"{ctx.public_url}/signals/hr/{name}"
    try:
        answer = await outbound.send("POST", url, headers=headers, body=body)
    except OutboundError as error:
        return Tried(door, False, error.text())
    if answer.status == 202:
        return Tried(door, True, f"{url} took a signed test message in hand.")
    return Tried(door, False, f"{url} answered {answer.status}: {_said(answer.body)}")


def _said(body: bytes) -> str:
    try:
        said = orjson.loads(body)
        found = said.get("title") or said.get("message")
    except (orjson.JSONDecodeError, AttributeError):
        found = None
    return str(found)[:200] if isinstance(found, str) else "not one of our answers"


def own_address(public_url: str) -> str:
    """host:port of our public address, which a try may call though it is inside."""
    parts = urlsplit(public_url)
    if not parts.hostname:
        raise Invalid("public-url", "public_url is no web address.", "Write https://host[:port].")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.hostname}:{port}"
