"""`scim-bridge overview`: how everything stands at a glance, as on the console's first page."""

from __future__ import annotations

from typing import Any

from scim_bridge.app import Bridge
from scim_bridge.cli.output import DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.session import with_bridge
from scim_bridge.console.listing import Counts, counts
from scim_bridge.console.pulse import AT_RISK, DAYS, Pulse, pulse
from scim_bridge.console.quiet import quietly
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader


def overview(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """How agents, owners, alerts, decisions, departures, attestations and sync stand, at a glance."""

    async def read(reader: Reader, now: int) -> tuple[Counts, Pulse]:
        return await counts(reader), await pulse(reader, now)

    async def body(bridge: Bridge) -> tuple[Counts, Pulse]:
        now = bridge.ctx.store.clock.now()
        return await quietly(bridge.ctx, lambda reader: read(reader, now))

    numbers, found = with_bridge(database_url, body)
    told = _told(numbers, found)
    runs = [_run(row) for row in found.runs]
    if output is not Format.TABLE:
        show({**told, "connections": runs}, output)
        return
    told["owners_at_risk"] = f"{AT_RISK}+" if len(found.owners) > AT_RISK else len(found.owners)
    show({name: _words(value) for name, value in told.items()}, output)
    say("")
    show(runs, output, empty="No connection yet: scim-bridge connect okta, or entra.")
    for what, command in _looks(numbers, found):
        say(f"{what}: scim-bridge {command}")


def _told(numbers: Counts, found: Pulse) -> dict[str, Any]:
    denied = sum(count for (_, allowed), count in found.answers.items() if not allowed)
    owners = len(found.owners)
    return {
        "agents": numbers.all,
        "active": numbers.active,
        "held": numbers.held,
        "ownerless": numbers.ownerless,
        "not_attested": numbers.unattested,
        "attestations_lapsed": found.lapsed,
        "attestations_ending": sum(found.due.values()),
        "owners_at_risk": {"counted": min(owners, AT_RISK), "more": owners > AT_RISK},
        "alerts": dict(sorted(found.alerts.items())),
        "decisions": {"days": DAYS, "allowed": sum(found.answers.values()) - denied, "denied": denied},
        "departures": {name: found.leaving[name] for name in ("open", "late", "held", "planned", "brakes")},
        "slowest_departure_seconds": max(found.departures.values(), default=0) / 1000 or None,
        "calls_given_up": found.dead,
    }


def _words(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"


def _run(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "connection": row["name"],
        "kind": row["kind"],
        "last_run": row.get("state", "never ran"),
        "began": None if row.get("started") is None else iso(row["started"]),
        "ended": None if row.get("finished") is None else iso(row["finished"]),
        "why": row.get("reason") or None,
    }


def _looks(numbers: Counts, found: Pulse) -> list[tuple[str, str]]:
    """What needs a look, and the command that shows it."""
    every = (
        (found.leaving["brakes"], "The brake holds departures", "departures brake list"),
        (found.leaving["late"], "Departures past five minutes", "departures list"),
        (found.dead, "Calls that were given up", "effects list --state dead"),
        (sum(found.alerts.values()), "Alerts", "alerts list"),
        (numbers.held, "Agents that are held", "agents list state:held"),
        (numbers.ownerless, "Agents nobody answers for", "agents list owner:none"),
        (found.lapsed, "Attestations that lapsed", "agents list attestation:lapsed"),
        (len(found.owners), "Owners at risk", "people list --at-risk"),
    )
    return [(what, command) for count, what, command in every if count]
