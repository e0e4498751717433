"""Idempotency keys: the answer to a change is kept in the change's own transaction, and given again to the same key.

So a call that is repeated after a lost answer changes nothing twice. A refusal is not kept: nothing was changed.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

import orjson

from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.crypto import MasterKey, Tampered
from scim_bridge.kernel.errors import Invalid, Moved, Refused
from scim_bridge.kernel.work import SYSTEM, Store, Work

HEADER = "idempotency-key"
FORM = re.compile(r"[\x21-\x7e]{1,255}")
KEPT = DAY


class Keyed(NamedTuple):
    """A key as it is kept (a digest of what was sent), and a digest of the request it came with."""

    key: str
    request: str


class Kept(NamedTuple):
    """An answer that was given before."""

    status: int
    raw: bytes


def keyed(header: str, method: str, address: str, query: Any, body: Any) -> Keyed:
    """What to look for, and to keep; Invalid for a key that is none."""
    if not FORM.fullmatch(header):
        raise Invalid(
            "idempotency-key",
            "The Idempotency-Key does not have between 1 and 255 printable ASCII characters.",
            "Send a UUID.",
        )
    asked = orjson.dumps([method, address, query, body], option=orjson.OPT_SORT_KEYS)
    return Keyed(hashlib.sha256(header.encode()).hexdigest(), hashlib.sha256(asked).hexdigest())


def _place(token_id: str, key: str) -> str:
    return f"sb_api_answer:{token_id}:{key}"


async def recalled(work: Work, master: MasterKey, token_id: str, asked: Keyed) -> Kept | None:
    """The answer this token got with this key; Refused when that was to another request."""
    row: Any = await work.tx.one(
        "SELECT request, status, answer FROM sb_api_answer WHERE token_id = ? AND key = ? AND at > ?",
        token_id,
        asked.key,
        work.now - KEPT,
    )
    if row is None:
        return None
    if row["request"] != asked.request:
        raise Refused(
            "idempotency-key-reused",
            "This Idempotency-Key came with another request before.",
            "Send a fresh key with each new request, and the same only with the very same.",
        )
    try:
        answer = master.unseal(_place(token_id, asked.key), bytes(row["answer"]))
    except Tampered as error:
        # The key it was sealed with was retired within the day. To do it again would be worse than to say so.
        raise Refused(
            "idempotency-answer-lost",
            "What was asked with this Idempotency-Key is done; its answer cannot be read any more.",
            "Look at what it changed, and go on with a fresh key.",
        ) from error
    return Kept(row["status"], answer)


async def keep(work: Work, master: MasterKey, token_id: str, asked: Keyed, answer: Kept) -> None:
    """Keep an answer in the transaction of its change; whoever sent the same key meanwhile runs again and finds it."""
    if not work.tx.writes:
        work.bookkeeping("an answer is kept for its idempotency key")
    await work.tx.run(
        "DELETE FROM sb_api_answer WHERE token_id = ? AND key = ? AND at <= ?",
        token_id,
        asked.key,
        work.now - KEPT,
    )
    work.tx.later(
        "INSERT INTO sb_api_answer (token_id, key, request, status, answer, at) VALUES (?, ?, ?, ?, ?, ?)",
        token_id,
        asked.key,
        asked.request,
        answer.status,
        master.seal(_place(token_id, asked.key), answer.raw),
        work.now,
        taken=Moved,
    )


async def forget(store: Store) -> None:
    """Forget the answers whose time is over."""

    async def body(work: Work) -> None:
        work.bookkeeping("idempotency keys that are too old to come again")
        await work.tx.run("DELETE FROM sb_api_answer WHERE at <= ?", work.now - KEPT)

    await store.transact(SYSTEM, body)
