"""The two ways Entra's provisioning service writes a PATCH. Pure.

Source: Microsoft Learn "Known issues and resolutions with SCIM 2.0 protocol compliance" (legacy shapes and
the `aadOptscim062020` flag), "Develop and plan provisioning for a SCIM endpoint". The flag rides on the
tenant URL's query, so it comes with every request; provisioning on demand ignores it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Dialect = Literal["entra", "entra-062020"]
ManagerShape = Literal["array", "string", "object"]

LEGACY: Dialect = "entra"
MODERN: Dialect = "entra-062020"
DIALECTS: tuple[Dialect, ...] = (LEGACY, MODERN)
MANAGER_SHAPES: tuple[ManagerShape, ...] = ("array", "string", "object")
FLAG = "aadOptscim062020"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager"

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute to write. `present`: the target has some value there already."""

    path: str
    value: Any
    present: bool


def target_query(dialect: Dialect, path: str) -> str:
    """A path with what the tenant URL's query adds to every request of this dialect."""
    if dialect == LEGACY:
        return path
    return f"{path}{'&' if '?' in path else '?'}{FLAG}"


def update(dialect: Dialect, changes: Sequence[Change]) -> Body:
    """The PATCH that writes these attributes.

    Legacy: one capitalised operation an attribute, booleans as the texts "True" and "False".
    Modern: paths with a filter keep an operation of their own, the others of one kind are merged into an
    operation without a path and with flattened names; a lone one keeps its path.
    """
    if dialect == LEGACY:
        return _patch(
            [
                {"op": "Replace" if one.present else "Add", "path": one.path, "value": _text(one.value)}
                for one in changes
            ]
        )
    filtered = [one for one in changes if "[" in one.path]
    operations = [_with_path(one) for one in filtered]
    for present in (True, False):
        plain = [one for one in changes if "[" not in one.path and one.present is present]
        if len(plain) == 1:
            operations.append(_with_path(plain[0]))
        elif plain:
            operations.append({"op": _op(present), "value": {one.path: one.value for one in plain}})
    return _patch(operations)


def add_members(dialect: Dialect, ids: Sequence[str]) -> Body:
    """The PATCH that adds members to a group."""
    values = [{"$ref": None, "value": one} for one in ids]
    return _patch([{"op": "Add" if dialect == LEGACY else "add", "path": "members", "value": values}])


def remove_members(dialect: Dialect, ids: Sequence[str]) -> Body:
    """The PATCH that removes members: by a value array in the legacy dialect, by a filter each in the other."""
    if dialect == LEGACY:
        values = [{"$ref": None, "value": one} for one in ids]
        return _patch([{"op": "Remove", "path": "members", "value": values}])
    return _patch([{"op": "remove", "path": f'members[value eq "{one}"]'} for one in ids])


def rename_group(dialect: Dialect, name: str) -> Body:
    """The PATCH that renames a group."""
    return _patch(
        [{"op": "Replace" if dialect == LEGACY else "replace", "path": "displayName", "value": name}]
    )


def manager(dialect: Dialect, shape: ManagerShape, manager_id: str | None, base_url: str) -> Body:
    """The PATCH that sets or (None) removes a manager, in one of the shapes seen in the field."""
    path = "manager" if shape == "array" else MANAGER
    if manager_id is None:
        return _patch([{"op": "Remove" if dialect == LEGACY else "remove", "path": path}])
    value: Any = manager_id
    if shape == "array":
        value = [{"$ref": f"{base_url}/Users/{manager_id}", "value": manager_id}]
    elif shape == "object":
        value = {"value": manager_id}
    return _patch([{"op": "Add" if dialect == LEGACY else "add", "path": path, "value": value}])


def usual_manager_shape(dialect: Dialect) -> ManagerShape:
    """The shape a dialect writes managers in unless told otherwise."""
    return "array" if dialect == LEGACY else "string"


def _with_path(change: Change) -> Body:
    return {"op": _op(change.present), "path": change.path, "value": change.value}


def _op(present: bool) -> str:
    return "replace" if present else "add"


def _text(value: Any) -> Any:
    return ("True" if value else "False") if isinstance(value, bool) else value


def _patch(operations: list[Body]) -> Body:
    return {"schemas": [PATCH], "Operations": operations}
