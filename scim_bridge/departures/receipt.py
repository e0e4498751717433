"""Receipts: the content fixed in the transaction that closes a case, signed right after, exported, checked.

Closing happens inside the worker's transaction, where no key is at hand. The audit row of that
transaction keeps the content's digest, and nothing is signed whose digest is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import orjson
import structlog

from scim_bridge.audit.record import record
from scim_bridge.departures.model import Case, Fate
from scim_bridge.departures.statement import (
    DONE,
    TYPE,
    Keys,
    Step,
    Verdict,
    check,
    content_of,
    digest,
    packed,
)
from scim_bridge.departures.status import SECONDS
from scim_bridge.departures.steps import told
from scim_bridge.kernel import crypto
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey, Tampered, public_keys, retire_key, signing_key
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BadFile, NotFound
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.outward import IDP_PUSH

log = structlog.get_logger("scim_bridge.departures")

ISSUED = "departure.receipt_issued"
PURPOSE = "receipt"
BATCH = 100


async def issue(work: Work, case: Case, agents: Iterable[Mapping[str, Any]]) -> None:
    """Fix the receipt of a case that closes in this transaction."""
    rows = list(agents)
    slugs = {row["agent_id"]: row["slug"] for row in rows}
    names = {row["id"]: row["name"] for row in await work.tx.all("SELECT id, name FROM sb_connection")}
    effects = await work.tx.all(
        "SELECT id, kind, subject_id, payload, state, attempts, created, settled FROM sb_effect"
        " WHERE case_id = ? ORDER BY id",
        case.id,
    )
    steps = [Step(row["decided"], row["fate"], row["slug"], row["reason"]) for row in rows]
    steps += [_step(row, slugs, names) for row in effects]
    there = _there(effects, names)
    became = [_agent(row, there) for row in rows]
    content = content_of(case, became, steps, case.closed_at or work.now)
    body = packed(content)
    await work.tx.run(
        "INSERT INTO sb_receipt (case_id, content, issued, within_budget, milliseconds, steps)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        case.id,
        body.decode(),
        work.now,
        int(content["within_budget"]),
        int(content["seconds"] * 1000),
        len(steps),
    )
    detail = {
        "digest": digest(body),
        "seconds": content["seconds"],
        "within_budget": content["within_budget"],
    }
    await record(work, ISSUED, "departure", case.id, detail)


def _there(effects: Iterable[Any], connections: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """By agent id: when each IdP was told, by its name."""
    found: dict[str, dict[str, str]] = {}
    for effect in effects:
        if effect["kind"] == IDP_PUSH and effect["state"] == DONE and effect["settled"] is not None:
            name = connections.get(orjson.loads(effect["payload"])["connection_id"], "an IdP")
            found.setdefault(effect["subject_id"], {})[name] = iso(effect["settled"])
    return found


def _agent(row: Mapping[str, Any], there: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What became of one agent: since when it is denied here, and since when each IdP knows."""
    return {
        "agent": row["slug"],
        "role": row["role"],
        "fate": row["fate"],
        "successor": row["successor"],
        "denied_here": iso(row["decided"]) if row["fate"] == Fate.HELD.value else None,
        "told_there": dict(there.get(row["agent_id"], {})),
    }


def _step(row: Any, slugs: Mapping[str, str], connections: Mapping[str, str]) -> Step:
    at = row["settled"] if row["settled"] is not None else row["created"]
    detail = told(row["kind"], orjson.loads(row["payload"]), connections)
    return Step(
        at, row["kind"], slugs.get(row["subject_id"]), detail, row["state"], row["id"], row["attempts"]
    )


async def sign_waiting(ctx: Context) -> int:
    """Sign every receipt that waits for it; how many were signed."""
    rows = await ctx.store.reads.all(
        "SELECT r.case_id, r.milliseconds, d.drill FROM sb_receipt r LEFT JOIN sb_departure d ON d.id = r.case_id"
        " WHERE r.signed IS NULL ORDER BY r.issued, r.case_id LIMIT ?",
        BATCH,
    )
    signed = 0
    for row in rows:
        try:
            done = await ctx.store.transact(SYSTEM, partial(_sign, ctx=ctx, case_id=row["case_id"]))
        except Tampered as error:
            done = 0
            log.error(
                "receipt.unsigned", action="receipt.unsigned", case=row["case_id"], reason=error.message
            )
        if done and not row["drill"]:
            # One process signs a receipt, so each case is counted once, whoever is scraped.
            SECONDS.observe(row["milliseconds"] / 1000)
        signed += done
    return signed


