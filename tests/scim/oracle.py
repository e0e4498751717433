"""scim2-models as the oracle: the same question asked of it and of us, with answers that can be compared."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError
from scim2_models import Context, EnterpriseUser, PatchOp, SCIMException, ScimFilter, ScimPolicy, User

from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.extension import AgentExtension
from scim_bridge.scim.grammar import parse
from scim_bridge.scim.instants import instant
from scim_bridge.scim.match import predicate
from scim_bridge.scim.operations import PATCH_URN
from scim_bridge.scim.patch import apply, read_operations
from scim_bridge.scim.validate import clean

Doc = dict[str, Any]
MODEL = User[EnterpriseUser | AgentExtension]
TOLERANT = ScimPolicy(unknown="ignore", remove_value_as_filter="apply", unmatched_path_filter="create")
STRICT = ScimPolicy()
REFUSED = "refused"


def shape(value: Any) -> Any:
    """A value in a form that says the same for both: no husks, no order, instants as numbers, no `schemas`."""
    if isinstance(value, dict):
        shaped = {
            name: shape(item) for name, item in sorted(value.items()) if name not in ("schemas", "password")
        }
        return {name: item for name, item in shaped.items() if item not in (None, [], {})}
    if isinstance(value, list):
        return sorted((item for item in map(shape, value) if item not in (None, [], {})), key=repr)
    if isinstance(value, str) and value[:2] == "20" and "T" in value:
        return instant(value)
    return value


def dumped(model: Any) -> Any:
    """An oracle's resource as a document."""
    return shape(json.loads(model.model_dump_json(scim_ctx=None, by_alias=True, exclude_none=True)))


def our_match(text: str, doc: Doc) -> bool | str:
    """What we say of a filter, held to the letter."""
    try:
        return predicate(parse(text, tolerant=False), "User", strict=True)(doc)
    except ScimError:
        return REFUSED


def their_match(text: str, doc: Doc) -> bool | str:
    """What the oracle says of it."""
    resource = MODEL.model_validate(doc)
    try:
        return ScimFilter[MODEL](text).match(resource, strict=True)  # type: ignore[valid-type]
    except SCIMException:
        return REFUSED


def message(operation: Doc) -> Doc:
    """A PatchOp message with one operation."""
    return {"schemas": [PATCH_URN], "Operations": [operation]}


def our_patch(doc: Doc, operation: Doc, *, tolerant: bool) -> Any:
    """What we make of a document."""
    try:
        operations = read_operations(message(operation), tolerant=tolerant)
        return shape(apply(doc, operations, "User", tolerant=tolerant).doc)
    except ScimError:
        return REFUSED


def their_patch(doc: Doc, operation: Doc, *, tolerant: bool) -> Any:
    """What the oracle makes of it."""
    resource = MODEL.model_validate(doc)
    try:
        with TOLERANT if tolerant else STRICT:
            asked = PatchOp[MODEL].model_validate(  # type: ignore[valid-type]
                message(operation), scim_ctx=Context.RESOURCE_PATCH_REQUEST
            )
            asked.patch(resource)
    except (ValidationError, SCIMException):
        return REFUSED
    return dumped(resource)


def our_clean(doc: Doc, *, tolerant: bool) -> Any:
    """What we read from a body."""
    try:
        return shape(clean(doc, "User", tolerant))
    except ScimError:
        return REFUSED


def their_clean(doc: Doc, *, tolerant: bool) -> Any:
    """What the oracle reads from it."""
    policy = TOLERANT if tolerant else STRICT
    try:
        return dumped(
            MODEL.model_validate(doc, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=policy)
        )
    except (ValidationError, SCIMException):
        return REFUSED
