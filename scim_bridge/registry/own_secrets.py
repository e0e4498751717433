"""Webhook secrets of ours that rotate by command: made here, sealed, and used beside the ones of the settings.

Each is named by its setting (runtime_secret, notify_secret, hr.NAME, revokers.NAME). While a rotation
overlaps, what we send is signed with both and what we are sent may be signed with either, so whoever is
at the other end changes when it suits them. A setting that is changed afterwards counts again.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import SECOND, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.kernel.work import Work
from scim_bridge.registry.rotation import checked_overlap

KIND = "webhook_secret"


@dataclass(frozen=True, slots=True)
class MadeSecret:
    """A new secret (seen only now) and until when the one before still counts."""

    id: str
    secret: SecretText
    before_until: int


class WebhookSettings(Protocol):
    """The settings that hold webhook secrets."""

    @property
    def runtime_secret(self) -> str:
        """Signs what is sent to agents' platforms."""

    @property
    def notify_secret(self) -> str:
        """Signs notices."""

    @property
    def hr(self) -> Mapping[str, str]:
        """What HR systems sign with, by their names; several separated by blanks."""

    @property
    def revokers(self) -> Mapping[str, Mapping[str, str]]:
        """Who revokes credentials, each with its `secret`."""


def configured(settings: WebhookSettings) -> dict[str, str]:
    """The webhook secrets of the settings by the names they rotate under."""
    found = {"runtime_secret": settings.runtime_secret, "notify_secret": settings.notify_secret}
    found |= {f"hr.{name.casefold()}": " ".join(value.split()) for name, value in settings.hr.items()}
    found |= {revoker_name(name): entry.get("secret", "") for name, entry in settings.revokers.items()}
    return {name: value for name, value in found.items() if value}


def revoker_name(system: str) -> str:
    """The name of the secret a system's revoker knows us by: settings know neither case nor hyphens."""
    return f"revokers.{system.casefold().replace('-', '_')}"


def new_secret() -> SecretText:
    """A Standard Webhooks secret: whsec_ and the base64 of 32 random bytes."""
    return SecretText(f"whsec_{base64.b64encode(os.urandom(32)).decode()}")


def place(secret_id: str) -> str:
    """What a secret is sealed for."""
    return f"sb_own_secret:{secret_id}:sealed"


async def live_secrets(reader: Reader, master: MasterKey, name: str, configured: str, now: int) -> list[str]:
    """The secrets that count now, the newest first. `configured`: the setting, several separated by blanks.

    To sign, use all of them; of messages that come in, one has to match.
    """
    rows = await reader.all(
        "SELECT id, sealed, replaces_until FROM sb_own_secret WHERE name = ?"
        " AND (expires IS NULL OR expires > ?) ORDER BY created DESC, id DESC",
        name,
        now,
    )
    given = configured.split()
    if not rows:
        return given
    opened = [orjson.loads(master.unseal(place(row["id"]), bytes(row["sealed"]))) for row in rows]
    made = [each["secret"] for each in opened]
    if configured == opened[0]["replaces"] and rows[0]["replaces_until"] <= now:
        return made
    return [*made, *(each for each in given if each not in made)]


async def rotate_own_secret(
    work: Work,
    master: MasterKey,
    name: str,
    configured: str,
    *,
    overlap: int,
    given: SecretText | None = None,
) -> MadeSecret:
    """Make a secret of this name; those before it end after `overlap` microseconds.

    `given` is one that the other end made (an HR system whose vendor does). The audit holds its id only.
    """
    checked_overlap(overlap)
    ends = work.now + overlap
    secret, secret_id = given or new_secret(), work.ids.new()
    await work.tx.run(
        "UPDATE sb_own_secret SET expires = ? WHERE name = ? AND (expires IS NULL OR expires > ?)",
        ends,
        name,
        ends,
    )
    await work.tx.run(
        "INSERT INTO sb_own_secret (id, name, sealed, created, replaces_until) VALUES (?, ?, ?, ?, ?)",
        secret_id,
        name,
        # With what the setting said: only while it says the same is it what was replaced.
        master.seal(place(secret_id), orjson.dumps({"secret": secret.reveal(), "replaces": configured})),
        work.now,
        ends,
    )
    detail = {"name": name, "overlap_seconds": overlap // SECOND, "before_until": iso(ends)}
    await record(work, "key.rotated", KIND, secret_id, detail)
    work.touched(KIND, name)
    return MadeSecret(secret_id, secret, ends)


async def retire_own_secret(work: Work, name: str) -> int:
    """End the overlap now: only the newest secret of this name counts; how many ended. NotFound without one."""
    rows = await own_secrets(work.tx, name)
    if not rows:
        raise NotFound(
            "key-unknown",
            f"{name} was never rotated here.",
            "Rotate it first: `keys rotate`, or set another.",
        )
    newest, *older = rows
    for row in older:
        await work.tx.run(
            "UPDATE sb_own_secret SET expires = ? WHERE id = ? AND (expires IS NULL OR expires > ?)",
            work.now,
            row["id"],
            work.now,
        )
    await work.tx.run(
        "UPDATE sb_own_secret SET replaces_until = ? WHERE id = ? AND replaces_until > ?",
        work.now,
        newest["id"],
        work.now,
    )
    await record(
        work, "key.retired", KIND, newest["id"], {"name": name, "ended": [row["id"] for row in older]}
    )
    work.touched(KIND, name)
    return len(older) + 1


async def own_secrets(reader: Reader, name: str | None = None) -> list[Any]:
    """The rows of secrets made here, the newest first (no value)."""
    wanted = "" if name is None else " WHERE name = ?"
    return list(
        await reader.all(
            f"SELECT id, name, created, expires, replaces_until FROM sb_own_secret{wanted}"
            " ORDER BY name, created DESC, id DESC",
            *([] if name is None else [name]),
        )
    )
