"""Statements as evidence: listed, exported, and checked on any machine with only the public keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.attestations.model import STATEMENT_TYPE
from scim_bridge.audit.record import record
from scim_bridge.kernel import crypto
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.crypto import MasterKey, Tampered, public_keys, retire_key, signing_key, verify
from scim_bridge.kernel.database import Database, Reader
from scim_bridge.kernel.errors import BadFile, NotFound
from scim_bridge.kernel.work import Work

Keys = dict[str, dict[str, Any]]
MEMBERS = (
    "id",
    "request",
    "agent",
    "person",
    "verdict",
    "comment",
    "at",
    "until",
    "digest",
    "facts",
    "statement",
)
COLUMNS = "id, request_id, agent_id, person_id, verdict, comment, at, until, digest, facts, statement, ended"


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement that does not add up, and why."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking statements."""

    statements: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True when every statement adds up."""
        return not self.findings


def record_of(row: Any) -> dict[str, Any]:
    """A row of sb_attestation as an export tells it; instants as RFC 3339, facts as the signed bytes' text."""
    return {
        "id": row["id"],
        "request": row["request_id"],
        "agent": row["agent_id"],
        "person": row["person_id"],
        "verdict": row["verdict"],
        "comment": row["comment"],
        "at": iso(row["at"]),
        "until": None if row["until"] is None else iso(row["until"]),
        "digest": row["digest"],
        "facts": row["facts"],
        "statement": row["statement"],
    }


def check(record: Mapping[str, Any], keys: Keys) -> Finding | None:
    """Hold one record against its signature: by whom, about which facts, saying what. Pure."""
    name = str(record.get("id"))
    try:
        signed = verify(str(record["statement"]), keys, STATEMENT_TYPE)
    except Tampered as error:
        return Finding(name, error.message)
    facts = str(record["facts"]).encode("utf-8", "surrogatepass")
    if f"sha256:{hashlib.sha256(facts).hexdigest()}" != signed.get("facts_digest"):
        return Finding(name, "The facts are not those that were signed.")
    by = signed.get("by")
    stated = {
        "id": signed.get("jti"),
        "request": signed.get("request"),
        "agent": signed.get("sub"),
        "person": by.get("id") if isinstance(by, dict) else None,
        "verdict": signed.get("verdict"),
        "comment": signed.get("comment"),
        "at": signed.get("at"),
        "until": signed.get("until"),
        "digest": signed.get("facts_digest"),
    }
    wrong = [member for member, value in stated.items() if record.get(member) != value]
    return Finding(name, f"{', '.join(wrong)}: not what was signed.") if wrong else None


async def summaries(
    reader: Reader,
    now: int,
    agent_id: str | None = None,
    limit: int = 50,
    before: tuple[int, str] | None = None,
) -> list[dict[str, Any]]:
    """The newest statements in a line each; state is current, lapsed, or past (a newer one followed).

    `before`: older than the one of that instant and id.
    """
    tests: list[str] = []
    values: list[Any] = []
    if agent_id is not None:
        tests.append("s.agent_id = ?")
        values.append(agent_id)
    if before is not None:
        tests.append("(s.at, s.id) < (?, ?)")
        values += before
    where = f"WHERE {' AND '.join(tests)} " if tests else ""
    rows = await reader.all(
        "SELECT s.id, a.slug, s.verdict, COALESCE(p.name, s.person_id) AS person, s.comment, s.at, s.until, s.ended"
        " FROM sb_attestation s LEFT JOIN sb_agent a ON a.id = s.agent_id"
        f" LEFT JOIN sb_resource p ON p.id = s.person_id {where}ORDER BY s.at DESC, s.id DESC LIMIT ?",
        *values,
        limit,
    )
    return [
        {
            "id": row["id"],
            "agent": row["slug"],
            "verdict": row["verdict"],
            "by": row["person"],
            "comment": row["comment"],
            "at": row["at"],
            "until": row["until"],
            "state": _state(row, now),
        }
        for row in rows
    ]


