"""The operations of a PatchOp message (RFC 7644 section 3.5.2), one for each attribute in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from scim_bridge.scim.errors import invalid_path, invalid_syntax, invalid_value, no_target
from scim_bridge.scim.limits import MAX_PATCH_OPERATIONS

Doc = dict[str, Any]

PATCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
# A dialect may make several operations of one: one for each value that a remove lists.
MAX_STEPS: Final = 10_000

ADD: Final = "add"
REMOVE: Final = "remove"
REPLACE: Final = "replace"

_MEMBERS: Final = {"op", "path", "value"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One PATCH operation; `op` is add, remove or replace, `number` counts from 1 for messages.

    `valued` tells a `value` that is null from one that is absent. `odd`: it came with members nobody defined,
    so what it leaves unsaid may stand in one of those.
    """

    number: int
    op: str
    path: str | None = None
    value: Any = None
    valued: bool = False
    odd: bool = False


def refuse_too_many(message: Any) -> None:
    """Refuse a message of more operations than one PATCH may have; ScimError invalidValue.

    To be asked first: nothing else of such a message is looked at, not even whether it stops somebody.
    """
    listed = _member(message, "Operations", True) if isinstance(message, dict) else None
    if isinstance(listed, list) and len(listed) > MAX_PATCH_OPERATIONS:
        raise invalid_value(
            f"{len(listed)} operations are too many for one PATCH.",
            f"Send at most {MAX_PATCH_OPERATIONS} at a time; one operation may have many values.",
        )


def read_operations(body: Doc, *, tolerant: bool) -> tuple[Operation, ...]:
    """The operations of a PatchOp message; ScimError invalidSyntax or invalidValue otherwise.

    `op` is read in any case (Entra writes Add). `tolerant` also reads the names of members in any case,
    does without `schemas`, and passes over members nobody defined.
    """
    listed = body.get("schemas")
    if not tolerant and (not isinstance(listed, list) or PATCH_URN not in listed):
        raise invalid_syntax("'schemas' does not list the PatchOp message.", f'Send ["{PATCH_URN}"].')
    operations = _member(body, "Operations", tolerant)
    if not isinstance(operations, list) or not operations:
        raise invalid_syntax("'Operations' must be a list of at least one operation.")
    if len(operations) > MAX_STEPS:
        raise invalid_value("This PATCH names too many values at once.", f"Name at most {MAX_STEPS}.")
    return tuple(_operation(number, given, tolerant) for number, given in enumerate(operations, 1))


def _member(given: Doc, name: str, tolerant: bool) -> Any:
    if name in given or not tolerant:
        return given.get(name)
    return next((value for key, value in given.items() if key.casefold() == name.casefold()), None)


def _operation(number: int, given: Any, tolerant: bool) -> Operation:
    if not isinstance(given, dict):
        raise invalid_syntax(f"Operation {number} is not an object.")
    if given.keys() <= _MEMBERS:
        members = given
    elif tolerant:
        members = {key.casefold(): value for key, value in given.items()}
    else:
        raise invalid_syntax(f"Operation {number} has members besides op, path and value.", "Leave them out.")
    op = members.get("op")
    known = op.casefold() if isinstance(op, str) else ""
    if known not in (ADD, REMOVE, REPLACE):
        raise invalid_syntax(f"Operation {number}: 'op' must be add, remove or replace.")
    path = members.get("path")
    if path is not None and not isinstance(path, str):
        raise invalid_path(f"Operation {number}: 'path' must be a string.")
    odd = not members.keys() <= _MEMBERS
    return Operation(number, known, path or None, members.get("value"), "value" in members, odd)


def spread(operation: Operation, prefix: str = "") -> list[Operation]:
    """An operation whose value is an object of attributes as one operation for each.

    The keys are paths below `prefix`: names, dotted ones, URNs, as Okta and Entra write them.
    ScimError noTarget for a remove, which must name what it removes.
    """
    if operation.op == REMOVE:
        raise no_target("A remove needs a path.", "Name what is to be removed.")
    value = operation.value
    if not isinstance(value, dict):
        raise invalid_value("Without an attribute in the path the value must be an object of attributes.")
    if len({key.casefold() for key in value}) < len(value):
        raise invalid_syntax("The value has the same attribute twice, in different case.")
    return [
        Operation(operation.number, operation.op, prefix + key, item, True)
        for key, item in value.items()
        if key.casefold() != "schemas"
    ]
