"""From the audit to the streams: what was committed becomes SETs, in order, once for each stream.

A change writes nothing for streams: its audit row, which it writes anyway and in its own transaction, is
the event. Each stream reads the sealed chain behind its own cursor, so an installation without streams
pays one look into an empty table a second. A stream that is full or paused leaves its cursor where it is:
the audit keeps what it has not been told, and nothing is lost or piled up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from scim_bridge.kernel.clock import DAY, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.event_types import CAEP, RISC, SCIM
from scim_bridge.registry.model import AGENT, GROUP
from scim_bridge.registry.scope import EVERYTHING, Scope, parse_scope
from scim_bridge.registry.scope import GROUP as BY_GROUP
from scim_bridge.watch.ssf_events import CREDENTIAL, CREDENTIAL_TYPES, READINGS, Told, told
from scim_bridge.watch.ssf_model import ENABLED, OKTA_FORM, Stream
from scim_bridge.watch.ssf_outbox import claims, enqueue, jti_of, push_next
from scim_bridge.watch.ssf_streams import SELECT, stream_of
from scim_bridge.watch.ssf_subjects import About, named, scim_subject

PAGE = 200
# More than these wait for no stream: what comes after them stays in the audit until some are taken.
WINDOW = 500
KEEP_REFUSED = 30 * DAY
ROWS = (
    "SELECT seq, id, at, actor_kind, action, subject_kind, subject_id, outcome, detail FROM sb_audit"
    " WHERE seq > ? ORDER BY seq LIMIT ?"
)
BEHIND = (
    f"{SELECT} WHERE status = '{ENABLED}'"
    " AND cursor < (SELECT COALESCE(MAX(seq), 0) FROM sb_audit WHERE seq IS NOT NULL)"
)


async def fill(ctx: Context) -> int:
    """Bring every enabled stream up to date; how many SETs were made."""
    made = 0
    for row in await ctx.store.reads.all(BEHIND):
        made += await fill_one(ctx, stream_of(row))
    return made


async def forget(ctx: Context) -> int:
    """Delete events that a receiver refused a month ago; how many."""
    before = ctx.store.clock.now() - KEEP_REFUSED
    gone = "state = 'refused' AND made < ?"
    if await ctx.store.reads.one(f"SELECT 1 AS x FROM sb_tx_set WHERE {gone} LIMIT 1", before) is None:
        return 0

    async def body(work: Work) -> int:
        work.bookkeeping("refused events are forgotten")
        return await work.tx.run(f"DELETE FROM sb_tx_set WHERE {gone}", before)

    return await ctx.store.transact(SYSTEM, body)


async def fill_one(ctx: Context, found: Stream) -> int:
    """Bring one stream up to date, as far as its window allows; how many SETs were made."""
    if found.status != ENABLED:
        return 0
    made, scope = 0, await _scope(ctx.store.reads, found.owner)
    while await _room(ctx.store.reads, found.id):
        rows = list(await ctx.store.reads.all(ROWS, found.cursor, PAGE))
        if not rows:
            break
        sets = await _sets(ctx, found, scope, rows)
        moved = await ctx.store.transact(
            SYSTEM, partial(_advance, found=found, seq=rows[-1]["seq"], sets=sets)
        )
        if not moved:
            break
        made += len(sets)
        found = stream_of(await ctx.store.reads.one(f"{SELECT} WHERE id = ?", found.id))
    return made


async def _room(reader: Reader, stream_id: str) -> bool:
    row = await reader.one(
        "SELECT COUNT(*) AS n FROM sb_tx_set WHERE stream_id = ? AND state = 'queued'", stream_id
    )
    return row is not None and row["n"] < WINDOW


Made = list[tuple[str, str, Mapping[str, Any]]]


async def _advance(work: Work, found: Stream, seq: int, sets: Made) -> bool:
    """The stream has what happened up to this row; False when another process was here first."""
    work.bookkeeping("a stream of security events goes on")
    moved = await work.tx.run(
        "UPDATE sb_tx_stream SET cursor = ? WHERE id = ? AND cursor = ? AND status = ?",
        seq,
        found.id,
        found.cursor,
        ENABLED,
    )
    if not moved:
        return False
    await enqueue(work, found, sets)
    if sets:
        await push_next(work, found)
    return True


async def _scope(reader: Reader, owner: str) -> Scope:
    if not owner:
        return EVERYTHING
    row = await reader.one("SELECT settings FROM sb_connection WHERE id = ?", owner)
    return EVERYTHING if row is None else parse_scope(str(orjson.loads(row["settings"]).get("scope") or ""))


async def _sets(ctx: Context, found: Stream, scope: Scope, rows: Sequence[Any]) -> Made:
    """The SETs that these audit rows are to this stream."""
    # What was committed just before the stream was made may have been sealed after it.
    ours = [row for row in rows if row["action"] in READINGS and row["at"] >= found.created]
    events = [(row, one) for row in ours for one in told(row, _detail(row))]
    wanted = [(row, one) for row, one in events if one.uri in found.told or one.full in found.told]
    if not wanted:
        return []
    reader = ctx.store.reads
    credentials = await _credentials(reader, [one.subject_id for _, one in wanted if one.kind == CREDENTIAL])
    ids = {credentials.get(one.subject_id, (one.subject_id, ""))[0] for _, one in wanted}
    known = await _about(reader, found, scope, sorted(ids))
    now, made = ctx.store.clock.now(), []
    for row, one in wanted:
        agent_id, kind = credentials.get(one.subject_id, (one.subject_id, ""))
        about = known.get(agent_id)
        if about is None or (one.kind == CREDENTIAL and not kind):
            continue
        uri, payload = await _payload(reader, found, one, about, kind)
        jti = jti_of(found.id, row["id"], uri)
        made.append((jti, uri, _claims(ctx, found, jti, now, row, about, uri, payload)))
    return made


def _detail(row: Any) -> dict[str, Any]:
    found = orjson.loads(row["detail"])
    return found if isinstance(found, dict) else {}


def _claims(
    ctx: Context,
    found: Stream,
    jti: str,
    now: int,
    row: Any,
    about: About,
    uri: str,
    payload: Mapping[str, Any],
) -> Mapping[str, Any]:
    issuer = ctx.public_url
    subject = scim_subject(about) if uri.startswith(SCIM) else named(about, found.form, issuer)
    if found.form == OKTA_FORM and not uri.startswith(SCIM):
        # Okta reads the subject inside of the event, as the drafts before SSF 1.0 had it.
        payload = {**payload, "subject": {"user": subject}, "event_timestamp": row["at"] // SECOND}
    return claims(issuer, found, jti, now, subject, (uri, payload), txn=row["id"], toe=row["at"])


async def _payload(
    reader: Reader, found: Stream, one: Told, about: About, kind: str
) -> tuple[str, Mapping[str, Any]]:
    """(type, payload) as this stream wants it: the whole document where it asked for that, else the names."""
    if one.kind == CREDENTIAL:
        return one.uri, {"credential_type": CREDENTIAL_TYPES.get(kind, "app"), **one.payload}
    if one.uri.startswith((RISC, CAEP)) or not one.uri.startswith(SCIM):
        return one.uri, one.payload
    version = {"version": f'W/"{about.version}"'} if one.versioned else {}
    if one.full and one.full in found.told:
        row = await reader.one("SELECT rendered FROM sb_resource WHERE id = ? AND deleted IS NULL", about.id)
        if row is not None:
            return one.full, {"data": orjson.loads(bytes(row["rendered"])), **version}
        if one.uri not in found.told:
            # It is gone: prov:delete follows, and says so.
            return one.uri, {**one.payload, **version}
    return one.uri, {**one.payload, **version}


async def _credentials(reader: Reader, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(agent, kind) of these credentials by id."""
    if not ids:
        return {}
    rows = await reader.all(
        f"SELECT id, agent_id, kind FROM sb_credential WHERE id {among(reader.backend)}",
        listed(reader.backend, ids),
    )
    return {row["id"]: (row["agent_id"], row["kind"]) for row in rows}


