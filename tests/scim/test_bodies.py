"""Bytes become JSON, and JSON becomes a document of the schema, or the body is refused with 400."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, GROUP_URN, USER_URN
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.reading import read, read_object
from scim_bridge.scim.validate import clean
from tests.scim.drawn import Doc, documents, mutated

LEGACY = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


def tolerantly(doc: dict[str, Any], kind: str = "User") -> dict[str, Any]:
    return clean({"userName": "a", **doc}, kind, True)


class TestReading:
    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            (b"", "empty"),
            (b" \r\n", "empty"),
            (b"{", "not JSON"),
            (b"{'a': 1}", "not JSON"),
            (b'{"a": NaN}', "not JSON"),
            (b'{"a": -Infinity}', "not JSON"),
            (b'{"a": 1e999}', "not JSON"),
            (b'{"a": 1} x', "not JSON"),
            (b'{"a": "\xff"}', "not JSON"),
            (b'{"a": "\\ud800"}', "not JSON"),
            (b'{"a": "\\udc00\\ud800"}', "not JSON"),
            (b'{"a": 1, "a": 1}', "same key twice"),
            (b'{"a": {"b": [{"c": 1, "\\u0063": 2}]}}', "same key twice"),
            (b'{"a": "\\"", "a": "\\""}', "same key twice"),
            (b'{"a": 1, "A": 2}', "same key twice"),
            (b'{"a": "x\\u0000"}', "NUL"),
            (b'{"\\u0000": 1}', "NUL"),
            (b'[{"a": ["\\u0000"]}]', "NUL"),
            (b"[" * 65 + b"]" * 65, "deeper"),
            (b"[" * 5000 + b"]" * 5000, "not JSON"),
            (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper"),
        ],
    )
    def test_what_is_not_sound_json_is_refused(self, raw: bytes, why: str) -> None:
        with pytest.raises(ScimError, match=why) as refusal:
            read(raw)
        assert (refusal.value.status, refusal.value.scim_type) == (400, "invalidSyntax")

    @pytest.mark.parametrize(
        ("raw", "value"),
        [
            (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
            (b'{"a": "\\"a\\":", "b": "\\\\"}', {"a": '"a":', "b": "\\"}),
            (b'\xef\xbb\xbf{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
            (b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
            (b'"x"', "x"),
        ],
    )
    def test_sound_json_is_read(self, raw: bytes, value: Any) -> None:
        assert read(raw) == value

    def test_an_object_is_asked_for(self) -> None:
        for raw in (b"[]", b'"x"', b"1", b"null"):
            with pytest.raises(ScimError, match="not a JSON object"):
                read_object(raw)

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**53), 2**53)
            | st.text(st.characters(exclude_categories=("Cs",))),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.text('ab"\\:', max_size=3), inner, max_size=4)
            ),
            max_leaves=20,
        ),
        st.booleans(),
    )
    def test_whatever_is_sound_comes_through(self, value: Any, escaped: bool) -> None:
        text = json.dumps(value, ensure_ascii=escaped)
        if "\\u0000" not in text and "\0" not in text:
            assert read(text.encode()) == value


class TestDocuments:
    def test_an_okta_user_is_read(self) -> None:
        sent = {
            "schemas": [USER_URN],
            "userName": "agent-1@agents.example",
            "name": {"givenName": "Agent", "familyName": "One"},
            "emails": [{"primary": True, "value": "agent-1@agents.example", "type": "work"}],
            "displayName": "Agent One",
            "locale": "en-US",
            "externalId": "00u1",
            "groups": [],
            "password": "placeholder",
            "active": True,
        }
        kept = {name: value for name, value in sent.items() if name not in ("schemas", "groups", "password")}
        assert clean(sent, "User", True) == kept
        assert clean(sent, "User", False) == kept

    def test_an_entra_user_with_nulls_and_bare_enterprise_names_is_read(self) -> None:
        sent = {
            "schemas": [USER_URN, ENTERPRISE_URN],
            "userName": "a@contoso.com",
            "active": "True",
            "meta": {"resourceType": "User"},
            "roles": [],
            "addresses": None,
            "title": None,
            "department": "Ops",
            "manager": None,
        }
        assert clean(sent, "User", True) == {
            "userName": "a@contoso.com",
            "active": True,
            ENTERPRISE_URN: {"department": "Ops"},
        }

    def test_names_are_read_in_any_case_and_written_in_the_schemas(self) -> None:
        """H-03, and Entra's capitals."""
        assert tolerantly(
            {
                "EMAILS": [{"Value": "x", "Primary": True}],
                ENTERPRISE_URN.upper(): {"Department": "bob", "Manager": {"Value": "Suzzy"}},
            }
        ) == {
            "userName": "a",
            "emails": [{"value": "x", "primary": True}],
            ENTERPRISE_URN: {"department": "bob", "manager": {"value": "Suzzy"}},
        }

    @pytest.mark.parametrize(
        "doc",
        [
            {"username": "b"},
            {"active": True, "Active": False},
            {"name": {"givenName": "a", "GIVENNAME": "b"}},
            {"emails": [{"value": "a", "VALUE": "b"}]},
            {ENTERPRISE_URN: {"department": "a"}, ENTERPRISE_URN.lower(): {}},
            {ENTERPRISE_URN: {"department": "a", "Department": "b"}},
        ],
    )
    def test_two_keys_for_one_attribute_are_refused(self, doc: dict[str, Any]) -> None:
        """H-04."""
        with pytest.raises(ScimError, match="twice") as refusal:
            tolerantly(doc)
        assert refusal.value.scim_type == "invalidSyntax"

    def test_read_only_attributes_are_ignored_whatever_is_in_them(self) -> None:
        """C-02, C-04, C-17, C-22."""
        ours = {"purpose": "p", "holds": "none", "attestation": {"state": "valid"}, "credentialAgeDays": "x"}
        assert tolerantly({"id": 7, "meta": "x", "groups": [{"value": "g"}], AGENT_URN: ours}) == {
            "userName": "a",
            AGENT_URN: {"purpose": "p"},
        }
        manager = {"value": "m", "displayName": 5}
        assert tolerantly({ENTERPRISE_URN: {"manager": manager}})[ENTERPRISE_URN] == {
            "manager": {"value": "m"}
        }

    def test_null_absent_and_empty_are_unassigned(self) -> None:
        """C-08; an empty string only in a tolerant reading."""
        empties = {
            "title": None,
            "emails": [],
            "name": {},
            "ims": [{}],
            "roles": [None],
            ENTERPRISE_URN: {"manager": {}},
        }
        assert tolerantly(empties) == {"userName": "a"}
        assert tolerantly({"title": "", "emails": [{"type": "work", "primary": True, "value": ""}]}) == {
            "userName": "a"
        }
        assert clean({"schemas": [USER_URN], "userName": "a", "title": ""}, "User", False)["title"] == ""

    @pytest.mark.parametrize("kind", ["User", "Group", "Agent"])
    def test_what_is_required_must_be_there(self, kind: str) -> None:
        """C-15, C-25."""
        for doc in ({}, {"userName": "", "displayName": None, "agentUserName": None}):
            with pytest.raises(ScimError, match="is missing") as refusal:
                clean(doc, kind, True)
            assert refusal.value.scim_type == "invalidValue"

    def test_an_agent_is_known_by_either_drafts_name(self) -> None:
        assert clean({"name": "bot"}, "Agent", True) == {"name": "bot"}
        assert clean({"agentUserName": "bot", "active": "false"}, "Agent", True)["active"] is False

    @pytest.mark.parametrize(
        "doc",
        [
            {"userName": 5},
            {"userName": ["a"]},
            {"userName": {"value": "a"}},
            {"active": "maybe"},
            {"active": 1},
            {"emails": 5},
            {"emails": [5]},
            {"emails": [["a"]]},
            {"emails": [{"value": {"x": 1}}]},
            {"name": "Ann"},
            {"name": [{"givenName": "a"}, {"givenName": "b"}]},
            {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]},  # C-09
            {"x509Certificates": [{"value": "not base64!"}]},  # C-12
            {ENTERPRISE_URN: "x"},
            {ENTERPRISE_URN: {"manager": {"$ref": "../Users/1"}}},
            {AGENT_URN: {"expiresAt": "2026-11-23"}},  # C-11
            {AGENT_URN: {"expiresAt": "2026-02-30T10:00:00Z"}},
            {AGENT_URN: {"expiresAt": "0001-01-01T00:00:00+14:00"}},
            {AGENT_URN: {"expiresAt": 1795000000}},
            {AGENT_URN: {"tools": [{"value": 5}]}},
        ],
    )
    def test_a_value_of_the_wrong_type_is_refused(self, doc: dict[str, Any]) -> None:
        for tolerant in (True, False):
            schemas = [USER_URN, *(urn for urn in doc if urn.startswith("urn:"))]
            with pytest.raises(ScimError) as refusal:
                clean({"schemas": schemas, "userName": "a", **doc}, "User", tolerant)
            assert (refusal.value.status, refusal.value.scim_type) == (400, "invalidValue")

    @pytest.mark.parametrize("text", ["a\0b", "a\ud800"])
    def test_text_no_database_keeps_is_refused(self, text: str) -> None:
        for doc in ({"title": text}, {"emails": [{"value": text}]}, {AGENT_URN: {"tools": [text]}}):
            with pytest.raises(ScimError, match="NUL or half a surrogate pair"):
                tolerantly(doc)

    def test_a_date_is_kept_with_its_zone(self) -> None:
        """C-11."""
        for sent, kept in (
            ("2026-01-01T00:00:00", "2026-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00+02:00",) * 2,
        ):
            assert tolerantly({AGENT_URN: {"expiresAt": sent}})[AGENT_URN] == {"expiresAt": kept}

    def test_a_tolerant_reading_takes_one_for_many_and_a_string_for_an_object(self) -> None:
        doc = {"roles": "Admin", "ims": {"value": "x"}, ENTERPRISE_URN: {"manager": [{"value": "m"}]}}
        assert tolerantly(doc) == {
            "userName": "a",
            "roles": [{"value": "Admin"}],
            "ims": [{"value": "x"}],
            ENTERPRISE_URN: {"manager": {"value": "m"}},
        }
        for name, value in doc.items():
            with pytest.raises(ScimError):
                clean({"schemas": [USER_URN, ENTERPRISE_URN], "userName": "a", name: value}, "User", False)

    def test_what_nobody_knows_is_dropped_or_in_the_letter_refused(self) -> None:
        odd: list[dict[str, Any]] = [
            {"adreses": []},
            {"name": {"nick": "x"}},
            {ENTERPRISE_URN: {"x": 1}},
            {"urn:x:y": {"a": 1}},
        ]
        for doc in odd:
            assert tolerantly(doc) == {"userName": "a"}
            with pytest.raises(ScimError) as refusal:
                clean({"schemas": [USER_URN, ENTERPRISE_URN], "userName": "a", **doc}, "User", False)
            assert refusal.value.scim_type == "invalidSyntax"

    @pytest.mark.parametrize(
        "schemas",
        [None, [], "x", [5], [ENTERPRISE_URN], [USER_URN, "urn:x:y"], [USER_URN, USER_URN.lower()]],
    )
    def test_schemas_are_held_to_in_the_letter_only(self, schemas: Any) -> None:
        """C-01; Entra lists a URN of its own for groups."""
        with pytest.raises(ScimError) as refusal:
            clean({"schemas": schemas, "userName": "a"}, "User", False)
        assert refusal.value.scim_type == "invalidSyntax"
        legacy = {"schemas": [GROUP_URN, LEGACY], "displayName": "d"}
        assert clean(legacy, "Group", True) == {"displayName": "d"}
        with pytest.raises(ScimError):
            clean({"schemas": "x", "userName": "a"}, "User", True)

    def test_members_are_distinct_by_value_and_need_one(self) -> None:
        """C-18."""
        sent = [
            {"value": "u1", "display": "One"},
            {"value": "u1", "display": None},
            "u2",
            {"Value": "u3", "type": "User"},
        ]
        assert clean({"displayName": "g", "members": sent}, "Group", True)["members"] == [
            {"value": "u1", "display": "One"},
            {"value": "u2"},
            {"value": "u3", "type": "User"},
        ]
        with pytest.raises(ScimError, match=r"members\.value is missing"):
            clean({"displayName": "g", "members": [{"display": "x"}]}, "Group", True)

    def test_a_message_never_repeats_a_value(self) -> None:
        with pytest.raises(ScimError) as refusal:
            tolerantly({"active": "hunter2-secret"})
        assert "hunter2" not in refusal.value.text()

    @settings(max_examples=40, deadline=None)
    @given(documents())
    def test_a_clean_document_stays_as_it_is(self, doc: Doc) -> None:
        once = clean(doc, "User", True)
        assert once == doc
        assert clean(once, "User", True) == once

    @settings(max_examples=50, deadline=None)
    @given(mutated(), st.booleans())
    def test_cleaning_twice_is_cleaning_once_and_leaves_the_body_alone(
        self, doc: Doc, tolerant: bool
    ) -> None:
        before = repr(doc)
        try:
            once = clean(doc, "User", tolerant)
        except ScimError:
            return
        finally:
            assert repr(doc) == before
        again = {"schemas": [USER_URN, *(key for key in once if key.startswith("urn:"))], **once}
        assert clean(again, "User", tolerant) == once
