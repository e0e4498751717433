"""What an org needs before agents can be written: the user type, its properties, the linked object."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from okta.models.linked_object import LinkedObject
from okta.models.user_type import UserType

from scim_bridge.sync.idp.okta.errors import OktaRefusal
from scim_bridge.sync.idp.okta.features import BELIEVED, LINKS, SCHEMA, TYPES, Features
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.vocabulary import (
    BASE,
    DEFAULT_TYPE,
    EVERY_USER,
    LINK,
    LINK_BACK,
    MARK,
    OWNER_LINK,
    PROPERTIES,
    TYPE,
    TYPE_DESCRIPTION,
    TYPE_NAME,
    TYPE_TITLE,
    definition,
)
from scim_bridge.sync.idp.port import IdpError, SetupStep

USER_TYPE = "user type"
PROPERTY = "user property"
LINKED_OBJECT = "linked object"


@dataclass(frozen=True, slots=True)
class Shape:
    """What an org has of what we need. `properties` are all names the agent type's profile knows.

    Where it has no user types (not `typed`), agents are users like everybody: known by login, not by a
    mark, with no properties of our own. Where it has no linked objects (not `linkable`) the owner is told
    in attributes only. `lacks` says in words what cannot be had.
    """

    types: dict[str, str] = field(default_factory=dict)
    agent_type: str = ""
    schema_id: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    linked: bool = False
    typed: bool = True
    linkable: bool = True
    lacks: tuple[str, ...] = ()
    schema: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def keeps(self, name: str) -> bool:
        """True for an attribute of ours that this org can keep."""
        if name == OWNER_LINK:
            return self.linkable
        if self.typed:
            return True
        if name == TYPE or name in PROPERTIES:
            return False
        return name not in BASE or name in self.properties

    def type_name(self, type_id: str) -> str:
        """The name of a user type by its id."""
        return self.types.get(type_id, type_id or DEFAULT_TYPE)

    def mark(self, user: Mapping[str, Any]) -> str:
        """The agent a user is, by our mark; other types may have a property of that name for other things."""
        ours = bool(self.agent_type) and type_id_of(user) == self.agent_type
        return str(user["profile"].get(MARK) or "") if ours else ""

    @property
    def missing(self) -> tuple[SetupStep, ...]:
        """What is not there yet."""
        steps: list[SetupStep] = []
        if self.typed:
            steps += [] if self.agent_type else [SetupStep(USER_TYPE, TYPE_NAME)]
            steps += [SetupStep(PROPERTY, name) for name in PROPERTIES if name not in self.properties]
        if self.linkable and not self.linked:
            steps.append(SetupStep(LINKED_OBJECT, LINK))
        return tuple(steps)


def type_id_of(user: Mapping[str, Any]) -> str:
    """The id of a user's type; empty where the org tells none."""
    return str((user.get("type") or {}).get("id") or "")


