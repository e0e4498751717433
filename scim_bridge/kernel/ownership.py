"""Which master key a database belongs to: the wrong one would refuse every token and read no secret."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from scim_bridge.kernel.clock import Clock
from scim_bridge.kernel.database import Database, Reader, Tx
from scim_bridge.kernel.errors import ConfigurationError, Conflict
from scim_bridge.kernel.master_key import MasterKey, Tampered, meanings
from scim_bridge.kernel.work import Work

log = structlog.get_logger("scim_bridge.master_key")

FACT = "master-key"
SHOWN = 8
FIX = "Restore the key it was made with from a backup (scim-bridge.key beside the database, or SCIM_BRIDGE_SECRET_KEY)."


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


async def meant(reader: Reader, text: str) -> bytes:
    """The key a setting means: the one of its meanings the database belongs to, else its characters."""
    plain, *others = meanings(text)
    stated = await _stated(reader) if others else None
    return next((one for one in others if MasterKey(one).kid == stated), plain)


async def claim(database: Database, master: MasterKey, place: str, clock: Clock) -> None:
    """Return when the database belongs to one of the loaded keys, which is the current one from then on.

    A database that belongs to none yet is the first one's. `place` says where the keys came from.
    ConfigurationError when it is another key's.
    """
    stated = await _stated(database.reads)
    if stated is None:
        own = await _fitting(database.reads, master, place)

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
    if not master.use(stated or ""):
        raise _other(place, master.kid, stated or "")


async def _fitting(reader: Reader, master: MasterKey, place: str) -> str:
    """A database of before fingerprints: the key that reads its newest signing key, if there is one."""
    row = await reader.one("SELECT kid, private FROM sb_key ORDER BY created DESC LIMIT 1")
    if row is None:
        return master.kid
    try:
        return master.sealed_by(f"sb_key:{row['kid']}:private", bytes(row["private"]))
    except Tampered as error:
        raise _other(place, master.kid, "") from error


async def follow(reader: Reader, master: MasterKey) -> str | None:
    """Seal and digest with the key the database names; that key when it is not loaded here, else None.

    A process that lacks it works on with the keys it has.
    """
    stated = await _stated(reader)
    if stated is None or stated == master.kid:
        return None
    if not master.use(stated):
        return stated
    log.info("master_key.changed", action="master_key.changed", fingerprint=stated[:SHOWN])
    return None


async def hand_over(work: Work, before: str, kid: str) -> None:
    """Make another key the database's; Conflict when somebody else did so meanwhile."""
    changed = await work.tx.run(
        "UPDATE sb_fact SET value = ?, changed = ? WHERE name = ? AND value = ?", kid, work.now, FACT, before
    )
    if not changed:
        raise Conflict("key-changed", "The master key was changed meanwhile.", "Look: `keys list`.")


async def since(reader: Reader) -> int:
    """Since when the database belongs to its present key."""
    row = await reader.one("SELECT changed FROM sb_fact WHERE name = ?", FACT)
    return 0 if row is None else int(row["changed"])


def _other(place: str, own: str, stated: str) -> ConfigurationError:
    needed = f", the database's is {stated[:SHOWN]}" if stated else ""
    return ConfigurationError(
        "secret_key",
        f"this database belongs to another master key than the one in {place}"
        f" (its fingerprint is {own[:SHOWN]}{needed})",
        FIX,
    )
