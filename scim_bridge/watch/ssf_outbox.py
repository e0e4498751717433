"""What waits for a stream: SETs in order, and the one effect that sends the first of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.rows import Insert
from scim_bridge.kernel.work import Work
from scim_bridge.watch.ssf_model import ENABLED, PUSH, Stream

KIND = "ssf.push"
SETS = Insert(
    "sb_tx_set",
    "stream_id text, jti text, position bigint, event text, claims text, state text, made bigint, err text,"
    " description text",
    "ON CONFLICT (stream_id, jti) DO NOTHING",
)


def jti_of(stream_id: str, row_id: str, uri: str) -> str:
    """A SET's id: the same for the same event on the same stream, however often it is made."""
    return hashlib.sha256(f"{stream_id}\0{row_id}\0{uri}".encode()).hexdigest()[:32]


def claims(
    issuer: str,
    stream: Stream,
    jti: str,
    now: int,
    subject: Mapping[str, Any],
    event: tuple[str, Mapping[str, Any]],
    *,
    txn: str = "",
    toe: int | None = None,
) -> dict[str, Any]:
    """A SET's claims (RFC 8417 section 2.2, SSF 1.0 section 4): one event, sub_id, neither sub nor exp."""
    audience: Any = list(stream.audiences) if len(stream.audiences) > 1 else stream.audiences[0]
    made: dict[str, Any] = {
        "iss": issuer,
        "jti": jti,
        "iat": now // SECOND,
        "aud": audience,
        "sub_id": dict(subject),
        "events": {event[0]: dict(event[1])},
    }
    if txn:
        made["txn"] = txn
    if toe is not None:
        made["toe"] = toe // SECOND
    return made


async def enqueue(work: Work, stream: Stream, made: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Put SETs (jti, event, claims) behind those that wait already."""
    if not made:
        return
    row = await work.tx.one(
        "UPDATE sb_tx_stream SET position = position + ? WHERE id = ? RETURNING position",
        len(made),
        stream.id,
    )
    if row is None:
        return
    first = row["position"] - len(made) + 1
    rows = [
        (stream.id, jti, first + n, event, orjson.dumps(said).decode(), "queued", work.now, "", "")
        for n, (jti, event, said) in enumerate(made)
    ]
    work.tx.add_all(SETS, rows)


async def enqueue_control(
    work: Work, issuer: str, stream: Stream, uri: str, payload: Mapping[str, Any]
) -> None:
    """A SET about the stream itself: it is sent whether the stream is enabled or not, and waits for no other."""
    jti = work.ids.new()
    subject = {"format": "opaque", "id": stream.id}
    said = claims(issuer, stream, jti, work.now, subject, (uri, payload), txn=jti)
    await enqueue(work, stream, [(jti, uri, said)])
    if stream.method == PUSH:
        await _effect(work, stream, jti)


async def push_next(work: Work, stream: Stream) -> None:
    """Have the first SET that waits sent, when the stream is pushed and enabled. Harmless when it is on its way."""
    if stream.method != PUSH or stream.status != ENABLED:
        return
    row = await work.tx.one(
        "SELECT jti FROM sb_tx_set WHERE stream_id = ? AND state = 'queued' ORDER BY position LIMIT 1",
        stream.id,
    )
    if row is not None:
        await _effect(work, stream, row["jti"])


async def _effect(work: Work, stream: Stream, jti: str) -> None:
    await work.effect(
        KIND,
        {"stream_id": stream.id, "jti": jti},
        lane=f"ssf:{stream.id}",
        key=f"{stream.id}:{jti}:{stream.round}",
    )
