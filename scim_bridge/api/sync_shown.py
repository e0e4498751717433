"""Plans, changes, runs and the state of a connection's sync as the API shows them."""

from __future__ import annotations

from typing import Any

from scim_bridge.api.model import Asked
from scim_bridge.kernel.clock import iso
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.findings import findings_at
from scim_bridge.sync.plan import KeptChange, Plan
from scim_bridge.sync.run import Run
from scim_bridge.sync.service import Trouble, status


def when(instant: int | None) -> str | None:
    """An instant in microseconds as the document writes it."""
    return None if instant is None else iso(instant)


def plan_shown(of: Plan, name: str) -> dict[str, Any]:
    """A plan; `name` is its connection's."""
    return {
        "id": of.id,
        "connection": name,
        "state": of.state,
        "created": iso(of.created),
        "by": of.created_by,
        "digest": of.digest,
        "creates": of.creates,
        "updates": of.updates,
        "retires": of.retires,
        "stops": of.stops,
        "agents": of.agents,
        "listed": of.listed,
        "notes": list(of.notes),
        "setup": [f"{kind} {what}" for kind, what in of.setup],
        "held": of.reason or None,
    }


def change_shown(of: KeptChange) -> dict[str, Any]:
    """One change of a plan, attribute by attribute."""
    change = of.change
    return {
        "id": of.id,
        "agent": change.slug,
        "action": change.action,
        "remote": change.remote_id,
        "attributes": [
            {"name": name, "old": change.before.get(name), "new": value, "why": of.reasons.get(name, "")}
            for name, value in change.after.items()
        ],
        "notes": list(of.notes),
        "state": of.state,
        "reason": of.reason or "",
    }


def _trouble(of: Trouble) -> dict[str, Any]:
    return {
        "agent": of.change.change.slug,
        "action": of.change.change.action,
        "state": of.change.state,
        "why": of.reason or "",
        "attempts": of.attempts,
        "next_try": when(of.next_try),
        "effect": of.effect_id,
    }


def run_shown(of: Run, troubles: tuple[Trouble, ...] | list[Trouble]) -> dict[str, Any]:
    """A run, with what of it is parked."""
    return {
        "id": of.id,
        "plan": of.plan_id,
        "state": of.state,
        "stage": of.stage,
        "started": iso(of.started),
        "by": of.started_by,
        "finished": when(of.finished),
        "total": of.total,
        "done": of.done,
        "failed": of.failed,
        "moved": of.moved,
        "cancelled": of.cancelled,
        "reason": of.reason,
        "parked": [_trouble(each) for each in troubles],
    }


async def status_shown(asked: Asked, there: Connection) -> dict[str, Any]:
    """How a connection stands: the last runs and plan, what was found; read anew."""
    of = await status(asked.reader, there)
    return {
        "connection": there.name,
        "push": there.has_secrets,
        "written": of.written,
        "retired": of.retired,
        "drifts": of.drifts,
        "strangers": of.strangers,
        "next_try": when(of.next_try),
        "plan": None if of.plan is None else plan_shown(of.plan, there.name),
        "runs": [run_shown(each, of.troubles if n == 0 else ()) for n, each in enumerate(of.runs)],
        "findings": [
            {
                "agent": kept.slug,
                "code": kept.finding.code,
                "message": kept.finding.message,
                "since": iso(kept.since),
            }
            for kept in await findings_at(asked.reader, there.id)
        ],
    }
