"""The members of an A2A 1.x agent card that we read, and the values they become (a2a.proto)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scim_bridge.inventory import forms
from scim_bridge.inventory.shape import Field, Reading, checked, line, prose, truth
from scim_bridge.inventory.source import Mapping, Node, Sequence

_SECURITY = {
    "apiKeySecurityScheme": "apiKey",
    "httpAuthSecurityScheme": "httpAuth",
    "oauth2SecurityScheme": "oauth2",
    "openIdConnectSecurityScheme": "openIdConnect",
    "mtlsSecurityScheme": "mtls",
}


@dataclass(frozen=True, slots=True)
class Interface:
    """One endpoint of the agent; the first of a card is the preferred one."""

    url: str
    protocol_binding: str
    protocol_version: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing the agent says it can do."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentCard:
    """The facts of a card. `security` maps scheme names to kinds; `signatures` counts them, unverified."""

    name: str
    description: str
    version: str
    interfaces: tuple[Interface, ...]
    skills: tuple[Skill, ...]
    input_modes: tuple[str, ...] = ()
    output_modes: tuple[str, ...] = ()
    streaming: bool = False
    push_notifications: bool = False
    extended_card: bool = False
    organization: str = ""
    organization_url: str = ""
    documentation_url: str = ""
    security: tuple[tuple[str, str], ...] = ()
    signatures: int = 0
    old_members: tuple[str, ...] = ()


def known(node: Node, members: tuple[Field, ...]) -> Node:
    """The object without the members we do not read."""
    if not isinstance(node, Mapping):
        return node
    names = {field.key for field in members}
    return Mapping(node.line, node.column, [pair for pair in node.items if pair[0].text in names])


def _objects(members: tuple[Field, ...], made: Callable[..., object], *, at_least_one: bool = False) -> Any:
    """A reader for a list of objects."""
    required = {field.attribute: "" for field in members if field.required}

    def read(reading: Reading, node: Node, where: str) -> tuple[object, ...]:
        found = []
        for item, path in reading.items(node, where):
            values: dict[str, Any] = {**required, **reading.attributes(known(item, members), path, members)}
            values.pop("given")
            found.append(made(**values))
        if at_least_one and not found and isinstance(node, Sequence):
            reading.say(node, where, "The list is empty.", "A card names at least one.")
        return tuple(found)

    return read


def _object(members: tuple[Field, ...]) -> Any:
    """A reader for one object, as a dict of its attributes."""

    def read(reading: Reading, node: Node, where: str) -> dict[str, object]:
        values = reading.attributes(known(node, members), where, members)
        values.pop("given")
        return values

    return read


def _protocol(text: str) -> str:
    return "" if re.fullmatch(r"\d+\.\d+(\.\d+)?", text) else "A protocol version looks like '1.0'."


def _security(reading: Reading, node: Node, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(node, Mapping):
        reading.say(node, where, "This is not an object.", "Map names to security schemes.")
        return ()
    kinds = []
    for name, scheme in node.items:
        members = [key.text for key, _ in scheme.items] if isinstance(scheme, Mapping) else []
        kind = next((_SECURITY[member] for member in members if member in _SECURITY), "unknown")
        kinds.append((name.text, kind))
    return tuple(kinds)


def _texts(reading: Reading, node: Node, where: str) -> tuple[str, ...]:
    """Texts of a list, each once: a card that repeats a tag does no harm."""
    found = [line(reading, item, path) for item, path in reading.items(node, where)]
    return tuple(dict.fromkeys(text for text in found if text))


def _counted(reading: Reading, node: Node, where: str) -> int:
    return len(reading.items(node, where))


_URL = checked(forms.url_fault, "Publish an absolute https URL.", shows_value=False)
_INTERFACE = (
    Field("url", "url", _URL, required=True),
    Field("protocolBinding", "protocol_binding", line, required=True),
    Field("protocolVersion", "protocol_version", checked(_protocol, "Write '1.0'."), required=True),
    Field("tenant", "tenant", line),
)
_SKILL = (
    Field("id", "id", line, required=True),
    Field("name", "name", line, required=True),
    Field("description", "description", prose, required=True),
    Field("tags", "tags", _texts, required=True),
)
_CAPABILITIES = (
    Field("streaming", "streaming", truth),
    Field("pushNotifications", "push_notifications", truth),
    Field("extendedAgentCard", "extended_card", truth),
)
_PROVIDER = (
    Field("organization", "organization", line, required=True),
    Field("url", "organization_url", _URL, required=True),
)
CARD = (
    Field("name", "name", line, required=True),
    Field("description", "description", prose, required=True),
    Field("version", "version", line, required=True),
    Field(
        "supportedInterfaces", "interfaces", _objects(_INTERFACE, Interface, at_least_one=True), required=True
    ),
    Field("capabilities", "capabilities", _object(_CAPABILITIES), required=True),
    Field("defaultInputModes", "input_modes", _texts, required=True),
    Field("defaultOutputModes", "output_modes", _texts, required=True),
    Field("skills", "skills", _objects(_SKILL, Skill), required=True),
    Field("provider", "provider", _object(_PROVIDER)),
    Field("documentationUrl", "documentation_url", _URL),
    Field("securitySchemes", "security", _security),
    Field("signatures", "signatures", _counted),
)
