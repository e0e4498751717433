"""Subject identifiers of security events (RFC 9493, SSF 1.0 section 3): whom one means, certainly or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import AGENT, PERSON
from scim_bridge.registry.people_refs import people_named
from scim_bridge.signals.secevent import SetRefused

LONGEST = 320
MOST = 10
# The member that holds what each simple format says.
MEMBERS: Mapping[str, str] = {
    "account": "uri",
    "email": "email",
    "iss_sub": "sub",
    "opaque": "id",
    "phone_number": "phone_number",
    "did": "url",
    "uri": "uri",
    "scim": "uri",
}
BY_ID = ("iss_sub", "opaque", "scim")
BY_ADDRESS = ("email", "account")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One way in which a subject is named. `issuer` is that of iss_sub; `own` the id that we gave (scim)."""

    format: str
    value: str
    issuer: str = ""
    own: str = ""

    def __str__(self) -> str:
        return f"{self.format} {self.value}"


@dataclass(frozen=True, slots=True)
class Rules:
    """How one stream's subjects are looked for: whose ids they are, and whether an address may do alone."""

    connection_id: str
    issuers: tuple[str, ...]
    by_email: bool


def identifiers(raw: Any) -> tuple[Identifier, ...]:
    """Every name a subject has; empty when it means no user (a device). SetRefused for one that is none."""
    if not isinstance(raw, dict):
        raise _wrong("It has no subject.")
    form = _format(raw)
    if form == "complex" or (not form and isinstance(raw.get("user"), dict)):
        user = raw.get("user")
        return () if user is None else _simple(user)
    return _simple(raw)


def named(found: tuple[Identifier, ...]) -> str:
    """The names as one short text, for whoever looks for what matched nobody."""
    return ", ".join(map(str, found))[:LONGEST] or "no user"


def _format(raw: Mapping[str, Any]) -> str:
    # "subject_type" and hyphens are how the drafts before RFC 9493 wrote it, and some still do.
    said = raw.get("format", raw.get("subject_type", ""))
    return said.replace("-", "_") if isinstance(said, str) else ""


def _simple(raw: Any) -> tuple[Identifier, ...]:
    if not isinstance(raw, dict):
        raise _wrong("Its subject is no object.")
    if _format(raw) != "aliases":
        return (_one(raw),)
    listed = raw.get("identifiers")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST:
        raise _wrong("Its subject lists no identifiers.")
    if any(not isinstance(one, dict) or _format(one) == "aliases" for one in listed):
        raise _wrong("Its subject has aliases inside of aliases.")
    return tuple(_one(one) for one in listed)


def _one(raw: Mapping[str, Any]) -> Identifier:
    form = _format(raw)
    if not form or len(form) > 40 or not form.isprintable():
        raise _wrong("Its subject says no format.")
    if form not in MEMBERS:
        return Identifier(form, "")
    value = _text(raw, MEMBERS[form])
    if form == "iss_sub":
        return Identifier(form, value, issuer=_text(raw, "iss"))
    if form == "scim":
        own = _text(raw, "externalId") if raw.get("externalId") is not None else ""
        return Identifier(form, value.rstrip("/").rpartition("/")[2], own=own)
    return Identifier(form, value)


def _text(raw: Mapping[str, Any], member: str) -> str:
    value = raw.get(member)
    if not isinstance(value, str) or not value or len(value) > LONGEST or not value.isprintable():
        raise _wrong(f"{member} of its subject is no short, printable text.")
    return value


def _wrong(message: str) -> SetRefused:
    return SetRefused("invalid_request", "set-subject", message)


async def whom(reader: Reader, rules: Rules, found: tuple[Identifier, ...]) -> tuple[str | None, str]:
    """The id of the one person all identifiers that are known agree on, else None and why.

    Ids count first: those by which this connection knows its people. An address alone counts only where
    the stream says so, and only when it is one person's.
    """
    if not found:
        return None, "the event is about no user"
    candidates: set[str] | None = None
    whys: list[str] = []
    for one in found:
        people, why = await _people(reader, rules, one)
        if people:
            candidates = people if candidates is None else candidates & people
        elif why:
            whys.append(why)
    if candidates is None:
        return None, "; ".join(dict.fromkeys(whys)) or "nobody is known by this subject"
    if len(candidates) == 1:
        return candidates.pop(), ""
    return None, "its identifiers do not name the same single person"


async def _people(reader: Reader, rules: Rules, one: Identifier) -> tuple[set[str], str]:
    if one.format in BY_ID:
        if one.format == "iss_sub" and one.issuer not in rules.issuers:
            return set(), f"{one.issuer} is another issuer than this stream's"
        return await _by_id(reader, rules.connection_id, one)
    if one.format not in BY_ADDRESS:
        return set(), f"nobody is looked for by {one.format}"
    if not rules.by_email:
        return set(), "an address alone does not say who is meant (see --by-email)"
    address = one.value.removeprefix("acct:") if one.format == "account" else one.value
    people = set(await people_named(reader, address))
    if len(people) > 1:
        return set(), "the address is that of several people"
    return people, "nobody is known by this address"


async def agent_meant(reader: Reader, rules: Rules, found: tuple[Identifier, ...]) -> str | None:
    """The id of the one agent that all ids of a subject name; None when they name none, or somebody else."""
    candidates: set[str] | None = None
    for one in found:
        if one.format not in BY_ID or (one.format == "iss_sub" and one.issuer not in rules.issuers):
            continue
        rows = await _known(reader, rules.connection_id, one)
        agents = {row["id"] for row in rows if row["kind"] == AGENT and row["deleted"] is None}
        candidates = agents if candidates is None else candidates & agents
    return candidates.pop() if candidates is not None and len(candidates) == 1 else None


async def _known(reader: Reader, connection_id: str, one: Identifier) -> Sequence[Any]:
    return await reader.all(
        "SELECT r.id, r.kind, r.deleted FROM sb_external e JOIN sb_resource r ON r.id = e.resource_id"
        " WHERE e.connection_id = ? AND e.space = 'user' AND e.external_id = ?"
        " UNION SELECT id, kind, deleted FROM sb_resource WHERE id = ?",
        connection_id,
        one.value,
        one.own,
    )


async def _by_id(reader: Reader, connection_id: str, one: Identifier) -> tuple[set[str], str]:
    rows = await _known(reader, connection_id, one)
    people = {row["id"] for row in rows if row["kind"] == PERSON and row["deleted"] is None}
    if people:
        return people, ""
    if any(row["deleted"] is not None for row in rows):
        return people, "who was known by this id was deleted here"
    if rows:
        return people, "this id is an agent's, not a person's"
    return people, "nobody is known to this connection by this id (externalId)"
