"""Policies that somebody is writing: kept until they are activated, so that a sign-in on the way loses nothing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.kernel.work import Work

LONGEST = 131_072
# A draft nobody touched for so long is forgotten when somebody begins another.
KEPT = 90 * DAY
COLUMNS = "id, policies, base, created, changed, by_name"
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it is kept. `base` is the version that was in force when it was begun; None: none was."""

    id: str
    policies: str
    base: int | None
    created: int
    changed: int
    by: str

    @property
    def mark(self) -> str:
        """What a page was shown: another one once somebody kept another text."""
        return hashlib.sha256(self.policies.encode()).hexdigest()[:32]

    def still(self, seen: str) -> None:
        """Conflict where a page had shown another text. "": a page from before an upgrade does not say."""
        if seen and seen != self.mark:
            raise self.moved()

    def moved(self) -> Conflict:
        """That somebody else was quicker."""
        return Conflict(
            "draft-moved",
            f"{self.by} changed this draft meanwhile; nothing of yours was kept or activated.",
            "Go back and copy your text, load the page again, and bring both together.",
        )


def written(text: str) -> str:
    """A text as it is kept: lines end in one newline; Invalid when it is too long."""
    plain = _UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if len(plain.encode()) > LONGEST:
        raise Invalid(
            "policy-long",
            f"The policies are longer than {LONGEST // 1024} KB.",
            "Activate them from a file: scim-bridge policy activate FILE.",
        )
    return plain.rstrip() + "\n"


async def draft(reader: Reader, draft_id: str) -> Draft:
    """One draft; NotFound."""
    row = await reader.one(f"SELECT {COLUMNS} FROM sb_policy_draft WHERE id = ?", draft_id)
    if row is None:
        raise NotFound("draft-unknown", "There is no such draft.", "Begin one on the page of access.")
    return _draft(row)


async def drafts(reader: Reader, limit: int = 20, before: tuple[int, str] | None = None) -> list[Draft]:
    """Drafts, those changed last first; `before`: changed earlier than the one of that instant and id."""
    where = "" if before is None else " WHERE (changed, id) < (?, ?)"
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM sb_policy_draft{where} ORDER BY changed DESC, id DESC LIMIT ?",
        *(before or ()),
        limit,
    )
    return [_draft(row) for row in rows]


def _draft(row: Any) -> Draft:
    return Draft(row["id"], row["policies"], row["base"], row["created"], row["changed"], row["by_name"])


async def begin(work: Work, text: str, base: int | None) -> str:
    """Keep a new draft; its id."""
    draft_id = work.ids.new()
    await work.tx.run("DELETE FROM sb_policy_draft WHERE changed < ?", work.now - KEPT)
    await work.tx.run(
        f"INSERT INTO sb_policy_draft ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        draft_id,
        written(text),
        base,
        work.now,
        work.now,
        work.actor.name,
    )
    await record(work, "policy.drafted", "policy", draft_id, {"base": base})
    return draft_id


async def rewrite(work: Work, draft_id: str, text: str, base: int | None, seen: str = "") -> None:
    """Give a draft another text, compared from now on with this version; NotFound.

    Conflict where it is not the one with the mark `seen` any more.
    """
    kept = await draft(work.tx, draft_id)
    kept.still(seen)
    work.bookkeeping("a draft grants nothing; what is activated is audited")
    done = await work.tx.run(
        "UPDATE sb_policy_draft SET policies = ?, base = ?, changed = ?, by_name = ? WHERE id = ? AND policies = ?",
        written(text),
        base,
        work.now,
        work.actor.name,
        draft_id,
        kept.policies,
    )
    if not done:
        raise kept.moved()


async def forget(work: Work, kept: Draft) -> None:
    """Forget a draft that was activated; Conflict where it has another text by now, or is gone."""
    done = await work.tx.run(
        "DELETE FROM sb_policy_draft WHERE id = ? AND policies = ?", kept.id, kept.policies
    )
    if not done:
        raise kept.moved()
