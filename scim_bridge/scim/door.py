"""What every use case of the front door is handed: the parts of the process, and one authenticated call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Stale
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import Resource
from scim_bridge.registry.signal import Signal
from scim_bridge.scim import reading
from scim_bridge.scim.anchors import Anchors
from scim_bridge.scim.caller import Caller
from scim_bridge.scim.catalogue import Catalogue, catalogue
from scim_bridge.scim.dialects.model import Dialect
from scim_bridge.scim.endpoints import USERS, Endpoint
from scim_bridge.scim.exchange import Asked
from scim_bridge.scim.projection import Projection
from scim_bridge.scim.roles import LISTS, Roles, offered
from scim_bridge.scim.schema import ResourceType
from scim_bridge.scim.seeking import Seeker
from scim_bridge.settings.scim import ScimSettings

T = TypeVar("T")
Accept = Callable[[Work, Signal], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Door:
    """The parts of one running process: what rooms share, the limits, where signals go, lists as last read."""

    ctx: Context
    settings: ScimSettings
    accept: Accept
    seeker: Seeker = field(default_factory=Seeker)
    anchors: Anchors = field(default_factory=Anchors)
    catalogue: Catalogue = field(default_factory=catalogue)
    roles: Roles = field(default_factory=Roles)
    # The security events a receiver can have of what happens here; empty: none are told.
    events: tuple[str, ...] = ()

    @property
    def max_body(self) -> int:
        """The largest body in bytes."""
        return self.settings.max_body_kib * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call of one connection.

    `applied` collects the names of the dialect rewrites it took, `ignored` what a tolerant reading left out.
    """

    door: Door
    caller: Caller
    dialect: Dialect
    asked: Asked
    endpoint: Endpoint
    resource_id: str = ""
    applied: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)

    @property
    def tolerant(self) -> bool:
        """False when the connection asked for the letter of the RFC."""
        return self.dialect.tolerant

    @property
    def resource(self) -> ResourceType:
        """The type of the resources at the call's endpoint."""
        return self.door.catalogue.types[self.endpoint.resource]

    def body(self, first: reading.Look | None = None) -> dict[str, Any]:
        """The body as a JSON object; ScimError invalidSyntax otherwise. `first` may refuse it at a glance."""
        if self.asked.content is None:
            return reading.read_object(self.asked.body, first)
        if first is not None:
            first(self.asked.content)
        return self.asked.content

    async def roles(self, endpoint: Endpoint, projection: Projection) -> frozenset[str] | None:
        """The roles among groups, where users are to be shown with them; None where they are not."""
        if endpoint is not USERS or not offered(self.caller):
            return None
        if not projection.everything and not any(projection.wants(name) for name in LISTS):
            return None
        store = self.door.ctx.store
        return await self.door.roles.ids(store.reads, store.clock.now())

    async def transact(self, body: Callable[[Work], Awaitable[T]]) -> T:
        """Run a use case in one transaction, in the caller's name."""
        about = self.resource_id or None
        return await self.door.ctx.store.transact(self.caller.actor, body, about=about)

    def with_query(self, query: Mapping[str, str]) -> Call:
        """The same call with other query parameters."""
        return replace(self, asked=self.asked._replace(query=query))


def matches(header: str, version: int) -> bool:
    """True when one of the entity tags in the header is this version; compared weakly, for ours are weak."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or str(version) in tags


def check_version(call: Call, resource: Resource) -> None:
    """Stale when a write's If-Match names another version than the current one, or its If-None-Match this one.

    RFC 7644 section 3.14; RFC 9110 sections 13.1.1, 13.1.2.
    """
    check_if_match(call, resource.version)
    header = call.asked.if_none_match
    if header is not None and matches(header, resource.version):
        raise Stale(
            "version",
            f"If-None-Match names what is there: its version is {resource.etag}.",
            "Leave If-None-Match out of changes to what exists.",
        )


def check_if_match(call: Call, version: int) -> None:
    """Stale when the call's If-Match names another version than the current one."""
    header = call.asked.if_match
    if header is not None and not matches(header, version):
        raise Stale(
            "version",
            f'The resource has changed: its version is W/"{version}".',
            "Read it again and repeat the change.",
        )


def connection_words(caller: Caller) -> str:
    """How people are told which connection it was: "Okta connection 'okta'"."""
    kind = {"okta": "Okta", "entra": "Entra"}.get(caller.connection.kind, "SCIM")
    return f"{kind} connection {caller.connection.name!r}"
