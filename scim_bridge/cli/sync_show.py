"""Plans, runs and the state of a sync as `sync` prints them."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from scim_bridge.cli.output import console
from scim_bridge.kernel.clock import SECOND, iso
from scim_bridge.registry.findings import KeptFinding
from scim_bridge.sync.idp.port import CREATE
from scim_bridge.sync.plan import KeptChange, Plan
from scim_bridge.sync.run import Run
from scim_bridge.sync.service import Status, Trouble

FIRST = 5
SHOWN = 40


def change_record(kept: KeptChange) -> dict[str, Any]:
    """One change with every attribute old and new, and why."""
    change = kept.change
    return {
        "agent": change.slug,
        "action": change.action,
        "remote": change.remote_id,
        "attributes": [
            {
                "name": name,
                "old": change.before.get(name),
                "new": value,
                "why": kept.reasons.get(name, ""),
            }
            for name, value in change.after.items()
        ],
        "notes": list(kept.notes),
    }


def change_rows(changes: list[KeptChange]) -> list[dict[str, Any]]:
    """A row for each attribute that would change; a new object is one row."""
    rows = []
    for kept in changes:
        change = kept.change
        head = {"agent": change.slug, "action": change.action}
        if change.action == CREATE:
            rows.append(
                {**head, "attribute": "everything", "old": None, "new": _sum(change.after), "why": _why(kept)}
            )
            continue
        for name, value in change.after.items():
            rows.append(
                {
                    **head,
                    "attribute": name,
                    "old": _short(change.before.get(name)),
                    "new": _short(value),
                    "why": kept.reasons.get(name, ""),
                }
            )
    return rows


def _sum(after: Any) -> str:
    return f"{len(after)} attributes"


def _why(kept: KeptChange) -> str:
    return next(iter(kept.reasons.values()), "")


def _short(value: Any) -> Any:
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"{text[:77]}…" if isinstance(text, str) and len(text) > 78 else text


def plan_record(plan: Plan, name: str, changes: list[KeptChange]) -> dict[str, Any]:
    """A plan as one record; `first` holds the first few changes whole."""
    return {
        "plan": plan.id,
        "connection": name,
        "state": plan.state,
        "digest": plan.digest,
        "created": plan.created,
        "changes": plan.changes,
        "creates": plan.creates,
        "updates": plan.updates,
        "retires": plan.retires,
        "stops": plan.stops,
        "agents": plan.agents,
        "listed": plan.listed,
        "first": [change_record(kept) for kept in changes[:FIRST]],
        "warnings": list(plan.notes),
        "setup": [f"{kind} {what}" for kind, what in plan.setup],
        "held": plan.reason or None,
    }


def tell_plan(plan: Plan, name: str) -> None:
    """What a plan comes to, below its changes, for people."""
    out = console()
    counts = f"{plan.creates} to create, {plan.updates} to update, {plan.retires} to retire"
    out.print(
        f"\n{plan.agents} agents compared with {plan.listed} objects at {escape(name)}: [bold]{counts}[/]."
    )
    if plan.setup:
        shown = ", ".join(f"{kind} {what}" for kind, what in plan.setup[:6])
        more = f" and {len(plan.setup) - 6} more" if len(plan.setup) > 6 else ""
        out.print(f"Applying first adds to {escape(name)}: {escape(shown)}{more}.")
    for note in plan.notes[:20]:
        out.print(f"[yellow]note:[/] {escape(note)}")
    if len(plan.notes) > 20:
        out.print(f"… and {len(plan.notes) - 20} more notes (--output json shows all).")
    if plan.reason:
        out.print(f"[bold red]held by the brake:[/] {escape(plan.reason)}")
        out.print(
            f"Look first. Then, if it is meant: sync apply {escape(name)} --plan {plan.id} --release REASON"
        )
    elif plan.changes:
        out.print(f"Nothing was written. Apply exactly this: sync apply {escape(name)} --plan {plan.id}")


def run_record(run: Run, name: str, troubles: list[Trouble]) -> dict[str, Any]:
    """A run as one record."""
    ended = run.finished
    return {
        "run": run.id,
        "connection": name,
        "plan": run.plan_id,
        "state": run.state,
        "stage": run.stage,
        "total": run.total,
        "done": run.done,
        "failed": run.failed,
        "moved": run.moved,
        "cancelled": run.cancelled,
        "seconds": None if ended is None else round((ended - run.started) / SECOND, 3),
        "started": iso(run.started),
        "by": run.started_by,
        "reason": run.reason or None,
        "parked": [trouble_record(trouble) for trouble in troubles],
    }


def trouble_record(trouble: Trouble) -> dict[str, Any]:
    """A change that is not done: which, why, and when it is tried again."""
    return {
        "agent": trouble.change.change.slug,
        "action": trouble.change.change.action,
        "state": trouble.change.state,
        "why": trouble.reason,
        "attempts": trouble.attempts,
        "next_try": None if trouble.next_try is None else iso(trouble.next_try),
        "effect": trouble.effect_id,
    }


def finding_record(kept: KeptFinding) -> dict[str, Any]:
    """One thing the IdP itself finds wrong with an agent."""
    return {
        "agent": kept.slug,
        "code": kept.finding.code,
        "says": kept.finding.message,
        "since": iso(kept.since),
    }


def status_record(found: Status) -> dict[str, Any]:
    """How a connection stands, whole."""
    name = found.connection.name
    plan = found.plan
    latest = list(found.troubles)
    return {
        "connection": name,
        "kind": found.connection.kind,
        "written": found.written,
        "retired": found.retired,
        "drifts": found.drifts,
        "strangers": found.strangers,
        "plan": None if plan is None else plan_record(plan, name, []),
        "next_try": None if found.next_try is None else iso(found.next_try),
        "parked": [trouble_record(trouble) for trouble in latest],
        "runs": [run_record(run, name, latest if run is found.runs[0] else []) for run in found.runs],
    }


def status_row(found: Status) -> dict[str, Any]:
    """How a connection stands, in one line."""
    last = found.runs[0] if found.runs else None
    plan = found.plan
    return {
        "connection": found.connection.name,
        "last run": "never" if last is None else iso(last.started),
        "state": None if last is None else last.state,
        "progress": None if last is None else f"{last.settled}/{last.total}",
        "reason": None if last is None else last.reason or None,
        "next try": None if found.next_try is None else iso(found.next_try),
        "kept in step": found.written,
        "to settle": f"{found.drifts} drifts, {found.strangers} strangers",
        "last plan": None if plan is None else f"{plan.changes} changes, {plan.state}",
    }
