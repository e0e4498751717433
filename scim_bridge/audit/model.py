"""The chain as pure rules: how a row is hashed, how roots are made, what a verification says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson

GENESIS = "0" * 64
# The end of year 9999: no instant behind it can be written.
LATEST = 253_402_300_800_000_000
CHECKPOINT_TYPE = "scim-bridge-checkpoint+jwt"
EXPORT_TYPE = "scim-bridge-export+jwt"
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
# In the order in which canonical JSON has them, so that nothing is sorted for each of a million rows.
_ORDER = tuple(sorted(HASHED))
_content = itemgetter(*_ORDER)


def row_hash(row: Mapping[str, Any], seq: int, prev: str) -> str:
    """SHA-256 over the previous hash, the place in the chain and every column of the row."""
    content = dict(zip(_ORDER, _content(row), strict=True))
    return hashlib.sha256(orjson.dumps([prev, seq, content])).hexdigest()


def odd_hash(row: Mapping[str, Any], seq: int, prev: str) -> str:
    """The same of a row that holds bytes where text belongs, which no row of ours does and no export can hold."""
    content = dict(zip(_ORDER, _content(row), strict=True))
    return hashlib.sha256(orjson.dumps([prev, seq, content], default=_odd)).hexdigest()


def _odd(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raise TypeError("no value of a database")


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
    """The result of a verification. `as_of`: the instant an export says it was made, in microseconds.

    `last` and `tip` are the place and the hash of the last row that was checked: what the result is about.
    """

    rows: int
    checkpoints: int
    unsealed: int
    findings: tuple[Finding, ...]
    anchors: int = 0
    as_of: int | None = None
    last: int = 0
    tip: str = ""

    @property
    def ok(self) -> bool:
        """True when every row and checkpoint adds up."""
        return not self.findings


def detail_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The detail of a row; of one that was altered into what is no JSON, `unreadable` with how it begins."""
    try:
        found = orjson.loads(row["detail"])
    except (TypeError, ValueError):
        return {"unreadable": str(row["detail"])[:80]}
    return found if isinstance(found, dict) else {}


def instant_of(row: Any) -> int:
    """When it was, in microseconds; of a row that was altered into no number, the beginning of time."""
    at = row["at"]
    return at if isinstance(at, int) and 0 <= at < LATEST else 0
