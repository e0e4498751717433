"""One object names each attribute once: whoever names it in two ways may mean either (RFC 7643 section 2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scim_bridge.scim.errors import invalid_syntax
from scim_bridge.scim.grammar import attr_path
from scim_bridge.scim.schema import Found, ResourceType

_BRACKETS: Final = re.compile(r"\[[^\]]*+\]")

# Whose attribute (None: the resource's own), which, and what of it: "" for all.
_Named = tuple[str | None, str, str]


def refuse_two_names(given: Mapping[str, Any], resource: ResourceType) -> None:
    """Refuse an object that names an attribute bare and by its URN, or as a whole and by a part of it.

    ScimError invalidSyntax. Two keys that differ only in case are refused where bodies are read.
    """
    if not any(":" in key or "." in key for key in given) and not _bare(given, resource):
        return
    parts: dict[tuple[str | None, str], dict[str, str]] = {}
    for (urn, name, part), key in _names(given, resource):
        known = parts.setdefault((urn, name), {})
        other = known.get(part) or known.get("") or (next(iter(known.values()), None) if not part else None)
        if other is not None:
            raise invalid_syntax(
                f"{key[:200]!r} and {other[:200]!r} name the same attribute.", "Send each attribute once."
            )
        known[part] = key


def refuse_two_names_in_patch(message: Mapping[str, Any], resource: ResourceType) -> None:
    """The same for the values of operations that name attributes by keys: those without a path, or with a URN."""
    listed = next((value for key, value in message.items() if key.casefold() == "operations"), None)
    for operation in listed if isinstance(listed, list) else ():
        if not isinstance(operation, dict):
            continue
        members = {key.casefold(): value for key, value in operation.items()}
        path, value = members.get("path"), members.get("value")
        if isinstance(value, dict) and path in (None, ""):
            refuse_two_names(value, resource)
        elif isinstance(value, dict) and isinstance(path, str) and path.strip().casefold() in resource.urns:
            refuse_two_names({path.strip(): value}, resource)


def _bare(given: Mapping[str, Any], resource: ResourceType) -> bool:
    return any(key not in resource.attributes and resource.bare(key) is not None for key in given)


def _names(given: Mapping[str, Any], resource: ResourceType) -> Iterator[tuple[_Named, str]]:
    """What each key of an object names, those inside an extension, or inside the core schema's URN, too."""
    for key, value in given.items():
        urn = resource.urns.get(key.casefold())
        if urn is None:
            named = _named(key, resource)
            if named is not None:
                yield named, key
        elif isinstance(value, dict):
            for inner in value:
                named = _named(f"{urn}:{inner}", resource)
                if named is not None:
                    yield named, f"{urn}:{inner}"


def _named(key: str, resource: ResourceType) -> _Named | None:
    chosen = _BRACKETS.search(key)
    path = attr_path(_BRACKETS.sub("", key) if chosen else key)
    found: Found | None = None if path is None else resource.find(path.urn, path.name, path.sub)
    if found is None:
        return None
    sub = f".{found.sub.name}" if found.sub else ""
    return found.urn, found.attribute.name, f"{chosen.group() if chosen else ''}{sub}"
