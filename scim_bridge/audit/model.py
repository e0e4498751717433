"""The chain as pure rules: how a row is hashed, how roots are made, how a break is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

GENESIS = "0" * 64
# A forged place in the chain must not make the verifier fill memory with blanks.
GAP = 1_000_000
CHECKPOINT_TYPE = "scim-bridge-checkpoint+jwt"
HASHED = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "connection_id",
    "action",
    "subject_kind",
    "subject_id",
    "outcome",
    "detail",
    "request_id",
    "address",
)


def row_hash(row: Mapping[str, Any], seq: int, prev: str) -> str:
    """SHA-256 over the previous hash, the place in the chain and every column of the row."""
    content = {name: row[name] for name in HASHED}
    body = orjson.dumps([prev, seq, content], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(body).hexdigest()


def merkle_root(leaves: Sequence[str]) -> str:
    """The RFC 9162 section 2.1.1 Merkle tree hash over hexadecimal leaf values."""
    level = [hashlib.sha256(b"\x00" + bytes.fromhex(leaf)).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256(b"").hexdigest()
    return _tree(level).hex()


def _tree(level: list[bytes]) -> bytes:
    if len(level) == 1:
        return level[0]
    split = 1 << (len(level) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _tree(level[:split]) + _tree(level[split:])).digest()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not add up, and where."""

    seq: int | None
    row_id: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification."""

    rows: int
    checkpoints: int
    unsealed: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True when every row and checkpoint adds up."""
        return not self.findings


def check_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[Finding]]:
    """Walk sealed rows in order of seq; the hashes as recomputed, and every break found."""
    findings: list[Finding] = []
    hashes: list[str] = []
    prev, expected = GENESIS, 1
    for row in rows:
        seq = row["seq"]
        if seq != expected:
            findings.append(Finding(expected, None, f"rows {expected} to {seq - 1} are missing"))
            hashes.extend([""] * min(seq - expected, GAP))
            prev = row["prev"]
        if row["prev"] != prev:
            findings.append(Finding(seq, row["id"], "does not follow the row before it"))
        actual = row_hash(row, seq, row["prev"])
        if actual != row["hash"]:
            findings.append(Finding(seq, row["id"], "its content is not what was sealed"))
        hashes.append(actual)
        prev, expected = row["hash"], seq + 1
    return hashes, findings


def check_checkpoint(stated: Mapping[str, Any], hashes: Sequence[str]) -> Finding | None:
    """Hold a checkpoint's signed content against the recomputed hashes."""
    first, last = stated["first_seq"], stated["last_seq"]
    if last > len(hashes):
        return Finding(
            last, None, f"a checkpoint vouches for rows up to {last}, but only {len(hashes)} exist"
        )
    covered = hashes[first - 1 : last]
    if "" in covered:
        return Finding(
            last, None, f"a checkpoint vouches for rows {first} to {last}, some of which are missing"
        )
    if not covered or covered[-1] != stated["last_hash"] or merkle_root(covered) != stated["root"]:
        return Finding(last, None, f"rows {first} to {last} are not those the checkpoint signed")
    return None
