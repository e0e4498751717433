"""What is registered of the people a manifest names, by userName or e-mail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.live_rows import chunks, live_rows
from scim_bridge.inventory.manifest import Manifest, PersonEntry
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.model import ENTERPRISE_URN, PERSON, Doc, fold, primary_email
from scim_bridge.registry.people_refs import people as people_by_id


def references(manifest: Manifest) -> set[str]:
    """Every name of a person in the manifest, folded."""
    names = {name for person in manifest.people for name in (person.user_name, person.manager)}
    names |= {group.owner for group in manifest.groups}
    for agent in manifest.agents:
        names |= {agent.owner, *agent.co_owners, *agent.sponsors}
    return {fold(name) for name in names if name}


async def current_people(
    reader: Reader, manifest: Manifest, found: Registered
) -> tuple[dict[str, PersonEntry], dict[str, str]]:
    """The people the file names, and the userNames behind the e-mail addresses it names them by."""
    wanted = references(manifest)
    rows = {row["id"]: row for row in await _by_user_name(reader, wanted, "id, name, active, doc")}
    found.names |= {row["key"] for row in rows.values()}
    aliases: dict[str, str] = {}
    for address, row in (await by_email(reader, wanted - found.names)).items():
        rows[row["id"]] = row
        aliases[address] = row["name"]
        found.names.add(address)
    documents = {row["id"]: orjson.loads(row["doc"]) for row in rows.values()}
    managers = await names_by_id(reader, found, (_manager(doc) for doc in documents.values()))
    entries = {}
    for person_id, row in rows.items():
        doc = documents[person_id]
        entries[row["name"]] = _person(row, doc, managers.get(_manager(doc) or "", ""))
        found.people[fold(row["name"])] = person_id
        found.documents[person_id] = doc
        if not row["active"]:
            found.left.add(fold(row["name"]))
    return entries, aliases


async def names_by_id(reader: Reader, found: Registered, ids: Iterable[str | None]) -> dict[str, str]:
    """userName by id, for those that are live people; `found` learns them too."""
    names: dict[str, str] = {}
    for chunk in chunks(sorted({person for person in ids if person})):
        for person, reference in (await people_by_id(reader, chunk)).items():
            names[person] = reference.user_name
            found.people[fold(reference.user_name)] = person
    return names


async def user_names(reader: Reader, wanted: Iterable[str], found: Registered) -> dict[str, str]:
    """userNames as they are spelt, by folded userName; `found` learns ids, names and who has left."""
    spelt: dict[str, str] = {}
    for row in await _by_user_name(reader, wanted, "id, name, active"):
        spelt[row["key"]] = row["name"]
        found.people[row["key"]] = row["id"]
        found.names.add(row["key"])
        if not row["active"]:
            found.left.add(row["key"])
    return spelt


async def _by_user_name(reader: Reader, wanted: Iterable[str], columns: str) -> list[Any]:
    """Rows of the live people with these folded userNames: key, kind and these columns."""
    rows: list[Any] = []
    for chunk in chunks(sorted(wanted)):
        rows += await reader.all(
            f"SELECT key, kind, {columns} FROM sb_resource"
            f" WHERE space = 'user' AND key {among(reader.backend)} AND deleted IS NULL",
            listed(reader.backend, chunk),
        )
    return [row for row in rows if row["kind"] == PERSON]


# What is looked for leads to what is read of it, in a statement of its own, and kinds are told apart here:
# a planner that knows nothing of the rows yet would begin a join at the kind, or at what is not deleted,
# and read everybody there is; PostgreSQL keeps such a plan while the table grows.
async def by_email(reader: Reader, addresses: Iterable[str]) -> dict[str, Any]:
    """The person behind each (folded) address that only one person has, as a row of sb_resource."""
    found: dict[str, list[Any]] = {}
    for chunk in chunks(sorted(addresses)):
        attributes = await reader.all(
            f"SELECT key, resource_id FROM sb_attr WHERE name = 'emails.value' AND key {among(reader.backend)}",
            listed(reader.backend, chunk),
        )
        rows = await live_rows(
            reader, {row["resource_id"] for row in attributes}, "name, key, kind, active, doc"
        )
        for attribute in attributes:
            row = rows.get(attribute["resource_id"])
            if row is not None and row["kind"] == PERSON:
                found.setdefault(attribute["key"], []).append(row)
    return {address: rows[0] for address, rows in found.items() if len(rows) == 1}


def _manager(doc: Doc) -> str | None:
    manager = (doc.get(ENTERPRISE_URN) or {}).get("manager")
    value = manager.get("value") if isinstance(manager, dict) else manager
    return value if isinstance(value, str) and value else None


def _person(row: Any, doc: Doc, manager: str) -> PersonEntry:
    name = doc.get("name") or {}
    return PersonEntry(
        user_name=row["name"],
        given_name=name.get("givenName") or "",
        family_name=name.get("familyName") or "",
        email=primary_email(doc),
        department=(doc.get(ENTERPRISE_URN) or {}).get("department") or "",
        display_name=doc.get("displayName") or "",
        title=doc.get("title") or "",
        manager=manager,
        active=bool(row["active"]),
        timezone=doc.get("timezone") or "",
    )
