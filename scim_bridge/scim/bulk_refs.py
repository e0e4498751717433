"""References between operations of one Bulk request: `bulkId:x` stands for an id that does not exist yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REFERENCE = re.compile(r"bulkId:([^\s\"'\]/]+)", re.IGNORECASE)


def references(value: Any) -> set[str]:
    """The bulkIds a path or body speaks of, wherever they stand."""
    if isinstance(value, str):
        return set(REFERENCE.findall(value))
    if isinstance(value, dict):
        return set().union(*(references(item) for item in value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*(references(item) for item in value)) if value else set()
    return set()


def resolved(value: Any, ids: Mapping[str, str]) -> Any:
    """The same with real ids for the bulkIds that are known."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda found: ids.get(found.group(1), found.group()), value)
    if isinstance(value, dict):
        return {key: resolved(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, ids) for item in value]
    return value


def pruned(value: Any, unknown: set[str]) -> Any:
    """The same without the members and elements that need one of the unknown bulkIds."""
    if isinstance(value, dict):
        return {key: pruned(item, unknown) for key, item in value.items() if not _only(item, unknown)}
    if isinstance(value, list):
        return [pruned(item, unknown) for item in value if not references(item) & unknown]
    return value


def _only(value: Any, unknown: set[str]) -> bool:
    """True for a value that is one reference, as text or as an object around it."""
    if isinstance(value, str):
        return bool(references(value) & unknown)
    return isinstance(value, dict) and isinstance(value.get("value"), str) and _only(value["value"], unknown)