class Tenant:
    """Looks at an org's types, schema and linked objects, and adds what is missing."""

    def __init__(self, session: Session, features: Features) -> None:
        self._session = session
        self._features = features
        self._shape: Shape | None = None
        self._read = 0.0
        self._lock = asyncio.Lock()

    async def shape(self, *, fresh: bool = False) -> Shape:
        """What the org has; asked again after a while, or when `fresh`."""
        async with self._lock:
            stale = time.monotonic() - self._read > BELIEVED
            if fresh or stale or self._shape is None:
                self._shape = await self._look()
                self._read = time.monotonic()
            return self._shape

    async def _look(self) -> Shape:
        client = self._session.client
        types, no_types = await self._asked(TYPES, "list user types", client.list_user_types)
        links, no_links = await self._asked(
            LINKS, "list linked objects", client.list_linked_object_definitions, forbidden=True
        )
        linkable = not no_links
        linked = linkable and any(item["primary"]["name"] == LINK for item in links)
        lacks = (
            (f"Owners are told in attributes only, not as linked objects: {no_links}.",) if no_links else ()
        )
        if no_types:
            return await self._untyped(linked, linkable, no_types, lacks)
        names = {str(item["id"]): str(item["name"]) for item in types}
        agent = next((item for item in types if item["name"] == TYPE_NAME), None)
        if agent is None:
            return Shape(names, linked=linked, linkable=linkable, lacks=lacks)
        schema_id = str(agent["_links"]["schema"]["href"]).rstrip("/").rsplit("/", 1)[-1]
        schema = await self._session.call("read the schema of agents", client.get_user_schema, schema_id)
        self._features.usable(SCHEMA)
        defined = _properties(schema.content)
        return Shape(
            *(names, str(agent["id"]), schema_id, _types(defined), linked),
            linkable=linkable,
            lacks=lacks,
            schema=defined,
        )

    async def _untyped(self, linked: bool, linkable: bool, why: str, lacks: tuple[str, ...]) -> Shape:
        """An org without user types: what its default schema has, or else what every user has."""
        schema, no_schema = await self._asked(
            SCHEMA, "read the schema of users", self._session.client.get_user_schema, "default"
        )
        defined = {} if no_schema else _properties(schema)
        properties = dict.fromkeys(EVERY_USER, "string") if no_schema else _types(defined)
        told = ", ".join(name for name in BASE if name in properties)
        note = f"Agents are users of the default type and only {told} are kept in step: {why}."
        return Shape(
            properties=properties,
            linked=linked,
            typed=False,
            linkable=linkable,
            lacks=(note, *lacks),
            schema=defined,
        )

    async def _asked(
        self, feature: str, what: str, method: Any, *args: Any, forbidden: bool = False
    ) -> tuple[Any, str]:
        """What a read gave, or why this org has no such thing; with `forbidden` also why we may not."""
        try:
            reply = await self._session.call(what, method, *args)
        except OktaRefusal as error:
            why = self._features.why_not(feature, error)
            if not why or not (error.not_here or forbidden):
                raise
            return None, self._features.refused(feature, error).reason
        self._features.usable(feature)
        return reply.content, ""

    async def make_ready(self) -> None:
        """Add what is missing, in an order in which each finds what it needs; twice changes nothing."""
        shape = await self.shape(fresh=True)
        client = self._session.client
        if shape.typed and not shape.agent_type:
            kind = UserType(name=TYPE_NAME, display_name=TYPE_TITLE, description=TYPE_DESCRIPTION)
            await self._once(f"add the user type {TYPE_NAME}", client.create_user_type, kind)
            shape = await self.shape(fresh=True)
        lacking: dict[str, Any] = {}
        if shape.typed:
            self._refuse_other_kinds(shape)
            lacking = {name: definition(name) for name in PROPERTIES if name not in shape.properties}
        if lacking:
            custom = {"id": "#custom", "type": "object", "properties": lacking, "required": []}
            # The SDK's model of a schema loses the items of arrays, so its executor sends what is meant.
            await self._session.send(
                "add properties to agents",
                "POST",
                f"/api/v1/meta/schemas/user/{shape.schema_id}",
                {"definitions": {"custom": custom}},
            )
        if shape.linkable and not shape.linked:
            link = LinkedObject.from_dict(
                {
                    "primary": _side(LINK, "Owner", "The person answerable for an AI agent."),
                    "associated": _side(LINK_BACK, "AI agent", "An AI agent somebody answers for."),
                }
            )
            await self._once(f"add the linked object {LINK}", client.create_linked_object_definition, link)
        await self.shape(fresh=True)

    async def _once(self, what: str, method: Any, *args: Any) -> None:
        """Create something; that it exists by now is as good (a lost answer, another admin)."""
        try:
            await self._session.call(what, method, *args)
        except OktaRefusal as error:
            if not any("already exists" in cause for cause in error.causes):
                raise

    @staticmethod
    def _refuse_other_kinds(shape: Shape) -> None:
        for name, (_, kind, _longest) in PROPERTIES.items():
            there = shape.properties.get(name, kind)
            if there != kind:
                raise IdpError(
                    "okta-property",
                    f"The user type {TYPE_NAME} has a property {name} of type {there}; it must be {kind}.",
                    "Remove or rename that property in Okta's profile editor.",
                    transient=False,
                )


def _side(name: str, title: str, description: str) -> dict[str, str]:
    return {"name": name, "title": title, "description": description, "type": "USER"}


def _properties(schema: Any) -> dict[str, dict[str, Any]]:
    parts = schema.get("definitions") or {}
    found: dict[str, dict[str, Any]] = {}
    for part in ("base", "custom"):
        found |= (parts.get(part) or {}).get("properties") or {}
    return found


def _types(defined: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: str(item.get("type")) for name, item in defined.items()}
