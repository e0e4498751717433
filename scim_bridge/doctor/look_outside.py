"""Asking others, only when told to: our own address, each IdP, each store. Changes nothing at an IdP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from scim_bridge.app import Bridge
from scim_bridge.doctor.look_life import refused_of
from scim_bridge.doctor.model import Reached, Tenant
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.registry.connections import connection
from scim_bridge.sync.idp.port import Probing

SECONDS = 8.0


async def look_outside(bridge: Bridge, told_url: str, tenants: tuple[Tenant, ...]) -> list[Reached]:
    """Call our own address, each IdP and each store; what came of it."""
    found = [await _ourselves(bridge, f"{bridge.ctx.public_url}/healthz", 200)]
    if told_url:
        found.append(await _ourselves(bridge, f"{told_url.rstrip('/')}/ServiceProviderConfig", 200, 401))
    for one in tenants:
        # A sandbox that our server plays is reached from there, and from nowhere else.
        if one.address and not one.rehearsed:
            found.append(await _idp(bridge, one))
    for options in bridge.stores:
        found.append(await _store(bridge, options.name, options.where))
    return found


async def ask_again(bridge: Bridge, one: Tenant) -> Tenant:
    """A connection with what of its IdP can be used right now; as it was when the IdP cannot be asked so."""
    if not one.pushes or not one.address or one.rehearsed:
        return one
    try:
        _, idp = await bridge.idps.of(one.name)
        if not isinstance(idp, Probing):
            return one
        features = await idp.features()
    except BridgeError as error:
        return replace(one, asked=True, refused=(("sign-in", error.message.rstrip(".")),))
    return replace(one, asked=True, refused=refused_of(features))


async def _ourselves(bridge: Bridge, url: str, *expected: int) -> Reached:
    """Our own address, as seen from here; it may be inside."""
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    out = bridge.ctx.outbound.reaching([host])
    try:
        answer = await out.send("GET", url, timeout=SECONDS)
    except BridgeError as error:
        return Reached("reach", "", url, error.message, error.code)
    finally:
        await out.aclose()
    if answer.status in expected:
        return Reached("reach", "", url)
    return Reached(
        "reach",
        "",
        url,
        f"{url} answered {answer.status}: something else than scim-bridge is there.",
        fix="Check the proxy in front of it, and that it passes every path on.",
    )


async def _idp(bridge: Bridge, one: Tenant) -> Reached:
    """One call without credentials: any answer will do, and its Date tells the time there."""
    known = await connection(bridge.ctx.store.reads, one.name)
    out: Outbound = bridge.ctx.outbound
    mine = None
    try:
        if known.settings.get("ca_file"):
            out = mine = out.trusting(str(known.settings["ca_file"]))
        answer = await out.send("HEAD", one.address.rstrip("/") + "/", timeout=SECONDS)
    except BridgeError as error:
        return Reached("idp", one.name, one.address, error.message, error.code, error.fix)
    except OSError as error:
        fix = f"scim-bridge connections configure {one.name} --set ca_file=FILE"
        return Reached("idp", one.name, one.address, f"ca_file cannot be used ({error}).", "", fix)
    finally:
        if mine is not None:
            await mine.aclose()
    return Reached("idp", one.name, one.address, skew=skew(answer.headers, bridge.ctx.store.clock.now()))


def skew(headers: Mapping[str, str], now: int) -> float | None:
    """How many seconds we are ahead of whoever answered; None when the answer has no usable Date."""
    text = next((value for name, value in headers.items() if name.casefold() == "date"), "")
    try:
        there = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A Date has whole seconds: half of one is what it is off on average.
    return now / SECOND - there.timestamp() - 0.5


async def _store(bridge: Bridge, name: str, where: str) -> Reached:
    try:
        await bridge.stores.open(name).probe()
    except BridgeError as error:
        return Reached("store", name, where, error.message, error.code, error.fix)
    return Reached("store", name, where)
