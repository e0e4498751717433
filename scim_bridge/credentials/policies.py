"""The policies somebody set, and the one that holds for a client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.credentials.policy import Policy, checked, layered
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import connection

ALL = "all"
KINDS = ("connection", "agent", "client")


@dataclass(frozen=True, slots=True)
class Policies:
    """Every layer by its subject."""

    layers: Mapping[str, Mapping[str, Any]]

    def of(self, connection_name: str, slug: str, remote_id: str) -> Policy:
        """The policy of one client of an agent at a connection."""
        subjects = (ALL, f"connection:{connection_name}", f"agent:{slug}", f"client:{remote_id}")
        return layered(self.layers[one] for one in subjects if one in self.layers)


async def policies(reader: Reader) -> Policies:
    """Every policy as it is now."""
    rows = await reader.all("SELECT subject, content FROM sb_credential_policy ORDER BY subject")
    return Policies({row["subject"]: orjson.loads(row["content"]) for row in rows})


async def set_policy(work: Work, subject: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Set names of one layer (None takes one back); the layer as it is then. Invalid for what cannot be."""
    await _known(work, subject)
    row = await work.tx.one("SELECT content FROM sb_credential_policy WHERE subject = ?", subject)
    before = {} if row is None else orjson.loads(row["content"])
    merged = {name: value for name, value in {**before, **content}.items() if value is not None}
    kept = checked(merged)
    await work.tx.run(
        "INSERT INTO sb_credential_policy (subject, content, changed, changed_by) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (subject) DO UPDATE SET content = excluded.content, changed = excluded.changed,"
        " changed_by = excluded.changed_by",
        subject,
        orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode(),
        work.now,
        work.actor.name,
    )
    await record(work, "credential.policy_set", "credential_policy", subject, {"policy": kept})
    return kept


async def clear_policy(work: Work, subject: str) -> None:
    """Take one layer away; NotFound when there is none."""
    if not await work.tx.run("DELETE FROM sb_credential_policy WHERE subject = ?", subject):
        raise NotFound("policy-unknown", f"There is no policy for {subject!r}.", "See `credentials policy`.")
    await record(work, "credential.policy_cleared", "credential_policy", subject)


async def _known(work: Work, subject: str) -> None:
    kind, _, name = subject.partition(":")
    if subject == ALL:
        return
    if kind not in KINDS or not name:
        raise Invalid(
            "policy-subject",
            f"{subject[:80]!r} is nothing a policy can be for.",
            "Use all, connection:NAME, agent:SLUG or client:ID.",
        )
    if kind == "connection":
        await connection(work.tx, name)
    elif kind == "agent":
        row = await work.tx.one("SELECT 1 AS x FROM sb_agent WHERE slug = ?", name)
        if row is None:
            raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
