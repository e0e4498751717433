"""attributes and excludedAttributes choose what an answer carries (RFC 7644 section 3.9)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.projection import Projection
from scim_bridge.scim.schema import of, resource_type
from tests.scim.drawn import USER_PATHS, Doc, any_text, documents

USER: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "1",
    "userName": "ann",
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "emails": [{"value": "ann@x.org", "type": "work"}, {"type": "home"}],
    "groups": [],
    "meta": {"version": 'W/"1"'},
    ENTERPRISE_URN: {"department": "Ops", "manager": {"value": "m", "displayName": "Max"}},
}
ALWAYS = {"schemas": [USER_URN], "id": "1"}


def carried(attributes: str | None = None, excluded: str | None = None) -> dict[str, Any]:
    return Projection.of(attributes, excluded, "User").apply(USER)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # what is named, and what is always returned.
        ("userName", {**ALWAYS, "userName": "ann"}),
        ("USERNAME , id", {**ALWAYS, "userName": "ann"}),
        ("name.givenName", {**ALWAYS, "name": {"givenName": "Ann"}}),
        ("name.givenName,name", {**ALWAYS, "name": USER["name"]}),
        ("name,name.givenName", {**ALWAYS, "name": USER["name"]}),
        ("emails.value", {**ALWAYS, "emails": [{"value": "ann@x.org"}]}),
        (f"{USER_URN}:userName", {**ALWAYS, "userName": "ann"}),
        # a URN names all of an extension; then the URN is listed.
        (
            ENTERPRISE_URN.lower(),
            {**ALWAYS, "schemas": USER["schemas"], ENTERPRISE_URN: USER[ENTERPRISE_URN]},
        ),
        (
            f"{ENTERPRISE_URN}:manager.value",
            {**ALWAYS, "schemas": USER["schemas"], ENTERPRISE_URN: {"manager": {"value": "m"}}},
        ),
        ("department", {**ALWAYS, "schemas": USER["schemas"], ENTERPRISE_URN: {"department": "Ops"}}),
        (USER_URN, {name: value for name, value in {**USER, **ALWAYS}.items() if name != ENTERPRISE_URN}),
        # unknown names mean nothing, and so does a filter.
        ("nobodyKnows", ALWAYS),
        (",,", ALWAYS),
        ('emails[type eq "work, home"]', {**ALWAYS, "emails": USER["emails"]}),
        ("emails[", ALWAYS),
        ("password", ALWAYS),
    ],
)
def test_attributes_name_what_is_carried(attributes: str, expected: dict[str, Any]) -> None:
    """A-02, A-04, A-05."""
    assert carried(attributes) == expected


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [
        ("emails", {"emails"}),
        ("EMAILS,groups", {"emails", "groups"}),
        ("id,schemas", set()),
        ("nobodyKnows", set()),
        (USER_URN, {"userName", "name", "emails", "groups", "meta"}),
    ],
)
def test_excluded_attributes_are_left_out_unless_always_returned(excluded: str, gone: set[str]) -> None:
    """A-03."""
    assert carried(excluded=excluded) == {name: value for name, value in USER.items() if name not in gone}


def test_excluding_parts_keeps_the_rest() -> None:
    assert carried(excluded="name.givenName")["name"] == {"familyName": "Lee"}
    assert carried(excluded="emails.type")["emails"] == [{"value": "ann@x.org"}]
    without = carried(excluded=ENTERPRISE_URN)
    assert (without["schemas"], ENTERPRISE_URN in without) == ([USER_URN], False)
    assert carried(excluded=f"{ENTERPRISE_URN}:manager")[ENTERPRISE_URN] == {"department": "Ops"}


def test_both_at_once_are_refused_unless_the_dialect_takes_them() -> None:
    """A-01; Entra asks for a group's id with both."""
    with pytest.raises(ScimError) as refusal:
        Projection.of("id", "members", "Group")
    assert (refusal.value.status, refusal.value.scim_type) == (400, "invalidValue")
    both = Projection.of("id,members,displayName", "members", "Group", both=True)
    assert both.apply({"id": "g", "displayName": "d", "members": []}) == {"id": "g", "displayName": "d"}
    assert not both.wants("members")


@pytest.mark.parametrize(
    ("attributes", "excluded", "wants"),
    [
        (None, None, True),
        ("", "", True),
        ("displayName", None, False),
        ("members.value", None, True),
        ("MEMBERS", None, True),
        (None, "members", False),
        (None, "Members", False),
        (None, "members.display", True),
        (None, "displayName", True),
    ],
)
def test_what_is_not_carried_need_not_be_loaded(
    attributes: str | None, excluded: str | None, wants: bool
) -> None:
    """A-03: Entra's excludedAttributes=members must not read a member."""
    projection = Projection.of(attributes, excluded, "Group")
    assert projection.wants("members") is wants
    assert projection.wants("id")
    assert projection.everything is (not attributes and not excluded)


def test_returned_request_and_never_hold_at_every_level() -> None:
    """C-21, on a schema that has them."""
    attributes = [
        {"name": "plain"},
        {"name": "asked", "returned": "request"},
        {"name": "secret", "returned": "never"},
        {"name": "fixed", "returned": "always"},
        {
            "name": "deep",
            "type": "complex",
            "subAttributes": [
                {"name": "open"},
                {"name": "asked", "returned": "request"},
                {"name": "secret", "returned": "never"},
            ],
        },
    ]
    kind = resource_type("Thing", {"id": "urn:x:Thing", "attributes": attributes})
    deep = {"open": 1, "asked": 2, "secret": 3}
    doc = {"id": "1", "plain": 1, "asked": 2, "secret": 3, "fixed": 4, "deep": deep}
    assert Projection.of(None, None, kind).apply(doc) == {
        "id": "1",
        "plain": 1,
        "fixed": 4,
        "deep": {"open": 1},
    }
    assert Projection.of("asked,secret", None, kind).apply(doc) == {"id": "1", "asked": 2, "fixed": 4}
    assert Projection.of("deep", None, kind).apply(doc) == {"id": "1", "fixed": 4, "deep": {"open": 1}}
    assert Projection.of("deep.asked", None, kind).apply(doc) == {"id": "1", "fixed": 4, "deep": {"asked": 2}}
    assert Projection.of(None, "fixed,plain", kind).apply(doc) == {"id": "1", "fixed": 4, "deep": {"open": 1}}


listed = st.lists(
    st.one_of(
        st.sampled_from([str(path) for path, _, _ in USER_PATHS]),
        st.sampled_from([USER_URN, ENTERPRISE_URN, AGENT_URN]),
        any_text,
    ),
    max_size=4,
).map(",".join)


@settings(max_examples=40, deadline=None)
@given(documents(), listed, st.booleans())
def test_no_projection_loses_what_is_always_returned_or_adds_anything(
    doc: Doc, names: str, only: bool
) -> None:
    doc = {"schemas": [USER_URN, *(key for key in doc if key.startswith("urn:"))], "id": "1", **doc}
    before = repr(doc)
    projection = Projection.of(names, None, "User") if only else Projection.of(None, names, "User")
    part = projection.apply(doc)
    assert repr(doc) == before
    assert part["id"] == "1"
    assert USER_URN in part["schemas"]
    assert set(part["schemas"]) == {USER_URN, *(key for key in part if key.startswith("urn:"))}
    assert part.keys() <= doc.keys()
    assert projection.apply(part) == part
    for name in part.keys() & {a.name for a in of("User").attributes.values()}:
        assert projection.wants(name)
