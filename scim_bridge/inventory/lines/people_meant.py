"""Whom the references of a file mean: people of the file or of the registry, by userName or e-mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.current_people import by_email, user_names
from scim_bridge.inventory.lines.ledger import Ledger, listing
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import fold

AT_ONCE = 1_000
_BY_KEY = "SELECT key, name, active FROM person WHERE key IN (SELECT value FROM json_each(?))"
_BY_EMAIL = "SELECT email, name, active FROM person WHERE email IN (SELECT value FROM json_each(?))"


async def resolve(reader: Reader, ledger: Ledger) -> None:
    """Write to each reference who it is, and whether that person has left.

    A userName goes before an e-mail, and what the file says of its own people before the registry.
    """
    last = ""
    while rows := ledger.all("SELECT key FROM reference WHERE key > ? ORDER BY key LIMIT ?", last, AT_ONCE):
        keys = [row[0] for row in rows]
        last = keys[-1]
        ledger.write(
            "UPDATE reference SET name = ?, left = ? WHERE key = ?", await _meant(reader, ledger, keys)
        )


async def _meant(reader: Reader, ledger: Ledger, keys: list[str]) -> Iterable[tuple[str, bool, str]]:
    known = Registered()
    spelt = await user_names(reader, keys, known)
    own = _people(ledger, _BY_KEY, keys)
    rest = [key for key in keys if key not in own and key not in spelt]
    mails = _people(ledger, _BY_EMAIL, rest)
    # A person of the file may have left by what the registry says.
    await user_names(reader, {fold(name) for name, _ in mails.values()} - known.names, known)
    aliases: dict[str, Any] = await by_email(reader, [key for key in rest if key not in mails])
    return list(_rows(keys, known, {**mails, **own}, spelt, aliases))


def _people(ledger: Ledger, query: str, keys: list[str]) -> dict[str, tuple[str, bool]]:
    return {key: (name, bool(active)) for key, name, active in ledger.all(query, listing(keys))}


def _rows(
    keys: list[str],
    known: Registered,
    own: dict[str, tuple[str, bool]],
    spelt: dict[str, str],
    aliases: dict[str, Any],
) -> Iterator[tuple[str, bool, str]]:
    for key in keys:
        if key in own and (own[key][0].casefold() == key or key not in spelt):
            name, active = own[key]
            yield name, not active or fold(name) in known.left, key
        elif key in spelt:
            yield spelt[key], key in known.left, key
        elif key in aliases:
            yield aliases[key]["name"], not aliases[key]["active"], key
