"""Rows about PATCH operations: how they name their target, and what they do without naming it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.dialects.model import Doc, OperationRow
from scim_bridge.scim.dialects.shapes import enterprise, place
from scim_bridge.scim.errors import invalid_value
from scim_bridge.scim.schema import ResourceType

KINDS = ("add", "remove", "replace")
_BOOLEAN = re.compile(r'(\b(?:primary|active)\s+(?:eq|ne)\s+)"(true|false)"', re.IGNORECASE)


def _op_case(op: Doc, _resource: ResourceType) -> list[Doc] | None:
    kind = op.get("op")
    if not isinstance(kind, str) or kind in KINDS or kind.strip().casefold() not in KINDS:
        return None
    return [{**op, "op": kind.strip().casefold()}]


def _pathless(op: Doc) -> dict[str, Any] | None:
    value = op.get("value")
    return value if op.get("path") in (None, "") and isinstance(value, dict) else None


def _read_only(op: Doc, resource: ResourceType) -> list[Doc] | None:
    value = _pathless(op)
    if value is None:
        return None
    kept = {key: item for key, item in value.items() if not _is_read_only(key, resource)}
    return [{**op, "value": kept}] if len(kept) < len(value) else None


def _is_read_only(key: str, resource: ResourceType) -> bool:
    if key.casefold() in ("schemas", "id", "meta"):
        return True
    attribute = resource.attributes.get(key.casefold())
    return attribute is not None and attribute.mutability == "readOnly"


def _flattened(op: Doc, resource: ResourceType) -> list[Doc] | None:
    value = _pathless(op)
    if value is None:
        return None
    paths = [key for key in value if _is_path(key, resource)]
    if not paths:
        return None
    kept = {key: item for key, item in value.items() if key not in paths}
    return [
        *([{**op, "value": kept}] if kept else []),
        *({**op, "path": key, "value": value[key]} for key in paths),
    ]


def _is_path(key: str, resource: ResourceType) -> bool:
    """True for a key that names more than a top-level attribute: `name.givenName`, `urn:…:User:department`."""
    where = place(key, resource)
    core = key.casefold().startswith(f"{resource.urn}:".casefold())
    return bool(where.name and (core or where.urn or where.tail[:1] in (".", "[")))


def _dot_after_urn(op: Doc, resource: ResourceType) -> list[Doc] | None:
    path = op.get("path")
    if not isinstance(path, str):
        return None
    where = place(path, resource)
    return [{**op, "path": where.text()}] if where.dotted and where.urn is not None else None


def _enterprise_name(op: Doc, resource: ResourceType) -> list[Doc] | None:
    path = op.get("path")
    if not isinstance(path, str):
        return None
    where = place(path, resource)
    if where.urn is not None or not where.name or enterprise(where.name, resource) is None:
        return None
    return [{**op, "path": where.text(urn=ENTERPRISE_URN)}]


def _quoted_boolean(op: Doc, _resource: ResourceType) -> list[Doc] | None:
    path = op.get("path")
    if not isinstance(path, str) or "[" not in path:
        return None
    made = _BOOLEAN.sub(lambda match: match.group(1) + match.group(2).casefold(), path)
    return [{**op, "path": made}] if made != path else None


def _remove_listed(op: Doc, resource: ResourceType) -> list[Doc] | None:
    path, value = op.get("path"), op.get("value")
    if op.get("op") != "remove" or not isinstance(path, str) or value is None or "[" in path:
        return None
    where = place(path, resource)
    if where.attribute is None:
        return None
    if not where.attribute.multi or where.sub:
        return [{"op": "remove", "path": path}]
    if (resource.name, where.attribute.name) == ("Group", "members"):
        # Membership is rows: the list itself says which, and may be long.
        return [op]
    items = value if isinstance(value, list) else [value]
    return [
        {"op": "remove", "path": where.text(tail=f"[{test}]")} for test in dict.fromkeys(map(_test, items))
    ]


def _test(item: Any) -> str:
    """The filter that finds an element which is to be removed."""
    if isinstance(item, str) and item:
        return f"value eq {orjson.dumps(item).decode()}"
    if isinstance(item, dict):
        texts = {key.casefold(): text for key, text in item.items() if isinstance(text, str) and text}
        value = texts.get("value")
        if value is not None:
            return f"value eq {orjson.dumps(value).decode()}"
        texts.pop("$ref", None)
        if texts:
            return " and ".join(f"{key} eq {orjson.dumps(text).decode()}" for key, text in texts.items())
    raise invalid_value(
        "A value to be removed is neither an id nor an object with one.",
        'Name what to remove: members[value eq "…"]. Nothing was removed.',
    )


def _null_removes(op: Doc, _resource: ResourceType) -> list[Doc] | None:
    if op.get("op") not in ("add", "replace") or "value" not in op:
        return None
    path = op.get("path")
    if isinstance(path, str) and path:
        return [{"op": "remove", "path": path}] if op["value"] is None and not _members(path) else None
    value = _pathless(op)
    if value is None:
        return None
    gone = list(_nulls(value))
    if not gone:
        return None
    kept = {
        key: _without_nulls(key, item) for key, item in value.items() if item is not None or _members(key)
    }
    kept = {key: item for key, item in kept.items() if item != {}}
    return [
        *([{**op, "value": kept}] if kept else []),
        *({"op": "remove", "path": path} for path in gone),
    ]


def _members(path: str) -> bool:
    """True for the members of a group: nobody empties a group by saying nothing of who is in it."""
    return path.rpartition(":")[2].strip().casefold() == "members"


def _nulls(value: Doc) -> Iterator[str]:
    for key, item in value.items():
        if item is None:
            if not _members(key):
                yield key
        elif key.startswith("urn:") and isinstance(item, dict):
            yield from (f"{key}:{name}" for name, inner in item.items() if inner is None)


def _without_nulls(key: str, item: Any) -> Any:
    if key.startswith("urn:") and isinstance(item, dict):
        return {name: inner for name, inner in item.items() if inner is not None}
    return item


OP_CASE = OperationRow("op-case", "`op` is capitalised: Add, Replace, Remove", _op_case)
NO_PATH_READ_ONLY = OperationRow(
    "no-path-read-only",
    "an operation without path carries `id`, `meta`, `schemas` or other read-only attributes along",
    _read_only,
)
NO_PATH_FLATTENED = OperationRow(
    "no-path-flattened",
    "an operation without path has keys that are paths: `name.givenName`, `urn:…:User:department`",
    _flattened,
)
DOT_AFTER_URN = OperationRow(
    "dot-after-urn", "a dot joins extension and attribute: `urn:…:User.manager`", _dot_after_urn
)
ENTERPRISE_NAME = OperationRow(
    "enterprise-name", "a path names an enterprise attribute without its URN: `manager`", _enterprise_name
)
QUOTED_BOOLEAN = OperationRow(
    "quoted-boolean", 'a path compares a boolean with text: `roles[primary eq "True"]`', _quoted_boolean
)
REMOVE_LISTED = OperationRow(
    "remove-listed",
    "a remove names in `value` what to remove; read by the letter it would remove everything",
    _remove_listed,
)
NULL_REMOVES = OperationRow(
    "null-removes",
    "adding or replacing with null or nothing means remove, but not of `members`",
    _null_removes,
)
