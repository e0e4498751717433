"""What a PATCH may aim at, as RFC 7644 section 3.5.2 says it: paths, what is unknown or read-only, `primary`."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.patch import apply, read_operations
from scim_bridge.scim.schema import resource_type
from tests.scim.patched_user import HOME, USER, WORK, both, refused
from tests.scim.patching import op, patch, patched


@both
class TestPaths:
    def test_urns_are_read(self, tolerant: bool) -> None:
        """X-14."""
        for path, value in (
            (f"{USER_URN}:title", "Dr"),
            (f"{USER_URN.upper()}:TITLE", "Dr"),
        ):
            assert patched(USER, op("add", path, value), tolerant=tolerant)["title"] == "Dr"
        found = patched(USER, op("replace", f"{ENTERPRISE_URN}:division", "D"), tolerant=tolerant)
        assert found[ENTERPRISE_URN]["division"] == "D"

    def test_an_extensions_urn_is_a_path(self, tolerant: bool) -> None:
        """X-14."""
        found = patched(USER, op("add", ENTERPRISE_URN, {"division": "D"}), tolerant=tolerant)
        assert found[ENTERPRISE_URN] == {**USER[ENTERPRISE_URN], "division": "D"}
        assert refused(op("add", ENTERPRISE_URN, "x"), tolerant=tolerant) == "invalidValue"

    def test_keys_of_a_value_are_paths(self, tolerant: bool) -> None:
        value = {
            "name.givenName": "A",
            f"{ENTERPRISE_URN}:employeeNumber": "7",
            ENTERPRISE_URN: {"division": "D", "manager.value": "m2"},
            f"{USER_URN}:title": "Dr",
            "schemas": ["anything"],
        }
        found = patched(USER, op("replace", value=value), tolerant=tolerant)
        assert found["name"] == {"givenName": "A", "familyName": "Lee"}
        assert found["title"] == "Dr"
        assert found[ENTERPRISE_URN] == {
            "department": "Ops",
            "manager": {"value": "m2"},
            "employeeNumber": "7",
            "division": "D",
        }
        assert patched(
            USER, op("replace", value={ENTERPRISE_URN: None}), tolerant=tolerant
        ).keys() == USER.keys() - {ENTERPRISE_URN}

    @pytest.mark.parametrize(
        ("path", "scim_type"),
        [
            ("a b", "invalidPath"),
            ("emails[", "invalidFilter"),
            ('emails[type eq "work"', "invalidFilter"),
            ('emails[nobodyKnows eq "x"]', "invalidFilter"),
            ("emails[primary gt true]", "invalidFilter"),
            ('emails[type eq "work"]value', "invalidPath"),
            ('emails[type eq "work"].value.x', "invalidPath"),
            ('name[givenName eq "x"]', "invalidPath"),
            (" ", "invalidPath"),
            ("x" * 9_000, "invalidPath"),
            ("emails[" + "(" * 8_000, "invalidFilter"),
        ],
    )
    def test_a_malformed_path_is_refused(self, path: str, scim_type: str, tolerant: bool) -> None:
        """X-12."""
        for name in ("add", "remove", "replace"):
            assert refused(
                op(name, path, {"value": "x"}) if name != "remove" else op(name, path), tolerant=tolerant
            ) == (scim_type)

    def test_a_value_of_the_wrong_type_is_refused(self, tolerant: bool) -> None:
        """X-12."""
        for path, value in (
            ("active", "maybe"),
            ("title", 5),
            ("emails", 5),
            ("name", "x"),
            ("emails", [{"value": 1}]),
        ):
            assert refused(op("replace", path, value), tolerant=tolerant) == "invalidValue"
        assert refused(op("replace", value="x"), tolerant=tolerant) == "invalidValue"
        assert refused(op("replace", value={"a": 1, "A": 2}), tolerant=tolerant) == "invalidSyntax"


class TestUnknownAndReadOnly:
    @pytest.mark.parametrize("path", ["nobodyKnows", "name.nobodyKnows", "urn:x:y:z", "userName.x"])
    def test_an_unknown_attribute_is_passed_over_or_in_the_letter_refused(self, path: str) -> None:
        """X-12, X-19; vector: the rest of the PATCH is done."""
        result = patch(USER, op("replace", path, "x"), op("replace", "title", "Dr"))
        assert result.doc["title"] == "Dr"
        assert set(result.doc) == {*USER, "title"}
        assert len(result.ignored) == 1
        assert "Operation 1" in result.ignored[0]
        assert refused(op("replace", path, "x")) == "invalidPath"

    @pytest.mark.parametrize("path", ["foo.bar.baz", "name.familyName.x", "urn:x:y:2.0:a.b.c.d"])
    def test_a_path_deeper_than_any_attribute_is_one_that_nobody_knows(self, path: str) -> None:
        """X-12, X-19."""
        for name in ("add", "replace", "remove"):
            first = op(name, path) if name == "remove" else op(name, path, "x")
            result = patch(USER, first, op("replace", "title", "Dr"))
            assert (result.doc, len(result.ignored)) == ({**USER, "title": "Dr"}, 1)
            assert refused(first) == "invalidPath"

    def test_the_core_schemas_urn_holds_its_attributes_or_in_the_letter_is_none(self) -> None:
        """X-14; RFC 7643 section 3.3."""
        value = {"title": "Dr", "name": {"givenName": "A"}, "active": False}
        for change in (op("replace", value={USER_URN: value}), op("add", USER_URN.upper(), value)):
            found = patched(USER, change, tolerant=True)
            assert (found["title"], found["active"]) == ("Dr", False)
            assert found["name"] == {"givenName": "A", "familyName": "Lee"}
        assert refused(op("replace", value={USER_URN: value})) == "invalidSyntax"
        assert refused(op("replace", USER_URN, value)) == "invalidPath"
        for gone in (op("remove", USER_URN), op("replace", USER_URN, None)):
            assert refused(gone, tolerant=True) == "invalidPath"

    @pytest.mark.parametrize("key", ["__class__", "@odata.type", "2fa", "user id", "", "nobodyKnows"])
    def test_a_key_that_is_no_attribute_is_passed_over_or_in_the_letter_refused(self, key: str) -> None:
        """X-19."""
        value = {key: "x", "title": "Dr"}
        result = patch(USER, op("replace", value=value))
        assert (result.doc, len(result.ignored)) == ({**USER, "title": "Dr"}, 1)
        assert refused(op("replace", value=value)) == "invalidPath"

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("id", "x"),
            ("meta.version", "x"),
            ("groups", [{"value": "g"}]),
            ("schemas", ["x"]),
            (f"{ENTERPRISE_URN}:manager.displayName", "x"),
            (f"{AGENT_URN}:holds", []),
            (f"{AGENT_URN}:attestation.state", "valid"),
        ],
    )
    def test_a_read_only_attribute_is_passed_over_or_in_the_letter_refused(
        self, path: str, value: Any
    ) -> None:
        """C-22, X-10."""
        for name in ("add", "replace", "remove"):
            operation = op(name, path) if name == "remove" else op(name, path, value)
            result = patch(USER, operation)
            assert (result.changed, result.ignored) == (False, ())
            assert refused(operation) == "mutability"

    def test_read_only_sub_attributes_in_a_value(self) -> None:
        change = op("replace", f"{ENTERPRISE_URN}:manager", {"value": "m2", "displayName": "Other"})
        assert patched(USER, change)[ENTERPRISE_URN]["manager"] == {"value": "m2"}
        assert refused(change) == "mutability"

    def test_a_password_is_checked_and_never_kept(self) -> None:
        """C-16."""
        result = patch(USER, op("replace", "password", "t1meMa$heen"), op("add", value={"password": "x"}))
        assert not result.changed
        assert refused(op("replace", "password", 5)) == "invalidValue"

    def test_what_is_immutable_is_set_once(self) -> None:
        """C-23."""
        attributes = [
            {"name": "code", "mutability": "immutable"},
            {
                "name": "parts",
                "type": "complex",
                "multiValued": True,
                "subAttributes": [{"name": "value", "mutability": "immutable"}, {"name": "note"}],
            },
        ]
        kind = resource_type("Thing", {"id": "urn:x:Thing", "attributes": attributes})

        def change(doc: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
            read = read_operations({"Operations": list(operations)}, tolerant=True)
            return apply(doc, read, kind, tolerant=True).doc

        assert change({}, op("add", "code", "a")) == {"code": "a"}
        assert change({"code": "a"}, op("replace", "code", "a")) == {"code": "a"}
        for operation in (op("replace", "code", "b"), op("remove", "code")):
            with pytest.raises(ScimError, match="cannot be changed"):
                change({"code": "a"}, operation)
        doc = {"parts": [{"value": "p"}]}
        assert change(doc, op("replace", 'parts[value eq "p"].note', "n")) == {
            "parts": [{"value": "p", "note": "n"}]
        }
        with pytest.raises(ScimError, match="cannot be changed"):
            change(doc, op("replace", 'parts[value eq "p"].value', "q"))


@both
class TestPrimary:
    def test_a_new_primary_takes_the_mark_from_the_old_one(self, tolerant: bool) -> None:
        """X-11."""
        new = {"value": "n@x.org", "primary": True}
        unmarked = {**WORK, "primary": False}
        assert patched(USER, op("add", "emails", [new]), tolerant=tolerant)["emails"] == [unmarked, HOME, new]
        found = patched(USER, op("replace", 'emails[type eq "home"].primary', True), tolerant=tolerant)
        assert found["emails"] == [unmarked, {**HOME, "primary": True}]

    def test_two_primaries_in_one_operation_are_refused(self, tolerant: bool) -> None:
        """X-11, C-09."""
        two = [{"value": "a", "primary": True}, {"value": "b", "primary": True}]
        doc = {"userName": "a", "emails": [{"value": "a"}, {"value": "b"}]}
        for name in ("add", "replace"):
            assert refused(op(name, "emails", two), tolerant=tolerant) == "invalidValue"
            assert refused(op(name, "emails.primary", True), doc=doc, tolerant=tolerant) == "invalidValue"

    def test_of_two_operations_the_later_one_wins(self, tolerant: bool) -> None:
        found = patched(
            USER,
            op("add", "emails", [{"value": "b", "primary": True}]),
            op("add", "emails", [{"value": "c", "primary": True}]),
            tolerant=tolerant,
        )
        assert [each["value"] for each in found["emails"] if each.get("primary")] == ["c"]
