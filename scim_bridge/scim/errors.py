"""Refusals as SCIM says them (RFC 7644 section 3.12): a status, a scimType, a detail people can act on."""

from __future__ import annotations

import orjson

from scim_bridge.kernel.errors import BridgeError

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"

INVALID_FILTER = "invalidFilter"
INVALID_PATH = "invalidPath"
INVALID_SYNTAX = "invalidSyntax"
INVALID_VALUE = "invalidValue"
INVALID_VERS = "invalidVers"
MUTABILITY = "mutability"
NO_TARGET = "noTarget"
TOO_MANY = "tooMany"
UNIQUENESS = "uniqueness"

# The statuses that are not 400 (RFC 7644 table 9).
_STATUS = {UNIQUENESS: 409, "sensitive": 403}

# What a code of the rooms below is called in SCIM; others go by their status.
_SCIM_TYPE = {
    "name-taken": UNIQUENESS,
    "external-id-taken": UNIQUENESS,
    "slug-taken": UNIQUENESS,
    "workload-id-taken": UNIQUENESS,
    "name-held": UNIQUENESS,
    "unique": UNIQUENESS,
    "json-invalid": INVALID_SYNTAX,
    "json-object": INVALID_SYNTAX,
    "body-incomplete": INVALID_SYNTAX,
}


class ScimError(BridgeError):
    """A request SCIM has a name for refusing; `scim_type` is a value of RFC 7644 table 9 or RFC 9865."""

    def __init__(self, scim_type: str, message: str, fix: str = "") -> None:
        super().__init__(f"scim-{scim_type}", message, fix)
        self.scim_type = scim_type
        self.status = _STATUS.get(scim_type, 400)


class PassedOver(ScimError):
    """A refusal where a tolerant reading passes over the operation instead; `silent`: it is not even reported."""

    def __init__(self, scim_type: str, message: str, fix: str = "", *, silent: bool = False) -> None:
        super().__init__(scim_type, message, fix)
        self.silent = silent


def too_many(message: str, fix: str) -> ScimError:
    """The refusal of a query that would yield, or look at, too much."""
    return ScimError(TOO_MANY, message, fix)


def invalid_filter(message: str, fix: str = "") -> ScimError:
    """The refusal of a filter that cannot be read or cannot be answered."""
    return ScimError(INVALID_FILTER, message, fix)


def invalid_path(message: str, fix: str = "") -> ScimError:
    """The refusal of a PATCH path that cannot be read or names nothing known."""
    return ScimError(INVALID_PATH, message, fix)


def invalid_syntax(message: str, fix: str = "") -> ScimError:
    """The refusal of a body that does not have the shape of its message."""
    return ScimError(INVALID_SYNTAX, message, fix)


def invalid_value(message: str, fix: str = "") -> ScimError:
    """The refusal of a value of the wrong type, or of a required one that is missing."""
    return ScimError(INVALID_VALUE, message, fix)


def mutability(message: str, fix: str = "") -> ScimError:
    """The refusal of a change that the attribute's mutability does not allow."""
    return ScimError(MUTABILITY, message, fix)


def no_target(message: str, fix: str = "") -> ScimError:
    """The refusal of a PATCH operation whose path yields nothing to operate on."""
    return ScimError(NO_TARGET, message, fix)


def scim_type_of(error: BridgeError) -> str | None:
    """The scimType of an error, None when SCIM has none for it."""
    if isinstance(error, ScimError):
        return error.scim_type
    known = _SCIM_TYPE.get(error.code)
    if known is not None:
        return known
    return INVALID_VALUE if error.status == 400 else None


def body_of(error: BridgeError) -> bytes:
    """The error's JSON body; `status` is a string (RFC 7644 section 3.12)."""
    body: dict[str, object] = {"schemas": [ERROR_URN], "status": str(error.status)}
    scim_type = scim_type_of(error)
    if scim_type is not None:
        body["scimType"] = scim_type
    # A message may quote input that no UTF-8 can carry.
    body["detail"] = error.text().encode("utf-8", "replace").decode()
    return orjson.dumps(body)
