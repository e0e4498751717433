"""Values kept as keyed digests: found by whichever master key made them, and digested anew when next used.

A digest cannot be turned into one by another key without the value, so this happens when the value is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.ownership import FACT
from scim_bridge.kernel.work import Work


@dataclass(frozen=True, slots=True)
class Anew:
    """A digest by the current key, to be kept in the place of an earlier one's."""

    before: str
    digest: str
    kid: str


@dataclass(frozen=True, slots=True)
class Found:
    """The row a value belongs to."""

    row: Any
    anew: Anew | None


async def by_digest(
    reader: Reader, master: MasterKey, purpose: str, value: str, sql: str, *more: object
) -> Found | None:
    """The row whose digest (the first parameter of `sql`) is of this value; None when there is none.

    With one key loaded it is one read. A miss looks once more when other keys are there by now.
    """
    current: tuple[str, str] | None = None
    for kid, digest in master.digests(purpose, value):
        current = current or (kid, digest)
        row = await reader.one(sql, digest, *more)
        if row is not None:
            anew = None if digest == current[1] else Anew(digest, current[1], current[0])
            return Found(row, anew)
    if master.refresh():
        return await by_digest(reader, master, purpose, value, sql, *more)
    return None


def stated(master: MasterKey, purpose: str, value: str) -> str:
    """A digest that says by which key it is, where no column does: "key:digest"."""
    return f"{master.kid}:{master.digest(purpose, value)}"


def shows(master: MasterKey, purpose: str, value: str, kept: str) -> bool:
    """True when `kept` is a digest of this value, with or without its key's name."""
    return master.matches(purpose, value, kept.rpartition(":")[2])


def outdated(master: MasterKey, kept: str) -> bool:
    """True when a digest that names its key is by another one than the current."""
    return ":" in kept and kept.partition(":")[0] != master.kid


def named(kid: str, kept: str) -> str:
    """The same digest with its key's name."""
    return kept if ":" in kept else f"{kid}:{kept}"


async def digest_anew(work: Work, table: str, row_id: str, anew: Anew) -> None:
    """Keep the current key's digest, unless another key has become the current one meanwhile."""
    await work.tx.run(
        f"UPDATE {table} SET digest = ?, digest_key = ? WHERE id = ? AND digest = ?"
        " AND EXISTS (SELECT 1 FROM sb_fact WHERE name = ? AND value = ?)",
        anew.digest,
        anew.kid,
        row_id,
        anew.before,
        FACT,
        anew.kid,
    )
