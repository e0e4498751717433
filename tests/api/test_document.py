"""Promises of the document: it is what the routes are, and the routes are what it is; the reference is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
from starlette.routing import Route

from scim_bridge.api.catalogue import OPERATIONS, SCHEMAS
from scim_bridge.api.model import House
from scim_bridge.api.openapi import document, slots
from scim_bridge.api.routes import routes
from tests.docs.api_reference import FILE, page

DOCUMENT = document(OPERATIONS, SCHEMAS)
NO_HOUSE: Any = type("Nobody", (), {"ctx": type("Ctx", (), {"public_url": ""})})


def test_every_route_is_in_the_document_and_everything_in_it_is_a_route() -> None:
    house: House = NO_HOUSE
    served = {
        (route.path, method)
        for route in routes(house)
        if isinstance(route, Route) and route.path != "/openapi.json"
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item}
    assert served == described
    assert len(served) == len(OPERATIONS) > 60


def test_each_operation_is_named_once_and_reads_or_changes() -> None:
    assert len({each.id for each in OPERATIONS}) == len(OPERATIONS)
    for each in OPERATIONS:
        assert (each.read is None) is not (each.change is None), each.id
        assert (each.method == "GET") is (each.read is not None), each.id
        assert len(slots(each.path)) == len(set(slots(each.path))), each.id


def test_every_shape_is_sound_and_every_reference_leads_somewhere() -> None:
    def referred(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(referred(each) for each in value.values()))
        return set().union(*(referred(each) for each in value)) if isinstance(value, list) else set()

    for reference in referred(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found
    for shape in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **shape})


def test_the_reference_is_what_the_document_says() -> None:
    assert Path(FILE).read_text() == page(), "run: python -m tests.docs.api_reference"
