"""What an installation knows of the resources its gateways ask about: a file of them with their properties.

What stands here counts, whatever a gateway says of the same property: a gateway cannot make a dataset
harmless that is not. Searches find what is listed here, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from scim_bridge.access.cedar import cedar_type
from scim_bridge.access.model import LONGEST, Question, texts
from scim_bridge.kernel.errors import ConfigurationError

SETTING = "access.resources"
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Properties, as text, by (entity type, id); types are compared as the policies see them."""

    known: Mapping[Key, Mapping[str, str]] = field(default_factory=dict)

    def completed(self, question: Question) -> Question:
        """The question with what is known of its resource in place of what the gateway says of it."""
        if not self.known:
            return question
        properties = self.known.get((cedar_type(question.resource_type), question.resource_id))
        if not properties:
            return question
        return replace(question, properties={**question.properties, **properties})

    def ids(self, resource_type: str) -> list[str]:
        """The ids of every known resource of a type, in order."""
        wanted = cedar_type(resource_type)
        return sorted(identity for kind, identity in self.known if kind == wanted)


EMPTY = Catalogue()


def load_catalogue(path: str) -> Catalogue:
    """The catalogue of a YAML or JSON file, none for an empty path; ConfigurationError says what is wrong."""
    if not path:
        return EMPTY
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            SETTING, f"{path} cannot be read", f"Check the path ({error.strerror})."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            SETTING, f"{path} is not YAML ({str(error).splitlines()[0]})", "Mend it."
        ) from error
    items = found.get("resources") if isinstance(found, dict) else None
    if not isinstance(items, list):
        raise ConfigurationError(SETTING, f"{path} has no list `resources`", "Write resources: at its top.")
    return Catalogue(dict(_entries(path, items)))


# What a property may be; true and false are numbers to Python.
PLAIN = (str, int, float)


def _entries(path: str, items: Iterable[Any]) -> Iterable[tuple[Key, Mapping[str, str]]]:
    seen: set[Key] = set()
    for number, item in enumerate(items, start=1):
        where = f"{path}, resource {number}"
        if not isinstance(item, dict) or not set(item) <= {"type", "id", "properties"}:
            raise ConfigurationError(
                SETTING, f"{where} is not type, id and properties", "Write those three alone."
            )
        kind, identity = (_word(where, name, item.get(name)) for name in ("type", "id"))
        properties = item.get("properties") or {}
        if not isinstance(properties, dict) or not all(isinstance(v, PLAIN) for v in properties.values()):
            raise ConfigurationError(
                SETTING, f"{where} has properties that are not texts, numbers, true or false", "Write those."
            )
        key = (cedar_type(kind), identity)
        if not key[0]:
            raise ConfigurationError(SETTING, f"{where}: {kind!r} cannot be a type", "Write as gateways do.")
        if key in seen:
            raise ConfigurationError(SETTING, f"{where}: {kind} {identity} is there twice", "Keep one.")
        seen.add(key)
        yield key, texts({str(name): value for name, value in properties.items()})


def _word(where: str, name: str, value: Any) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or len(text) > LONGEST:
        raise ConfigurationError(
            SETTING, f"{where} has no {name}", f"Write a {name} of 1 to {LONGEST} characters."
        )
    return text