async def _about(reader: Reader, found: Stream, scope: Scope, ids: Sequence[str]) -> dict[str, About]:
    """Those of these agents and groups that the stream tells of, by id: inside its scope, and not taken off it."""
    too, values = _inside(scope)
    rows = await reader.all(
        "SELECT r.id, r.kind, r.name, r.doc, r.version, e.external_id, s.included FROM sb_resource r"
        " LEFT JOIN sb_external e ON e.resource_id = r.id AND e.connection_id = ?"
        " LEFT JOIN sb_tx_subject s ON s.agent_id = r.id AND s.stream_id = ?"
        f" WHERE r.id {among(reader.backend)} AND r.kind IN ('{AGENT}', '{GROUP}'){too}",
        found.owner,
        found.id,
        listed(reader.backend, ids),
        *values,
    )
    made = {}
    for row in rows:
        wanted = found.default_subjects == "ALL" if row["included"] is None else bool(row["included"])
        if wanted or row["kind"] == GROUP:
            made[row["id"]] = _named(row)
    return made


def _inside(scope: Scope) -> tuple[str, list[str]]:
    """The scope as a condition. A deleted agent is in no group any more: who knew it by a name of its own is told."""
    condition, values = scope.sql("r")
    if not condition:
        return "", []
    if BY_GROUP in scope.allowed:
        return f" AND ({condition} OR (r.deleted IS NOT NULL AND e.external_id IS NOT NULL))", values
    return f" AND {condition}", values


def _named(row: Any) -> About:
    doc = orjson.loads(row["doc"])
    mails = [one.get("value") for one in doc.get("emails") or () if isinstance(one, dict)]
    name = row["name"]
    mail = next((str(one) for one in mails if one), name if "@" in name else f"{name}@agents.invalid")
    return About(row["id"], row["kind"], name, mail, row["external_id"], row["version"])
