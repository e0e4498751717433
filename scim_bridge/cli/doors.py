"""`scim-bridge doors`: where news about people comes in, how each way stands, and a try of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.cli.streams import arrived, verified
from scim_bridge.kernel.clock import SECOND, iso
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.registry.own_secrets import configured, live_secrets
from scim_bridge.signals import doors as signals
from scim_bridge.signals.hr_mappings import mapping_for, mappings
from scim_bridge.signals.trying import Tried, own_address, try_asking, try_graph_notice, try_hr, try_okta_hook

# Doors that ask by themselves, and those that others call.
ASKING = ("okta-log", "graph-delta", "owner-check")
CALLED = ("hr", "okta-hook", "graph-notice")

app = typer.Typer(no_args_is_help=True, help="Doors for news about people: HR, security events, IdP events.")


def described(door: signals.Door) -> dict[str, Any]:
    """A door as printed: times in words, lag in seconds."""
    return {
        "door": door.name,
        "kind": door.kind,
        "state": state(door),
        "heard": None if door.heard is None else iso(door.heard),
        "lag_seconds": None if door.lag is None else round(door.lag / SECOND, 3),
        "events": door.events,
        "gaps": len(door.gaps),
        "trouble": door.trouble or None,
    }


def state(door: signals.Door) -> str:
    """How a door stands in one word."""
    if door.trouble:
        return "trouble"
    return "silent" if door.heard is None else "ok"


async def every(bridge: Any) -> list[signals.Door]:
    """Every door: those that were opened, and HR doors that are set up and heard nothing yet."""
    known = await signals.doors(bridge.ctx.store.reads)
    names = {door.name for door in known}
    silent = [f"hr:{name.casefold()}" for name, value in bridge.settings.hr.items() if value.split()]
    made = [signals.Door(n, "hr", None, None, None, 0, "", (), "", None) for n in silent if n not in names]
    return sorted((*known, *made), key=lambda door: door.name)


@app.command("list")
def list_(
    check: Annotated[bool, typer.Option("--check", help="end with 1 when a door is in trouble")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """List the doors: when each heard something last, how far behind, what it may have missed, what ails it."""
    found = with_bridge(database_url, every)
    show(
        [described(door) for door in found],
        output,
        empty="No door was opened yet. docs/reference/doors.md says how.",
        brief=("door", "state", "heard", "trouble"),
    )
    if check and any(door.trouble for door in found):
        raise typer.Exit(EXIT_ERROR)


@app.command("show")
def show_(name: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Show one door with the times in which it may have missed something."""

    async def body(bridge: Any) -> signals.Door:
        return next((door for door in await every(bridge) if door.name == name), None) or _unknown(name)

    door = with_bridge(database_url, body)
    more = {
        "event": None if door.event is None else iso(door.event),
        "troubled_since": None if door.troubled is None else iso(door.troubled),
        "goes_on_at": door.cursor or None,
    }
    gaps = [{"at": gap.at, "why": gap.why} for gap in door.gaps]
    if output is not Format.TABLE:
        show({**described(door), **more, "gaps": gaps}, output)
        return
    show({**described(door), **more}, output)
    if gaps:
        say("")
        show(gaps, output)


def _unknown(name: str) -> signals.Door:
    raise NotFound("door-unknown", f"There is no door {name!r}.", "See `scim-bridge doors list`.")


@app.command()
def test(
    name: str,
    wait: Annotated[
        float, typer.Option("--wait", min=0, max=600, help="seconds to wait for an answer")
    ] = 30.0,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Send something harmless through a door, the way others would, and see whether it comes. The server must run."""

    done = with_bridge(database_url, lambda bridge: _tried(bridge, name, wait))
    show({"door": done.door, "works": done.works, "told": done.told}, output)
    if not done.works:
        raise typer.Exit(EXIT_ERROR)


async def _tried(bridge: Any, name: str, wait: float) -> Tried:
    kind, _, rest = name.partition(":")
    if kind == "ssf" and rest:
        found = await verified(bridge, rest, wait)
        told = "A verification event went round." if arrived(found) else "No verification event came."
        return Tried(name, arrived(found), told)
    if kind in ASKING and any(door.name == name for door in await every(bridge)):
        return await try_asking(bridge.ctx, actor(), name, wait)
    if kind in CALLED and rest:
        return await _called(bridge, kind, rest)
    raise NotFound(
        "door-untested", f"Nothing is known to try the door {name!r} with.", "See `scim-bridge doors list`."
    )


async def _called(bridge: Any, kind: str, name: str) -> Tried:
    """Call our own address as others do; it may be inside."""
    settings = bridge.settings
    allow = (*settings.allow_networks, own_address(bridge.ctx.public_url))
    outbound = Outbound(allow=allow, ca_file=settings.ca_file or None)
    try:
        if kind == "okta-hook":
            return await try_okta_hook(bridge.ctx, outbound, name)
        if kind == "graph-notice":
            return await try_graph_notice(bridge.ctx, outbound, name)
        mapping = mapping_for(name, mappings(settings.hr_mappings))
        own = f"hr.{name.casefold()}"
        given, ctx = configured(settings).get(own, ""), bridge.ctx
        secrets = await live_secrets(ctx.store.reads, ctx.master, own, given, ctx.store.clock.now())
        return await try_hr(bridge.ctx, outbound, name.casefold(), mapping, secrets)
    finally:
        await outbound.aclose()
