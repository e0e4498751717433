"""Looking into the database: connections, doors, work that waits. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from scim_bridge.access.in_force import Unusable, policies_now
from scim_bridge.app import Bridge
from scim_bridge.departures.status import counts
from scim_bridge.doctor.model import Door, Life, Tenant, Token
from scim_bridge.kernel.clock import DAY, SECOND
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.worker import sole_worker
from scim_bridge.registry.connections import Connection, connections
from scim_bridge.registry.expiry import days_left, standing
from scim_bridge.registry.odd_facts import COUNTED, odd_facts
from scim_bridge.registry.rehearsed import rehearsed
from scim_bridge.signals.doors import doors
from scim_bridge.sync.features import features_of
from scim_bridge.sync.idp.port import Feature

UNUSED = 7 * DAY
NEWEST = 100
UNASKED = "not asked for"
GRAPH = "https://graph.microsoft.com"
OWNERS = (
    "SELECT COUNT(*) AS agents, SUM(CASE WHEN o.n IS NULL THEN 1 ELSE 0 END) AS unowned,"
    " SUM(CASE WHEN o.told = 0 THEN 1 ELSE 0 END) AS unheard FROM sb_resource r"
    " LEFT JOIN (SELECT w.agent_id, COUNT(*) AS n, MAX(CASE WHEN p.email <> '' THEN 1 ELSE 0 END) AS told"
    " FROM sb_owner w JOIN sb_person p ON p.id = w.person_id WHERE w.role <> 'sponsor' GROUP BY w.agent_id) o"
    " ON o.agent_id = r.id WHERE r.kind = 'agent' AND r.deleted IS NULL"
)


async def look_at_life(bridge: Bridge) -> Life:
    """What the database says of connections, doors and work, at this moment."""
    store = bridge.ctx.store
    reads, now = store.reads, store.clock.now()
    async with sole_worker(store.database) as nobody:
        served = not nobody
    due = await reads.one("SELECT MIN(next_at) AS at FROM sb_effect WHERE state = 'pending'")
    dead = await reads.one("SELECT COUNT(*) AS n FROM sb_effect WHERE state = 'dead'")
    last = await reads.one(
        "SELECT kind, last_error FROM sb_effect WHERE state = 'dead' ORDER BY created DESC LIMIT 1"
    )
    owned = await reads.one(OWNERS)
    asked = await reads.all("SELECT allowed FROM sb_decision ORDER BY id DESC LIMIT ?", NEWEST)
    trouble, permits = await _policies(bridge)
    known = await connections(reads)
    assert dead is not None and owned is not None
    return Life(
        tenants=tuple([await tenant(reads, one, now, bridge.ctx.data_dir) for one in known]),
        doors=tuple(
            Door(one.name, one.kind, one.heard is not None, one.trouble) for one in await doors(reads)
        ),
        worker=served,
        overdue=None if due is None or due["at"] is None else max(0, (now - due["at"]) // SECOND),
        dead=dead["n"],
        dead_words="" if last is None else f"{last['kind']}: {(last['last_error'] or '')[:200]}",
        agents=owned["agents"],
        unowned=owned["unowned"] or 0,
        unheard=owned["unheard"] or 0,
        odd=tuple((one.slug, one.facts) for one in await odd_facts(reads)),
        odd_counted=COUNTED,
        permits=permits,
        policies=trouble,
        denied=sum(1 for row in asked if not row["allowed"]),
        allowed=sum(1 for row in asked if row["allowed"]),
        brakes=(await counts(reads, now))["brakes"],
        held_plans=await _held(reads, known),
    )


async def tenant(reads: Reader, one: Connection, now: int, data_dir: Path) -> Tenant:
    """A connection with who may speak for it and what of its IdP can be used."""
    rows = await reads.all(
        "SELECT id, label, scopes, created, expires, last_used, revoked, successor FROM sb_token"
        " WHERE connection_id = ? AND client_id IS NULL ORDER BY id",
        one.id,
    )
    clients = await reads.one(
        "SELECT COUNT(*) AS n FROM sb_oauth_client WHERE connection_id = ? AND deleted IS NULL", one.id
    )
    features = await features_of(reads, one.id)
    return Tenant(
        one.name,
        one.kind,
        address(one),
        one.has_secrets,
        bool(features),
        refused_of(known for known, _ in features),
        one.last_call is not None,
        tuple(_token(row, now) for row in rows),
        0 if clients is None else clients["n"],
        rehearsed(one, data_dir),
    )


def refused_of(features: Iterable[Feature]) -> tuple[tuple[str, str], ...]:
    """Features that cannot be used, with why; not those that a setting would have to ask for first."""
    return tuple(
        (one.name, one.reason) for one in features if not one.usable and not one.reason.startswith(UNASKED)
    )


def address(one: Connection) -> str:
    """Where the IdP of a connection answers; empty when that is not set."""
    told = one.settings
    if one.kind == "entra":
        return str(told.get("graph_url") or (GRAPH if told.get("tenant_id") else ""))
    return str(told.get("org_url") or told.get("base_url") or "")


def _token(row: Any, now: int) -> Token:
    return Token(
        row["id"],
        row["label"],
        standing(row["expires"], row["revoked"], row["successor"] is not None, now),
        days_left(row["expires"], now),
        row["last_used"] is not None,
        _scopes(row["scopes"]),
        now - row["created"] > UNUSED,
    )


def _scopes(text: str) -> tuple[str, ...]:
    return tuple(orjson.loads(text)) if text.startswith("[") else tuple(text.split())


async def _policies(bridge: Bridge) -> tuple[str, int | None]:
    """Why the policies in force are unusable, or how many of them permit something."""
    told = bridge.settings
    try:
        found = await policies_now(bridge.ctx.store.reads, told.policies, told.access.sets)
    except ConfigurationError as error:
        return error.message, None
    if isinstance(found, Unusable):
        return f"Version {found.version} of the policies cannot be used by this program.", None
    return "", _permits(found.text.whole)


def _permits(text: str) -> int:
    """How many policies permit; comments do not count."""
    lines = (line.split("//", 1)[0] for line in text.splitlines())
    return sum(line.count("permit") for line in lines)


async def _held(reads: Reader, known: list[Connection]) -> tuple[str, ...]:
    """The connections whose newest plan the brake holds."""
    held = []
    for one in known:
        row = await reads.one(
            "SELECT state FROM sb_plan WHERE connection_id = ? ORDER BY created DESC LIMIT 1", one.id
        )
        if row is not None and row["state"] == "held":
            held.append(one.name)
    return tuple(held)
