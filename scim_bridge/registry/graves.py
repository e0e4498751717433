"""What was deleted and may come back: with its id, its history, and every hold that others have on it.

A deleted agent or person keeps its userName, and what connections call it, until somebody else takes them.
So a create that names it meets a unique value, on both back ends and whatever happens at the same time, and
looks here; one that names nobody pays nothing. Who loses the name to somebody else keeps it behind a mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_columns import workload_id_in
from scim_bridge.registry.agent_names import check_name, workload_ids_in_use
from scim_bridge.registry.groups import Seen, leave
from scim_bridge.registry.model import (
    AGENT,
    AGENT_URN,
    GROUP,
    USER_SPACE,
    Derived,
    Doc,
    Resource,
    fold,
    indexed,
    pointers,
    written_agent,
)
from scim_bridge.registry.people_refs import owners_of
from scim_bridge.registry.resources import (
    COLUMNS,
    MARK,
    after_mark,
    bump,
    counted,
    index,
    resource_of,
    taken,
)
from scim_bridge.registry.standing import Standing, changed, save, standing

_ROW = (
    f"{', '.join('r.' + column for column in COLUMNS.split(', '))}, r.deleted,"
    " (SELECT COUNT(*) FROM sb_hold h WHERE h.agent_id = r.id AND h.released IS NULL) AS held"
)
_NAMED = (
    f"SELECT {_ROW}, 0 AS way FROM sb_resource r WHERE r.space = '{USER_SPACE}' AND r.key = ?"
    f" AND r.deleted IS NOT NULL AND r.kind = ? UNION ALL SELECT {_ROW}, 0 FROM sb_resource r"
    f" WHERE r.space = '{USER_SPACE}' AND r.key > ? AND r.key < ? AND r.deleted IS NOT NULL AND r.kind = ?"
)
_CALLED = (
    f" UNION ALL SELECT {_ROW}, 1 FROM sb_external e JOIN sb_resource r ON r.id = e.resource_id"
    f" WHERE e.connection_id = ? AND e.space = '{USER_SPACE}' AND e.external_id = ?"
    " AND r.deleted IS NOT NULL AND r.kind = ?"
)


async def buried(
    reader: Reader, kind: str, name: str, connection_id: str = "", external_id: str | None = None
) -> Resource | None:
    """The deleted agent or person that this userName, or this externalId of the connection, named last.

    Of several it is one that somebody still holds: no choice of names leaves a hold behind.
    """
    rows = await _graves(reader, kind, name, connection_id, external_id)
    chosen = max(
        rows, key=lambda row: (row["held"] > 0, -row["way"], row["deleted"], row["id"]), default=None
    )
    return None if chosen is None else resource_of(chosen)


async def _graves(
    reader: Reader, kind: str, name: str, connection_id: str = "", external_id: str | None = None
) -> list[Any]:
    key = fold(name)
    sql, values = _NAMED, [key, kind, key + MARK, after_mark(key), kind]
    if external_id is not None:
        sql, values = sql + _CALLED, [*values, connection_id, external_id, kind]
    return list(await reader.all(sql, *values))


async def check_rename(work: Work, agent: Resource, name: str) -> None:
    """Refuse an agent the name of a deleted one that is still held: it would act under that name. So is what
    finds another agent."""
    await check_name(work, agent, name)
    rows = await _graves(work.tx, AGENT, name)
    if any(row["held"] and row["id"] != agent.id for row in rows):
        raise Conflict(
            "name-held",
            f"userName {name!r} names an agent that was deleted while it was held.",
            "Create the agent again, which brings it back with its holds, or choose another userName.",
        )


def give_up_names(work: Work, keys: Iterable[str]) -> None:
    """The deleted leave these userNames (casefolded) to somebody else."""
    backend = work.tx.backend
    work.tx.later(
        f"UPDATE sb_resource SET key = key || '{MARK}' || id WHERE space = '{USER_SPACE}'"
        f" AND key {among(backend)} AND deleted IS NOT NULL",
        listed(backend, list(keys)),
    )


def give_up_external_id(work: Work, connection_id: str, space: str, external_id: str) -> None:
    """The deleted leave what this connection called them to somebody else."""
    work.tx.later(
        "DELETE FROM sb_external WHERE connection_id = ? AND space = ? AND external_id = ? AND EXISTS"
        " (SELECT 1 FROM sb_resource r WHERE r.id = sb_external.resource_id AND r.deleted IS NOT NULL)",
        connection_id,
        space,
        external_id,
    )


async def bring_back(work: Work, grave: Resource, name: str, reason: str, connection_id: str) -> Standing:
    """A deleted agent or person lives again under this name; every hold stands. Conflict when the name is taken.

    An agent's runtime and the IdPs hear of it. Groups, and revoked credentials, do not come back.
    """
    give_up_names(work, [fold(name)])
    work.tx.later(
        "UPDATE sb_resource SET deleted = NULL, key = ?, name = ? WHERE id = ? AND deleted IS NOT NULL",
        fold(name),
        name,
        grave.id,
        must=1,
        taken=lambda: taken(name, USER_SPACE),
    )
    counted(work, grave.kind, 1)
    await _leave_groups(work, grave.id)
    index(work, grave.id, set(), indexed(grave.doc, work.indexes))
    before = await standing(work, grave.id, connection_id=connection_id)
    doc = {**before.resource.doc, "userName": name}
    derived = before.derived
    if grave.kind == AGENT:
        derived = await _without_what_ran_out(work, grave.id, derived)
        doc = await _without_workload(work, grave.id, doc)
        # Somebody who answered for it may have been deleted since.
        doc = written_agent(doc, pointers((await owners_of(work.tx, [grave.id]))[grave.id]))
    back = save(work, before, changed(before, doc=doc, derived=derived))
    if grave.kind == AGENT:
        await outward.push_to_idps(work, grave.id, reason)
        if back.resource.active:
            await outward.call_runtime(work, back, "agent.resume", reason)
    return back


async def _without_what_ran_out(work: Work, agent_id: str, derived: Derived) -> Derived:
    """What is known of an agent, without a statement as valid whose end nobody noticed: it was deleted then."""
    known = derived.attestation
    ran_out = known.until is not None and known.until <= work.now and known.state in ("valid", "lapsed")
    if not ran_out or any(hold.source == "attestation" for hold in derived.holds):
        return derived
    work.tx.later("UPDATE sb_agent SET attestation_state = 'lapsed' WHERE id = ?", agent_id)
    await outward.attestation_ran_out(work, agent_id)
    return replace(derived, attestation=replace(known, state="lapsed"))


async def _leave_groups(work: Work, member_id: str) -> None:
    """End what was said of somebody dead: as one who is gone they granted nothing, and it would now."""
    rows = await work.tx.all(
        "SELECT group_id FROM sb_member WHERE member_id = ? ORDER BY group_id", member_id
    )
    for row in rows:
        await leave(work, row["group_id"], Seen({}, {}, frozenset((member_id,))))
        bump(work, row["group_id"], GROUP)


async def _without_workload(work: Work, agent_id: str, doc: Doc) -> Doc:
    """The document without a workload id that has become another agent's."""
    workload_id = workload_id_in(doc)
    if workload_id is None or not await workload_ids_in_use(work.tx, {workload_id: agent_id}):
        return doc
    work.tx.later("UPDATE sb_agent SET workload_id = NULL WHERE id = ?", agent_id)
    extension = {key: value for key, value in doc[AGENT_URN].items() if key != "workloadId"}
    return {**doc, AGENT_URN: extension}