def _state(row: Any, now: int) -> str:
    if row["until"] is not None and row["until"] <= (row["ended"] or now):
        return "lapsed"
    return "current" if row["ended"] is None else "past"


async def statement(reader: Reader, statement_id: str) -> Any:
    """One row of sb_attestation; NotFound otherwise."""
    row = await reader.one(f"SELECT {COLUMNS} FROM sb_attestation WHERE id = ?", statement_id)
    if row is None:
        raise NotFound(
            "attestation-unknown",
            f"There is no attestation {statement_id!r}.",
            "See `scim-bridge attest list`.",
        )
    return row


async def verify_stored(database: Database, statement_id: str | None = None) -> Verdict:
    """Check one stored statement, or all of them."""
    async with database.snapshot() as reader:
        keys = await public_keys(reader, "attestation")
        if statement_id is not None:
            rows = [await statement(reader, statement_id)]
        else:
            rows = list(await reader.all(f"SELECT {COLUMNS} FROM sb_attestation ORDER BY at, id"))
    return _verdict([record_of(row) for row in rows], keys)


def _verdict(records: Sequence[Mapping[str, Any]], keys: Keys, extra: Iterable[Finding] = ()) -> Verdict:
    found = (check(record, keys) for record in records)
    return Verdict(len(records), (*(finding for finding in found if finding is not None), *extra))


async def export_lines(database: Database, agent_id: str | None = None) -> list[bytes]:
    """Statements as JSON lines: the public keys, each statement with its facts, and the count at the end."""
    where, values = ("WHERE agent_id = ? ", [agent_id]) if agent_id is not None else ("", [])
    async with database.snapshot() as reader:
        rows = await reader.all(f"SELECT {COLUMNS} FROM sb_attestation {where}ORDER BY at, id", *values)
        keys = await public_keys(reader, "attestation")
    lines = [orjson.dumps({"type": "keys", "keys": keys})]
    lines += [orjson.dumps({"type": "attestation", **record_of(row)}) for row in rows]
    lines.append(orjson.dumps({"type": "end", "statements": len(rows)}))
    return lines


async def rotate_key(work: Work, master: MasterKey) -> dict[str, str | None]:
    """Sign with a new key from now on; the ids of both. What the old one signed verifies as before."""
    before = await retire_key(work, "attestation")
    now = (await signing_key(work, master, "attestation")).kid
    await record(work, "attestation.key_rotated", "key", now, {"before": before})
    return {"before": before, "now": now}


def verify_export(lines: Iterable[bytes], trusted: Keys | None = None) -> Verdict:
    """Check an export offline. `trusted` public keys by kid; without, the export's own are used.

    Invalid for a line we never wrote; a missing end or statement is a finding.
    """
    keys: Keys = dict(trusted or {})
    records: list[dict[str, Any]] = []
    ends: list[Any] = []
    for number, item in _parsed(lines):
        kind = item.get("type")
        if kind == "keys" and isinstance(item.get("keys"), dict):
            if trusted is None:
                keys.update({kid: key for kid, key in item["keys"].items() if isinstance(key, dict)})
        elif kind == "attestation" and set(MEMBERS) <= item.keys():
            records.append(item)
        elif kind == "end":
            ends.append(item.get("statements"))
        else:
            raise _strange(number, "is not one we wrote")
    missing = (
        [] if ends == [len(records)] else [Finding("", "The export is cut off or statements are missing.")]
    )
    return _verdict(records, keys, missing)


def trusted_keys(raw: bytes) -> Keys:
    """Public keys by kid, as `attest keys` prints them; Invalid otherwise."""
    return crypto.trusted_keys(raw, "attest keys")


def _parsed(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise _strange(number, "is not JSON") from error
        if not isinstance(item, dict):
            raise _strange(number, "is not an object")
        yield number, item


def _strange(number: int, what: str) -> BadFile:
    return BadFile("attestation-export", f"Line {number} of the export {what}.", "Is it cut off or edited?")
