"""RFC 7644 section 4 and RFC 7643 sections 5 to 7: what a server says about itself."""

from __future__ import annotations

from typing import Any, Final

from scim_bridge.conformance.expect import (
    GROUP,
    USER,
    equals,
    filled_in,
    has,
    listing,
    matches,
    status,
)
from scim_bridge.conformance.reply import ABSENT, Reply, at, shown
from scim_bridge.conformance.rfc_kit import SHOULD, steps
from scim_bridge.conformance.run import Run

CONFIG: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
SCHEMES: Final = ("oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest")
TYPES: Final = ("string", "boolean", "decimal", "integer", "dateTime", "reference", "complex", "binary")
MUTABILITY: Final = ("readOnly", "readWrite", "immutable", "writeOnly")
RETURNED: Final = ("always", "never", "default", "request")
UNIQUENESS: Final = ("none", "server", "global")


async def _configuration(run: Run) -> None:
    reply = await run.get("/ServiceProviderConfig")
    run.demand(reply, status(200), has("schemas", CONFIG))
    run.hold(reply, matches("one object, not a list", lambda r: _not_there(r, "Resources")))
    for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag"):
        run.hold(reply, matches(f"{name}.supported is a boolean", lambda r, n=name: _boolean(r, n)))  # type: ignore[misc]
    for name in ("bulk.maxOperations", "bulk.maxPayloadSize", "filter.maxResults"):
        run.hold(reply, matches(f"{name} is a whole number", lambda r, n=name: _whole(r, n)))  # type: ignore[misc]
    run.hold(reply, matches("each authentication scheme has type, name, description", _schemes))


def _not_there(reply: Reply, name: str) -> str | None:
    return None if reply.get(name) is ABSENT else f"there is {name}"


def _boolean(reply: Reply, name: str) -> str | None:
    found = reply.get(f"{name}.supported")
    return None if isinstance(found, bool) else shown(found)


def _whole(reply: Reply, name: str) -> str | None:
    found = reply.get(name)
    # What is not supported needs no limits in practice.
    off = reply.get(f"{name.partition('.')[0]}.supported") is False
    return None if off or (isinstance(found, int) and not isinstance(found, bool)) else shown(found)


def _schemes(reply: Reply) -> str | None:
    found = reply.get("authenticationSchemes")
    if not isinstance(found, list):
        return shown(found)
    wrong = [
        item
        for item in found
        if at(item, "type") not in SCHEMES
        or not all(isinstance(at(item, n), str) for n in ("name", "description"))
    ]
    return shown(wrong[0]) if wrong else None


async def _lists(run: Run) -> None:
    for path, name in (("/ResourceTypes", "name"), ("/Schemas", "id")):
        reply = await run.get(path)
        run.demand(reply, *listing(), filled_in("Resources"))
        key = reply.get(f"Resources[0].{name}")
        run.hold(await run.get(f"{path}/{key}"), status(200), equals(name, key))


async def _filters_on_discovery(run: Run) -> None:
    for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
        run.hold(await run.get(path, filter='id eq "x"'), status(403).unless(SHOULD))


async def _read_only_discovery(run: Run) -> None:
    for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
        reply = await run.post(path, {"schemas": [CONFIG]})
        run.hold(reply, status(403, 404, 405, 501))


async def _resource_types(run: Run) -> None:
    types = await run.get("/ResourceTypes")
    run.demand(types, status(200), filled_in("Resources"))
    schemas = await run.get("/Schemas")
    run.demand(schemas, status(200), filled_in("Resources"))
    served = {str(at(item, "id")).casefold() for item in _items(schemas)}
    for item in _items(types):
        name = shown(at(item, "name"))
        for member in ("name", "endpoint", "schema"):
            run.expect(f"{name} has {member}", isinstance(at(item, member), str), shown(at(item, member)))
        extensions = at(item, "schemaExtensions")
        urns = [
            at(item, "schema"),
            *(at(e, "schema") for e in (extensions if isinstance(extensions, list) else [])),
        ]
        missing = [str(urn) for urn in urns if str(urn).casefold() not in served]
        run.expect(f"/Schemas serves the schemas of {name}", not missing, f"not: {', '.join(missing)}")
    endpoints = {at(item, "endpoint") for item in _items(types) if isinstance(at(item, "endpoint"), str)}
    run.expect("there is /Users", "/Users" in endpoints, f"endpoints: {sorted(map(str, endpoints))}")


def _items(reply: Reply) -> list[Any]:
    found = reply.get("Resources")
    return found if isinstance(found, list) else []


async def _schemas(run: Run) -> None:
    reply = await run.get("/Schemas")
    run.demand(reply, status(200), filled_in("Resources"))
    known = {at(item, "id"): item for item in _items(reply) if isinstance(at(item, "id"), str)}
    for urn in (USER, GROUP):
        run.expect(f"{urn} is described", urn in known, f"{len(known)} schemas")
    wrong = [text for urn, schema in known.items() for text in _wrong_attributes(schema, f"{urn}:")]
    run.expect("every attribute is described in the RFC's words", not wrong, "; ".join(wrong[:5]))
    login = next((a for a in _attributes(known.get(USER)) if at(a, "name") == "userName"), None)
    for name, value in (("required", True), ("caseExact", False), ("uniqueness", "server")):
        run.expect(f"userName has {name} {value}", at(login, name) == value, shown(at(login, name)))


def _attributes(holder: Any, name: str = "attributes") -> list[Any]:
    found = at(holder, name)
    return found if isinstance(found, list) else []


def _wrong_attributes(holder: Any, place: str, name: str = "attributes") -> list[str]:
    wrong = []
    for item in _attributes(holder, name):
        where = f"{place}{at(item, 'name')}"
        allowed = (
            ("type", TYPES),
            ("mutability", MUTABILITY),
            ("returned", RETURNED),
            ("uniqueness", UNIQUENESS),
        )
        wrong += [
            f"{where} has {member} {shown(at(item, member))}"
            for member, values in allowed
            if at(item, member) not in (*values, ABSENT) or (member == "type" and at(item, member) is ABSENT)
        ]
        if at(item, "type") == "complex":
            wrong += _wrong_attributes(item, f"{where}.", "subAttributes")
    return wrong


STEPS: Final = steps(
    ("H-10", "ServiceProviderConfig is one object with every member", "RFC 7643 section 5", _configuration),
    ("H-11", "Resource types and schemas are lists, and single ones by name", "RFC 7644 section 4", _lists),
    ("H-12", "Filters on discovery endpoints are forbidden", "RFC 7644 section 4", _filters_on_discovery),
    ("H-13", "Discovery endpoints are only read", "RFC 7644 section 3.2", _read_only_discovery),
    ("H-16", "Resource types name schemas that are served", "RFC 7643 section 6", _resource_types),
    ("H-17", "Schemas describe their attributes", "RFC 7643 section 7", _schemas),
)