async def _sign(work: Work, ctx: Context, case_id: str) -> int:
    row = await work.tx.one("SELECT content FROM sb_receipt WHERE case_id = ? AND signed IS NULL", case_id)
    if row is None:
        work.bookkeeping("another process signed this receipt")
        return 0
    content = row["content"].encode()
    if digest(content) != await audited_digest(work.tx, case_id):
        raise Tampered("receipt-content", "The receipt is not what was written when the case closed.")
    key = await signing_key(work, ctx.master, PURPOSE)
    changed = await work.tx.run(
        "UPDATE sb_receipt SET statement = ?, signed = ? WHERE case_id = ? AND signed IS NULL",
        key.sign(orjson.loads(content), TYPE),
        work.now,
        case_id,
    )
    await record(work, "departure.receipt_signed", "departure", case_id, {"kid": key.kid})
    return changed


async def rotate_key(work: Work, master: MasterKey) -> tuple[str | None, str]:
    """Sign receipts with a new key from now on; (old id or None, new id). Old receipts verify as before."""
    old = await retire_key(work, PURPOSE)
    new = (await signing_key(work, master, PURPOSE)).kid
    await record(work, "receipt.key_rotated", "key", new, {"before": old})
    return old, new


async def audited_digest(reader: Reader, case_id: str) -> str | None:
    """The digest of a receipt's content as the audit log keeps it."""
    row = await reader.one(
        "SELECT detail FROM sb_audit WHERE action = ? AND subject_kind = 'departure' AND subject_id = ?",
        ISSUED,
        case_id,
    )
    found = None if row is None else orjson.loads(row["detail"]).get("digest")
    return found if isinstance(found, str) else None


async def export(ctx: Context, case: Case) -> dict[str, Any]:
    """The receipt of a closed case with the public keys that verify it; NotFound while there is none."""
    row = await ctx.store.reads.one("SELECT statement FROM sb_receipt WHERE case_id = ?", case.id)
    if row is not None and row["statement"] is None:
        await ctx.store.transact(SYSTEM, partial(_sign, ctx=ctx, case_id=case.id))
        row = await ctx.store.reads.one("SELECT statement FROM sb_receipt WHERE case_id = ?", case.id)
    if row is None:
        raise NotFound(
            "receipt-none",
            f"The case is {case.state.value}: there is no receipt yet.",
            f"See what is missing: scim-bridge departures show {case.id}",
        )
    return {"receipt": row["statement"], "keys": await public_keys(ctx.store.reads, PURPOSE)}


async def verify_case(ctx: Context, case: Case) -> Verdict:
    """Check the receipt of a case, and hold it against what the database still knows."""
    exported = await export(ctx, case)
    verdict = check(exported["receipt"], exported["keys"])
    findings = list(verdict.findings)
    row = await ctx.store.reads.one("SELECT content FROM sb_receipt WHERE case_id = ?", case.id)
    content = row["content"].encode() if row is not None else b""
    if not findings and content != packed(verdict.content):
        findings.append("What is stored beside the signature is not what was signed.")
    if digest(content) != await audited_digest(ctx.store.reads, case.id):
        findings.append("The audit log knows another receipt of this case.")
    if not findings:
        findings += await _differences(ctx.store.reads, case, verdict.content)
    return Verdict(tuple(findings), verdict.content)


async def _differences(reader: Reader, case: Case, content: Mapping[str, Any]) -> list[str]:
    """Steps that the database tells differently. Effects that were cleared away since are no difference."""
    if content["case"] != case.id:
        return ["It is the receipt of another case."]
    rows = await reader.all("SELECT id, state FROM sb_effect WHERE case_id = ?", case.id)
    known = {row["id"]: row["state"] for row in rows}
    said = {step["ref"]: step["state"] for step in content["steps"] if "ref" in step}
    wrong = [
        f"Step {ref} is {known[ref]} in the database."
        for ref in sorted(said)
        if known.get(ref, said[ref]) != said[ref]
    ]
    return wrong + [f"Step {ref} is not in the receipt." for ref in sorted(known.keys() - said.keys())]


def verify_file(raw: bytes, trusted: Keys | None = None) -> Verdict:
    """Check an exported receipt offline. `trusted` are public keys by kid; without, the file's own count."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadFile("receipt-file", "The file is not JSON.", "Export the receipt again.") from error
    statement = found.get("receipt") if isinstance(found, dict) else None
    keys = trusted if trusted is not None else found.get("keys") if isinstance(found, dict) else None
    if not isinstance(statement, str) or not _is_keys(keys):
        raise BadFile("receipt-file", "The file is no receipt of ours.", "Export the receipt again.")
    return check(statement, keys or {})


def trusted_keys(raw: bytes) -> Keys:
    """Public keys by kid from a JSON file; Invalid when it holds something else."""
    return crypto.trusted_keys(raw, "receipts keys")


def _is_keys(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, dict) for key in value.values())
