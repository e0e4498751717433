"""Writing audit rows, in the transaction of the change they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from scim_bridge.kernel.effects import Effect
from scim_bridge.kernel.rows import Insert
from scim_bridge.kernel.work import Store, Work

ROWS = Insert(
    "sb_audit",
    "id text, at bigint, actor_kind text, actor_id text, actor_name text, connection_id text, action text,"
    " subject_kind text, subject_id text, outcome text, detail text, request_id text, address text",
)
INSERT = ROWS.single


async def record(
    work: Work,
    action: str,
    subject_kind: str,
    subject_id: str | None,
    detail: Mapping[str, Any] | None = None,
    *,
    outcome: str = "success",
    connection_id: str | None = None,
) -> str:
    """Write what happened; the row's id. `detail` holds names and values, never a secret.

    `action` is `noun.verb` (agent.held, token.created); `outcome` is success, refused or failed.
    """
    row_id = work.ids.new()
    actor = work.actor
    work.tx.later(
        INSERT,
        row_id,
        work.now,
        actor.kind,
        actor.id,
        actor.name,
        connection_id or actor.connection_id,
        action,
        subject_kind,
        subject_id,
        outcome,
        orjson.dumps(detail or {}, option=orjson.OPT_SORT_KEYS).decode(),
        actor.request_id,
        actor.address,
    )
    work.audited = True
    return row_id


def record_all(work: Work, told: Iterable[tuple[str, str, str | None, Mapping[str, Any]]]) -> None:
    """Write what happened to many at once: (action, subject kind, subject id, detail) of each."""
    actor = work.actor
    rows = [
        (
            work.ids.new(),
            work.now,
            actor.kind,
            actor.id,
            actor.name,
            actor.connection_id,
            action,
            kind,
            subject_id,
            "success",
            orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode(),
            actor.request_id,
            actor.address,
        )
        for action, kind, subject_id, detail in told
    ]
    work.tx.add_all(ROWS, rows)
    work.audited = work.audited or bool(rows)


async def record_refusal(
    store: Store,
    actor: Any,
    action: str,
    subject_kind: str,
    subject_id: str | None,
    detail: Mapping[str, Any],
) -> None:
    """Keep a refusal (forged webhook, tampered link) in a transaction of its own."""

    async def body(work: Work) -> None:
        await record(work, action, subject_kind, subject_id, detail, outcome="refused")

    await store.transact(actor, body)


async def effect_settled(work: Work, effect: Effect, state: str, reason: str) -> None:
    """The settled hook of the effect engine: what was told to the outside is audited too."""
    await record(
        work,
        f"effect.{state}",
        "effect",
        effect.subject_id,
        {"effect": effect.id, "kind": effect.kind, **({"reason": reason} if reason else {})},
        outcome="success" if state == "done" else "failed",
    )
