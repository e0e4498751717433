"""Which master key a database belongs to: the wrong one would refuse every token and read no secret."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from scim_bridge.kernel.clock import Clock
from scim_bridge.kernel.crypto import MasterKey, Tampered, equal
from scim_bridge.kernel.database import Database, Reader, Tx
from scim_bridge.kernel.errors import ConfigurationError

FACT = "master-key"
TEXT = "scim-bridge"
SHOWN = 8
FIX = "Restore the key it was made with from a backup (scim-bridge.key beside the database, or SCIM_BRIDGE_SECRET_KEY)."


def fingerprint(master: MasterKey) -> str:
    """What names a master key without telling it: a keyed digest of a fixed text, in hexadecimal."""
    return master.digest("fingerprint", TEXT)


async def _stated(reader: Reader) -> str | None:
    row = await reader.one("SELECT value FROM sb_fact WHERE name = ?", FACT)
    return None if row is None else str(row["value"])


async def may_have_new_key(database: Database, place: str, bound: Sequence[str]) -> None:
    """Return when nothing in the database needs a key; ConfigurationError when the one it needs is missing.

    `bound` are the tables, each perhaps with a condition, whose rows are worth nothing without their key.
    """
    needed = await _stated(database.reads)
    if needed is None:
        found = [await database.reads.one(f"SELECT 1 FROM {rows} LIMIT 1") for rows in bound]
        if not any(found):
            return
    named = "" if needed is None else f" (fingerprint {needed[:SHOWN]})"
    raise ConfigurationError(
        "secret_key", f"this database belongs to a master key{named} that is not in {place}", FIX
    )


async def claim(database: Database, master: MasterKey, place: str, clock: Clock) -> None:
    """Return when the database belongs to this key, or to none yet, which makes it this key's.

    `place` says where the key came from. ConfigurationError when it is another key's.
    """
    own = fingerprint(master)
    stated = await _stated(database.reads)
    if stated is None:
        await _fits(database.reads, master, place)

        async def state(tx: Tx) -> None:
            # Two that start at once: the first one's key counts, the second is compared with it.
            await tx.run(
                "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
                FACT,
                own,
                clock.now(),
            )

        await database.transact(state)
        stated = await _stated(database.reads)
    if not equal(stated or "", own):
        raise _other(place, own, stated or "")


async def _fits(reader: Reader, master: MasterKey, place: str) -> None:
    """A database of before fingerprints: the key must read a signing key, if there is one."""
    row = await reader.one("SELECT kid, private FROM sb_key ORDER BY created DESC LIMIT 1")
    if row is None:
        return
    try:
        orjson.loads(master.unseal(f"sb_key:{row['kid']}:private", bytes(row["private"])))
    except Tampered as error:
        raise _other(place, fingerprint(master), "") from error


def _other(place: str, own: str, stated: str) -> ConfigurationError:
    needed = f", the database's is {stated[:SHOWN]}" if stated else ""
    return ConfigurationError(
        "secret_key",
        f"this database belongs to another master key than the one in {place}"
        f" (its fingerprint is {own[:SHOWN]}{needed})",
        FIX,
    )
