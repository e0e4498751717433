"""Whatever comes in, what comes out is an answer or a refusal with status 400, never another exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from scim_bridge.kernel.errors import BridgeError
from scim_bridge.scim.conjuncts import equality
from scim_bridge.scim.errors import body_of
from scim_bridge.scim.grammar import parse
from scim_bridge.scim.match import predicate
from scim_bridge.scim.patch import apply, read_operations
from scim_bridge.scim.path import parse_path
from scim_bridge.scim.projection import Projection
from scim_bridge.scim.reading import read
from scim_bridge.scim.validate import clean
from tests.scim.drawn import Doc, documents
from tests.scim.noise import drawn_operations, noise, objects

FUZZ = settings(max_examples=60, deadline=None)
KINDS = st.sampled_from(["User", "Group", "Agent"])


def refused_or_done(body: Callable[[], object]) -> None:
    """Run it; a refusal must be a client's fault and must have a body."""
    try:
        body()
    except BridgeError as error:
        assert error.status == 400
        said = json.loads(body_of(error))
        assert said["status"] == "400"
        assert said["scimType"]
        assert said["detail"]


@FUZZ
@given(noise, KINDS, st.booleans())
@example('meta.lastModified gt "0001-01-01T00:00:00+14:00"', "User", True)
@example('meta.lastModified gt "9999-12-31T23:59:59-14:00"', "User", True)
@example("a eq ١٢", "User", True)
def test_filters(text: str, kind: str, tolerant: bool) -> None:
    def run() -> None:
        filter_ = parse(text, tolerant=tolerant)
        equality(filter_)
        predicate(filter_, kind, strict=not tolerant)(
            {"userName": "a", "emails": [{"value": "a"}, "b", None]}
        )

    refused_or_done(run)


@FUZZ
@given(noise, KINDS, st.booleans())
def test_paths(text: str, kind: str, tolerant: bool) -> None:
    refused_or_done(lambda: parse_path(text, kind, tolerant=tolerant))


@FUZZ
@given(noise, noise, KINDS, documents())
def test_projections(attributes: str, excluded: str, kind: str, doc: Doc) -> None:
    refused_or_done(lambda: Projection.of(attributes, excluded, kind).apply(doc))
    Projection.of(attributes, excluded, kind, both=True).apply(doc)


@FUZZ
@given(st.one_of(st.binary(max_size=80), noise.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_bytes(raw: bytes) -> None:
    refused_or_done(lambda: read(raw))


@FUZZ
@given(objects, KINDS, st.booleans())
def test_bodies(doc: dict[str, Any], kind: str, tolerant: bool) -> None:
    refused_or_done(lambda: clean(doc, kind, tolerant))


@FUZZ
@given(
    documents(),
    st.one_of(objects, st.builds(lambda some: {"Operations": some}, drawn_operations)),
    KINDS,
    st.booleans(),
)
def test_patches(doc: Doc, body: dict[str, Any], kind: str, tolerant: bool) -> None:
    before = repr(doc)
    refused_or_done(lambda: apply(doc, read_operations(body, tolerant=tolerant), kind, tolerant=tolerant))
    assert repr(doc) == before
