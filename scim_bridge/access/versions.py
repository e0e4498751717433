"""Policies that were activated: versions in the database, each with who, why, and what it was said to change.

The highest version is in force in every replica; without one, or when it says so, the files of the settings are.
A version keeps its whole text, its sets too: what was simulated is what every replica asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.access.policies import Policies
from scim_bridge.access.policy_file import PolicySet, PolicyText
from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.kernel.work import Work

MAX_REASON = 500
COLUMNS = "version, name, digest, policies, schema, schema_name, sets, at, by_name, reason, simulated"


@dataclass(frozen=True, slots=True)
class Version:
    """One activation. `text` is None when the files of the settings were put in force again."""

    version: int
    text: PolicyText | None
    digest: str
    at: int
    by: str
    reason: str
    simulated: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called."""
        return "the files of the settings" if self.text is None else self.text.title


def digest_of(text: PolicyText) -> str:
    """SHA-256 over everything that can change an answer: policies, sets and schema."""
    parts = [text.policies, text.schema, *(each.policies for each in text.sets)]
    return f"sha256:{hashlib.sha256(orjson.dumps(parts)).hexdigest()}"


def _version(row: Any) -> Version:
    text = None
    if row["policies"] is not None:
        sets = tuple(PolicySet(each["name"], each["policies"], "") for each in orjson.loads(row["sets"]))
        text = PolicyText(row["name"], row["policies"], row["schema"], row["schema_name"], sets)
    return Version(
        row["version"],
        text,
        row["digest"],
        row["at"],
        row["by_name"],
        row["reason"],
        orjson.loads(row["simulated"]),
    )


async def latest(reader: Reader) -> int | None:
    """The number of the version in force; None when nothing was ever activated."""
    row = await reader.one("SELECT MAX(version) AS version FROM sb_policy_version")
    return None if row is None else row["version"]


async def version(reader: Reader, number: int) -> Version:
    """One version; NotFound."""
    row = await reader.one(f"SELECT {COLUMNS} FROM sb_policy_version WHERE version = ?", number)
    if row is None:
        raise NotFound(
            "policy-version", f"There is no policy version {number}.", "See scim-bridge policy versions."
        )
    return _version(row)


async def versions(reader: Reader, *, limit: int = 50, before: int | None = None) -> list[Version]:
    """The newest activations, the one in force first; `before`: those earlier than this version."""
    where, values = ("", []) if before is None else (" WHERE version < ?", [before])
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM sb_policy_version{where} ORDER BY version DESC LIMIT ?", *values, limit
    )
    return [_version(row) for row in rows]


async def activate(
    work: Work,
    policies: Policies | None,
    reason: str,
    simulated: Mapping[str, Any],
    *,
    former: int | None = None,
) -> int:
    """Put policies in force everywhere (None: the files of the settings); their version.

    `former` is the version the simulation compared with: Conflict when another is in force by now.
    Invalid without a reason. Policies that are `prepared` are sound: nothing long is done in the transaction.
    """
    text = None if policies is None else policies.text
    said = " ".join(reason.split())
    if not said or len(said) > MAX_REASON:
        raise Invalid(
            "policy-reason", "An activation needs a reason.", f"Say why in {MAX_REASON} characters."
        )
    before = await latest(work.tx)
    if before != former:
        raise Conflict(
            "policy-moved",
            f"Version {before} was activated meanwhile.",
            "Look at it, then simulate again.",
        )
    number, digest = (before or 0) + 1, "" if text is None else digest_of(text)
    sets = [] if text is None else [{"name": each.name, "policies": each.policies} for each in text.sets]
    work.tx.later(
        f"INSERT INTO sb_policy_version ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        number,
        "" if text is None else text.name,
        digest,
        None if text is None else text.policies,
        None if text is None else text.schema,
        "" if text is None else text.schema_name,
        orjson.dumps(sets).decode(),
        work.now,
        work.actor.name,
        said,
        orjson.dumps(dict(simulated)).decode(),
        taken=_moved,
    )
    detail = {
        "version": number,
        "before": before,
        "name": "the files of the settings" if text is None else text.title,
        "digest": digest,
        "reason": said,
        "simulated": dict(simulated),
    }
    await record(work, "policy.activated", "policy", str(number), detail)
    return number


def _moved() -> Conflict:
    return Conflict(
        "policy-moved", "Another version was activated at this moment.", "Look at it, then simulate again."
    )
