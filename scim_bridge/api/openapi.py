"""The OpenAPI 3.1 document, made of the same declarations as the routes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge import __version__
from scim_bridge.api.model import PATH, PATH_SHAPE, Operation
from scim_bridge.api.permissions import ADMIN_ALONE, NEEDS
from scim_bridge.api.shapes import TEXT, Schema, ref, text
from scim_bridge.kernel.web import JSON, PROBLEM

SLOT = re.compile(r"{(\w+)}")
PROBLEM_SHAPE: Schema = {
    "type": "object",
    "description": "RFC 9457: what was wrong, and in `detail` what to do. `code` stays the same.",
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "code": TEXT,
        "detail": TEXT,
    },
    "required": ["type", "title", "status", "code"],
}
REFUSALS: Mapping[int, str] = {
    400: "something that was sent is not what is asked for",
    401: "no token, or none that is valid",
    403: "the role does not let one, or the token is a connection's",
    404: "what is named does not exist",
    409: "it collides with something that exists",
    412: "If-Match names another version",
    413: "the body is too large",
    415: "the body is not JSON",
    422: "a rule says no; or the Idempotency-Key came with another request before",
    503: "the database is away, or it takes too long: try again",
}
ABOUT = (
    "What the console and the command line do. Send an API token as `Authorization: Bearer`: its scope is a role"
    " (`viewer`, `operator`, `auditor`, `admin`), and `x-permission` says what each operation needs. Whoever is signed"
    " in at the console may call as what they are there. Tokens of connections are refused. Unknown parameters and"
    " members are refused. A POST may carry an `Idempotency-Key`: within a day the same request with the same key is"
    " answered as before and changes nothing again. Whatever is read has an `ETag`; a PATCH may send it as `If-Match`."
)


def document(operations: Sequence[Operation], schemas: Mapping[str, Schema], url: str = "") -> dict[str, Any]:
    """The whole document; `url` is where this installation answers."""
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.address, {})[each.method.lower()] = _operation(each)
    tags = [{"name": name} for name in dict.fromkeys(each.tag for each in operations)]
    return {
        "openapi": "3.1.0",
        "info": {"title": "scim-bridge", "version": __version__, "description": ABOUT},
        **({"servers": [{"url": url}]} if url else {}),
        "security": [{"token": []}, {"session": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM_SHAPE, **schemas},
            "responses": {
                f"Refused{status}": {
                    "description": what,
                    "content": {PROBLEM: {"schema": ref("Problem")}},
                }
                for status, what in REFUSALS.items()
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-sb_console",
                    "description": "Whoever is signed in at the console; changes carry X-Form-Key.",
                },
            },
        },
    }


def _operation(of: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": of.id,
        "tags": [of.tag],
        "summary": of.summary,
        **({"description": of.about} if of.about else {}),
        "x-permission": NEEDS.get(of.id, ADMIN_ALONE),
        "parameters": [*_in_path(of), *_in_query(of), *_in_headers(of)],
        "responses": _responses(of),
    }
    if of.body is not None:
        made["requestBody"] = {
            "required": bool(of.body.get("required")),
            "content": {JSON: {"schema": of.body}},
        }
    return made


def slots(path: str) -> list[str]:
    """The names in a path."""
    return SLOT.findall(path)


def _in_path(of: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH[name],
            "schema": of.path_schemas.get(name, PATH_SHAPE),
        }
        for name in slots(of.path)
    ]


def _in_query(of: Operation) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "in": "query", "description": each.about, "schema": each.schema}
        for each in of.query
    ]


def _in_headers(of: Operation) -> list[dict[str, Any]]:
    found = []
    if of.method == "POST":
        shape = {"type": "string", "pattern": "^[!-~]{1,255}$"}
        found.append(("Idempotency-Key", shape, "the same request with the same key is done once"))
    if of.shown is not None:
        found.append(("If-Match", text(most=500), "the ETag of what was read: 412 when it was changed since"))
    if of.read is not None:
        found.append(("If-None-Match", text(most=500), "an ETag: 304 when nothing changed"))
    return [
        {"name": name, "in": "header", "required": False, "description": about, "schema": shape}
        for name, shape, about in found
    ]


def _responses(of: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "done" if of.change is not None else "found"}
    if of.answer is not None:
        good["content"] = {JSON: {"schema": of.answer}}
    if of.read is not None or of.shown is not None:
        good["headers"] = {"ETag": {"schema": TEXT}}
    made: dict[str, Any] = {str(of.status): good}
    if of.read is not None:
        made["304"] = {"description": "nothing changed since"}
    for status in refusals(of):
        made[str(status)] = {"$ref": f"#/components/responses/Refused{status}"}
    return made


def refusals(of: Operation) -> list[int]:
    """The statuses with which an operation may refuse."""
    found = {400, 401, 403, 503}
    if slots(of.path) or of.body is not None or of.query:
        found.add(404)
    if of.change is not None:
        found |= {409, 422}
    elif of.query or slots(of.path):
        # A name may mean two things.
        found.add(409)
    if of.body is not None:
        found |= {413, 415}
    if of.shown is not None:
        found.add(412)
    return sorted(found)
