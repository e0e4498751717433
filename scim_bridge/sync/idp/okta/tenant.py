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
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.vocabulary import (
    DEFAULT_TYPE,
    LINK,
    LINK_BACK,
    MARK,
    PROPERTIES,
    TYPE_DESCRIPTION,
    TYPE_NAME,
    TYPE_TITLE,
    definition,
)
from scim_bridge.sync.idp.port import IdpError, SetupStep

USER_TYPE = "user type"
PROPERTY = "user property"
LINKED_OBJECT = "linked object"

# How long what was learnt of an org is believed; it changes when an admin changes it.
BELIEVED = 600.0


@dataclass(frozen=True, slots=True)
class Shape:
    """What an org has of what we need. `properties` are all names the agent type's profile knows."""

    types: dict[str, str] = field(default_factory=dict)
    agent_type: str = ""
    schema_id: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    linked: bool = False

    def type_name(self, type_id: str) -> str:
        """The name of a user type by its id."""
        return self.types.get(type_id, type_id or DEFAULT_TYPE)

    def mark(self, user: Mapping[str, Any]) -> str:
        """The agent a user is, by our mark; other types may have a property of that name for other things."""
        ours = bool(self.agent_type) and user["type"]["id"] == self.agent_type
        return str(user["profile"].get(MARK) or "") if ours else ""

    @property
    def missing(self) -> tuple[SetupStep, ...]:
        """What is not there yet."""
        steps = [] if self.agent_type else [SetupStep(USER_TYPE, TYPE_NAME)]
        steps += [SetupStep(PROPERTY, name) for name in PROPERTIES if name not in self.properties]
        steps += [] if self.linked else [SetupStep(LINKED_OBJECT, LINK)]
        return tuple(steps)


class Tenant:
    """Looks at an org's types, schema and linked objects, and adds what is missing."""

    def __init__(self, session: Session) -> None:
        self._session = session
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
        types = (await self._session.call("list user types", client.list_user_types)).content
        names = {str(item["id"]): str(item["name"]) for item in types}
        agent = next((item for item in types if item["name"] == TYPE_NAME), None)
        linked = await self._session.call("list linked objects", client.list_linked_object_definitions)
        has_link = any(item["primary"]["name"] == LINK for item in linked.content)
        if agent is None:
            return Shape(names, linked=has_link)
        schema_id = str(agent["_links"]["schema"]["href"]).rstrip("/").rsplit("/", 1)[-1]
        schema = await self._session.call("read the schema of agents", client.get_user_schema, schema_id)
        return Shape(names, str(agent["id"]), schema_id, _properties(schema.content), has_link)

    async def make_ready(self) -> None:
        """Add what is missing, in an order in which each finds what it needs; twice changes nothing."""
        shape = await self.shape(fresh=True)
        client = self._session.client
        if not shape.agent_type:
            kind = UserType(name=TYPE_NAME, display_name=TYPE_TITLE, description=TYPE_DESCRIPTION)
            await self._once(f"add the user type {TYPE_NAME}", client.create_user_type, kind)
            shape = await self.shape(fresh=True)
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
        if not shape.linked:
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


def _properties(schema: Any) -> dict[str, str]:
    parts = schema.get("definitions") or {}
    found: dict[str, str] = {}
    for part in ("base", "custom"):
        for name, item in ((parts.get(part) or {}).get("properties") or {}).items():
            found[name] = str(item.get("type"))
    return found
