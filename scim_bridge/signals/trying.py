"""Trying a door: a harmless message through the real way in, and whether it came."""

from __future__ import annotations

import asyncio
import secrets as random
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.vendor_webhook import STANDARD, signature
from scim_bridge.kernel.webhook import signed
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.signals.doors import door
from scim_bridge.signals.hr import HrMapping
from scim_bridge.signals.idp.listeners import hurry

TYPE = "scim-bridge.test"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try: whether the door works, and what happened in words."""

    door: str
    works: bool
    told: str


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
    way = f"hr:{name}"
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
        return Tried(way, False, error.text())
    if answer.status == 202:
        return Tried(way, True, f"{url} took a signed test message in hand.")
    return Tried(way, False, f"{url} answered {answer.status}: {_said(answer.body)}")


def _said(body: bytes) -> str:
    try:
        said = orjson.loads(body)
        found = said.get("title") or said.get("message")
    except (orjson.JSONDecodeError, AttributeError):
        found = None
    return str(found)[:200] if isinstance(found, str) else "not one of our answers"


async def try_okta_hook(ctx: Context, outbound: Outbound, name: str) -> Tried:
    """Ask our own address what Okta asks when a hook is verified there."""
    way, challenge = f"okta-hook:{name}", random.token_urlsafe(16)
    url = f"{ctx.public_url}/signals/okta/{name}"
    try:
        answer = await outbound.send("GET", url, headers={"x-okta-verification-challenge": challenge})
    except OutboundError as error:
        return Tried(way, False, error.text())
    if answer.status == 200 and challenge.encode() in answer.body:
        return Tried(way, True, f"{url} answers Okta's verification.")
    return Tried(way, False, f"{url} answered {answer.status}: {_said(answer.body)}")


async def try_graph_notice(ctx: Context, outbound: Outbound, name: str) -> Tried:
    """Ask our own address what Entra asks when a subscription is made."""
    way, token = f"graph-notice:{name}", random.token_urlsafe(16)
    url = f"{ctx.public_url}/signals/entra/{name}"
    try:
        answer = await outbound.send("POST", f"{url}?validationToken={token}", body=b"")
    except OutboundError as error:
        return Tried(way, False, error.text())
    if answer.status == 200 and answer.body == token.encode():
        return Tried(way, True, f"{url} answers Entra's validation.")
    return Tried(way, False, f"{url} answered {answer.status}: {_said(answer.body)}")


async def try_asking(ctx: Context, actor: Actor, name: str, seconds: float) -> Tried:
    """Let a door that asks do so now, and wait for the answer."""

    async def now(work: Work) -> int:
        work.bookkeeping("a door is asked to ask at once")
        await hurry(work, name)
        return work.now

    asked = await ctx.store.transact(actor, now)
    for _ in range(max(1, int(seconds / 0.25))):
        found = await door(ctx.store.reads, name)
        if found is not None and found.heard is not None and found.heard >= asked:
            return Tried(name, True, "It asked and was answered.")
        await asyncio.sleep(0.25)
    trouble = found.trouble if found is not None else ""
    return Tried(name, False, trouble or f"No answer within {seconds:g} seconds. Does the server run?")


def own_address(public_url: str) -> str:
    """host:port of our public address, which a try may call though it is inside."""
    parts = urlsplit(public_url)
    if not parts.hostname:
        raise Invalid("public-url", "public_url is no web address.", "Write https://host[:port].")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.hostname}:{port}"
