"""What a SCIM server can do, by its own discovery endpoints (RFC 7644 section 4), read without believing much."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scim_bridge.registry.model import ENTERPRISE_URN, USER_URN
from scim_bridge.sync.idp.scim.paths import Doc, parts
from scim_bridge.sync.idp.scim.session import Session

PAGE = 100
# How long what was learnt of a server is believed.
BELIEVED = 600.0
# Multi-valued by RFC 7643, for servers that tell no schema.
PLURAL = frozenset(
    ("emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates")
)
_NAMES = (
    *("userName", "displayName", "userType", "externalId", "active"),
    *("name.formatted", "name.givenName", "name.familyName", "emails.value"),
    f"{ENTERPRISE_URN}:manager.value",
)
SPELT = {name.casefold(): name for name in _NAMES}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute as the server's schema defines it, under its flat name."""

    name: str
    kind: str = "string"
    several: bool = False
    mutability: str = "readWrite"

    @property
    def writable(self) -> bool:
        """True when a client may set it."""
        return self.mutability in ("readWrite", "writeOnly")


@dataclass(frozen=True, slots=True)
class Service:
    """A server's abilities. `attributes` are by casefolded flat name; None when it tells no schema."""

    users: str = "/Users"
    patch: bool = True
    filter: bool = True
    etag: bool = False
    cursor: bool = False
    page: int = PAGE
    attributes: Mapping[str, Attribute] | None = None

    def takes(self, name: str) -> bool:
        """True when a user there can have this attribute, as far as is known."""
        if self.attributes is None:
            return parts(name)[0] in ("", ENTERPRISE_URN)
        found = self.attributes.get(name.casefold())
        return found is not None and found.writable

    def spelt(self, name: str) -> str:
        """A flat name as the server's schema spells it, else as the RFCs do, else as it is."""
        found = (self.attributes or {}).get(name.casefold())
        return found.name if found is not None else SPELT.get(name.casefold(), name)

    @property
    def plural(self) -> frozenset[str]:
        """The multi-valued core attributes."""
        if self.attributes is None:
            return PLURAL
        core = (one for one in self.attributes.values() if one.several and ":" not in one.name)
        return frozenset(one.name for one in core)


@dataclass(slots=True)
class Services:
    """What one server can do: asked at first, again after a while, and corrected by what it refuses."""

    session: Session
    _known: Service | None = None
    _read: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def known(self, *, fresh: bool = False) -> Service:
        """The server's abilities."""
        async with self._lock:
            if fresh or self._known is None or time.monotonic() - self._read > BELIEVED:
                self._known = await discovered(self.session)
                self._read = time.monotonic()
            return self._known

    def lacks(self, *, patch: bool = False, filter: bool = False) -> None:
        """Note that the server refuses what it said it can do."""
        if self._known is not None:
            can = self._known
            self._known = replace(can, patch=can.patch and not patch, filter=can.filter and not filter)


async def discovered(session: Session) -> Service:
    """Ask the three discovery endpoints; what they do not say is taken as the RFC has it."""
    config = await session.described("read what it can do", "ServiceProviderConfig")
    types = await session.described("list its resource types", "ResourceTypes")
    schemas = await session.described("list its schemas", "Schemas")
    users, extensions = _user_type(types)
    session.users_at(users)
    made = Service(users, attributes=attributes_in(schemas, extensions))
    return _able(made, config) if isinstance(config, dict) else made


def _able(made: Service, config: Doc) -> Service:
    pagination = _part(config, "pagination")
    cursor = pagination.get("cursor") is True
    both = pagination.get("index") is True and pagination.get("defaultPaginationMethod") != "cursor"
    most = [_part(config, "filter").get("maxResults"), pagination.get("maxPageSize"), PAGE]
    return replace(
        made,
        patch=_part(config, "patch").get("supported") is not False,
        filter=_part(config, "filter").get("supported") is not False,
        etag=_part(config, "etag").get("supported") is True,
        cursor=cursor and not both,
        page=min(size for size in most if isinstance(size, int) and size > 0),
    )


def _part(config: Doc, name: str) -> Doc:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _resources(answer: Any) -> list[Doc]:
    """The entries of a discovery answer: of a list response, or the bare list some servers give."""
    found = answer.get("Resources") if isinstance(answer, dict) else answer
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _user_type(types: Any) -> tuple[str, frozenset[str] | None]:
    """(endpoint of users, schemas of users or None when not told)."""
    for one in _resources(types):
        if str(one.get("schema", "")).casefold() != USER_URN.casefold():
            continue
        listed = one.get("schemaExtensions")
        extensions = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
        urns = {str(extension.get("schema", "")).casefold() for extension in extensions}
        endpoint = str(one.get("endpoint") or "/Users")
        return "/" + endpoint.strip("/"), frozenset({USER_URN.casefold(), *urns})
    return "/Users", None


def attributes_in(schemas: Any, urns: frozenset[str] | None) -> dict[str, Attribute] | None:
    """The attributes of users in an answer of /Schemas, by casefolded flat name; None when it has no users."""
    listed = _resources(schemas)
    if not any(str(one.get("id", "")).casefold() == USER_URN.casefold() for one in listed):
        return None
    found = {"externalid": Attribute("externalId")}
    for schema in listed:
        urn = str(schema.get("id", ""))
        core = urn.casefold() == USER_URN.casefold()
        # Without resource types: what looks like an extension of users. Groups have schemas as well.
        wanted = urn.casefold() in urns if urns is not None else core or urn.casefold().endswith(":user")
        if wanted:
            for one in _flat(schema.get("attributes"), "" if core else f"{urn}:"):
                found[one.name.casefold()] = one
    return found


def _flat(listed: Any, prefix: str, above: Attribute | None = None) -> Iterator[Attribute]:
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            continue
        mutability = str(one.get("mutability") or "readWrite")
        if above is not None and not above.writable:
            mutability = above.mutability
        made = Attribute(
            prefix + one["name"],
            str(one.get("type") or "string"),
            one.get("multiValued") is True,
            mutability,
        )
        yield made
        yield from _flat(one.get("subAttributes"), f"{made.name}.", made)
