"""PATCH as RFC 7644 section 3.5.2 says it, requirement by requirement."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.limits import MAX_PATCH_OPERATIONS
from scim_bridge.scim.operations import MAX_STEPS, PATCH_URN, refuse_too_many
from scim_bridge.scim.patch import apply, read_operations
from scim_bridge.scim.schema import resource_type
from tests.scim.patching import op, patch, patched

WORK = {"value": "ann@x.org", "type": "work", "primary": True}
HOME = {"value": "ann@y.org", "type": "home"}
USER: dict[str, Any] = {
    "userName": "ann",
    "displayName": "Ann",
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "emails": [WORK, HOME],
    "active": True,
    ENTERPRISE_URN: {
        "department": "Ops",
        "manager": {"value": "m1", "$ref": "../Users/m1", "displayName": "Max"},
    },
}

both = pytest.mark.parametrize("tolerant", [True, False], ids=["tolerant", "strict"])


def refused(*operations: dict[str, Any], doc: dict[str, Any] = USER, tolerant: bool = False) -> str:
    """The scimType with which a PATCH is refused."""
    with pytest.raises(ScimError) as refusal:
        patch(doc, *operations, tolerant=tolerant)
    assert refusal.value.status == 400
    return refusal.value.scim_type


class TestTheMessage:
    @both
    @pytest.mark.parametrize("name", ["add", "Add", "REPLACE"])
    def test_op_is_read_in_any_case(self, name: str, tolerant: bool) -> None:
        """X-01."""
        assert patched(USER, op(name, "title", "Dr"), tolerant=tolerant)["title"] == "Dr"

    @both
    @pytest.mark.parametrize(
        "operations", [None, [], {}, "x", ["x"], [{}], [{"op": 5}], [{"op": "move", "path": "title"}]]
    )
    def test_what_is_no_operation_is_refused(self, operations: Any, tolerant: bool) -> None:
        """X-12, X-18."""
        with pytest.raises(ScimError) as refusal:
            read_operations({"schemas": [PATCH_URN], "Operations": operations}, tolerant=tolerant)
        assert (refusal.value.status, refusal.value.scim_type) == (400, "invalidSyntax")

    def test_the_letter_wants_schemas_and_nothing_else_in_an_operation(self) -> None:
        fine = {"Operations": [op("add", "title", "x")]}
        odd = {"schemas": [PATCH_URN], "operations": [{"name": "n", **op("add", "title", "x")}]}
        for message in (fine, odd):
            assert len(read_operations(message, tolerant=True)) == 1
            with pytest.raises(ScimError):
                read_operations(message, tolerant=False)
        with pytest.raises(ScimError) as refusal:
            read_operations({"Operations": [{"op": "add", "path": 5, "value": "x"}]}, tolerant=True)
        assert refusal.value.scim_type == "invalidPath"

    def test_there_is_a_limit_to_operations_and_another_to_what_a_dialect_makes_of_them(self) -> None:
        one = op("add", "title", "x")
        refuse_too_many({"OPERATIONS": [one] * MAX_PATCH_OPERATIONS})
        # Not even its members are looked at.
        for listed in ([one] * (MAX_PATCH_OPERATIONS + 1), [None] * (MAX_PATCH_OPERATIONS + 1)):
            with pytest.raises(ScimError, match="too many"):
                refuse_too_many({"operations": listed})
        with pytest.raises(ScimError, match="too many"):
            read_operations({"Operations": [one] * (MAX_STEPS + 1)}, tolerant=True)


@both
class TestAdd:
    def test_a_single_value_is_set_or_replaced(self, tolerant: bool) -> None:
        """X-05."""
        assert patched({"userName": "a"}, op("add", "title", "x"), tolerant=tolerant)["title"] == "x"
        assert patched(USER, op("add", "displayName", "x"), tolerant=tolerant)["displayName"] == "x"

    def test_a_complex_value_takes_the_given_sub_attributes(self, tolerant: bool) -> None:
        """X-05."""
        found = patched(USER, op("add", "name", {"middleName": "M", "givenName": "Anna"}), tolerant=tolerant)
        assert found["name"] == {"givenName": "Anna", "familyName": "Lee", "middleName": "M"}
        assert (
            patched(USER, op("add", "name.middleName", "M"), tolerant=tolerant)["name"]["middleName"] == "M"
        )

    def test_elements_are_appended_once(self, tolerant: bool) -> None:
        """X-05, C-06, C-10."""
        new = {"value": "new@x.org", "type": "other"}
        assert patched(USER, op("add", "emails", [new, new]), tolerant=tolerant)["emails"] == [
            WORK,
            HOME,
            new,
        ]
        assert patched(USER, op("add", "emails", new), tolerant=tolerant)["emails"] == [WORK, HOME, new]
        for there in (HOME, {"value": "ann@y.org"}, {"value": "ANN@Y.ORG", "type": "HOME"}):
            assert not patch(USER, op("add", "emails", [there]), tolerant=tolerant).changed

    def test_an_element_that_is_there_takes_what_is_new(self, tolerant: bool) -> None:
        found = patched(
            USER, op("add", "emails", [{"value": "ann@y.org", "display": "A"}]), tolerant=tolerant
        )
        assert found["emails"] == [WORK, {**HOME, "display": "A"}]

    def test_attributes_without_a_path(self, tolerant: bool) -> None:
        """X-04; the figures of RFC 7644 section 3.5.2.1."""
        value = {"emails": [{"value": "babs@jensen.org", "type": "other"}], "nickName": "Babs"}
        found = patched(USER, op("add", value=value), tolerant=tolerant)
        assert found["nickName"] == "Babs"
        assert found["emails"][2] == {"value": "babs@jensen.org", "type": "other"}

    def test_plain_values_are_a_set(self, tolerant: bool) -> None:
        doc = {"userName": "a", AGENT_URN: {"tools": ["read"]}}
        found = patched(doc, op("add", f"{AGENT_URN}:tools", ["read", "write"]), tolerant=tolerant)
        assert found[AGENT_URN]["tools"] == ["read", "write"]

    def test_a_value_is_needed(self, tolerant: bool) -> None:
        """X-13."""
        assert refused(op("add", "title"), tolerant=tolerant) == "invalidValue"


class TestReplace:
    @both
    def test_a_missing_attribute_is_added(self, tolerant: bool) -> None:
        """X-06."""
        assert patched(USER, op("replace", "title", "x"), tolerant=tolerant)["title"] == "x"

    @both
    def test_all_elements_are_replaced(self, tolerant: bool) -> None:
        """X-06; the first figure of RFC 7644 section 3.5.2.3."""
        found = patched(USER, op("replace", "emails", [HOME]), tolerant=tolerant)
        assert found["emails"] == [HOME]
        assert "emails" not in patched(USER, op("replace", "emails", []), tolerant=tolerant)

    @both
    def test_the_same_elements_in_another_order_are_no_change(self, tolerant: bool) -> None:
        """C-06, C-10."""
        assert not patch(USER, op("replace", "emails", [HOME, WORK]), tolerant=tolerant).changed

    @both
    def test_sub_attributes_that_are_not_given_are_kept(self, tolerant: bool) -> None:
        """X-06."""
        found = patched(
            USER, op("replace", "name", {"familyName": "Li", "givenName": None}), tolerant=tolerant
        )
        assert found["name"] == {"familyName": "Li"}

    @both
    def test_a_chosen_elements_sub_attribute_is_replaced(self, tolerant: bool) -> None:
        """The third figure of RFC 7644 section 3.5.2.3."""
        found = patched(USER, op("replace", 'emails[type eq "work"].value', "n@x.org"), tolerant=tolerant)
        assert found["emails"] == [{**WORK, "value": "n@x.org"}, HOME]

    def test_a_chosen_element_is_replaced_as_a_whole_in_the_letter_only(self) -> None:
        """The second figure of RFC 7644 section 3.5.2.3: the matching record is replaced."""
        change = op("replace", 'emails[type eq "work"]', {"value": "n@x.org"})
        assert patched(USER, change, tolerant=False)["emails"] == [{"type": "work", "value": "n@x.org"}, HOME]
        assert patched(USER, change, tolerant=True)["emails"] == [{**WORK, "value": "n@x.org"}, HOME]

    def test_a_filter_that_chooses_nothing_has_no_target(self) -> None:
        """X-07."""
        for path in ('emails[type eq "other"].value', 'emails[type eq "other"]'):
            for name in ("add", "replace"):
                value: Any = {"value": "x"} if path.endswith("]") else "x"
                assert refused(op(name, path, value)) == "noTarget"
                created = patched(USER, op(name, path, value), tolerant=True)["emails"][2]
                assert created == {"type": "other", "value": "x"}
        assert (
            refused(op("replace", 'emails[type ne "work" and value co "z"].value', "x"), tolerant=True)
            == "noTarget"
        )

    def test_what_is_created_must_fit_its_filter(self) -> None:
        contradiction = op("replace", 'emails[type eq "other"]', {"type": "fax", "value": "x"})
        assert refused(contradiction, tolerant=True) == "invalidValue"

    @both
    def test_null_unassigns_and_a_value_is_needed(self, tolerant: bool) -> None:
        """X-13."""
        assert "displayName" not in patched(USER, op("replace", "displayName", None), tolerant=tolerant)
        assert refused(op("replace", "displayName"), tolerant=tolerant) == "invalidValue"

    @both
    def test_a_sub_attribute_of_every_element(self, tolerant: bool) -> None:
        found = patched(USER, op("replace", "emails.display", "A"), tolerant=tolerant)
        assert found["emails"] == [{**WORK, "display": "A"}, {**HOME, "display": "A"}]

    @both
    def test_what_pointed_to_the_old_value_goes_with_it(self, tolerant: bool) -> None:
        for path, value in (
            (f"{ENTERPRISE_URN}:manager", {"value": "m2"}),
            (f"{ENTERPRISE_URN}:manager.value", "m2"),
        ):
            found = patched(USER, op("replace", path, value), tolerant=tolerant)
            assert found[ENTERPRISE_URN]["manager"] == {"value": "m2"}
        same = op("replace", f"{ENTERPRISE_URN}:manager", {"value": "m1"})
        assert not patch(USER, same, tolerant=tolerant).changed


@both
class TestRemove:
    def test_an_attribute_is_unassigned(self, tolerant: bool) -> None:
        assert "displayName" not in patched(USER, op("remove", "displayName"), tolerant=tolerant)
        assert "emails" not in patched(USER, op("remove", "EMAILS"), tolerant=tolerant)
        assert patched(USER, op("remove", "name.givenName"), tolerant=tolerant)["name"] == {
            "familyName": "Lee"
        }

    def test_a_path_is_needed(self, tolerant: bool) -> None:
        """X-04."""
        assert refused(op("remove"), tolerant=tolerant) == "noTarget"
        assert refused(op("remove", value={"displayName": "x"}), tolerant=tolerant) == "noTarget"

    def test_chosen_elements_go(self, tolerant: bool) -> None:
        """X-08."""
        assert patched(USER, op("remove", 'emails[type eq "work"]'), tolerant=tolerant)["emails"] == [HOME]
        assert "emails" not in patched(USER, op("remove", "emails[value pr]"), tolerant=tolerant)

    def test_what_is_not_there_is_removed_already(self, tolerant: bool) -> None:
        """X-08."""
        for path in (
            "title",
            'emails[type eq "other"]',
            "name.middleName",
            f"{ENTERPRISE_URN}:division",
            "ims.value",
        ):
            assert not patch(USER, op("remove", path), tolerant=tolerant).changed

    def test_a_sub_attribute_of_chosen_elements_goes(self, tolerant: bool) -> None:
        """X-09."""
        found = patched(USER, op("remove", 'emails[type eq "work"].primary'), tolerant=tolerant)
        assert found["emails"] == [{"value": "ann@x.org", "type": "work"}, HOME]
        alone = {"userName": "a", "addresses": [{"region": "x"}]}
        assert patched(alone, op("remove", "addresses[region pr].region"), tolerant=tolerant) == {
            "userName": "a"
        }

    def test_what_is_required_stays(self, tolerant: bool) -> None:
        """X-10, C-25."""
        assert refused(op("remove", "userName"), tolerant=tolerant) == "mutability"
        assert refused(op("replace", "userName", None), tolerant=tolerant) == "mutability"
        assert refused(op("replace", "userName", ""), tolerant=tolerant) == "invalidValue"

    def test_the_last_attribute_takes_the_extension_with_it(self, tolerant: bool) -> None:
        """C-20, X-14."""
        found = patched(
            USER,
            op("remove", f"{ENTERPRISE_URN}:manager"),
            op("remove", f"{ENTERPRISE_URN}:department"),
            tolerant=tolerant,
        )
        assert ENTERPRISE_URN not in found
        assert ENTERPRISE_URN not in patched(USER, op("remove", ENTERPRISE_URN.lower()), tolerant=tolerant)
        assert refused(op("remove", USER_URN), tolerant=tolerant) == "invalidPath"


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


@both
class TestTheWhole:
    def test_operations_work_on_what_the_earlier_ones_left(self, tolerant: bool) -> None:
        """X-03."""
        found = patched(
            USER,
            op("remove", "emails"),
            op("add", "emails", [HOME]),
            op("replace", 'emails[type eq "home"].value', "z@x.org"),
            op("replace", "displayName", "one"),
            op("replace", "displayName", "two"),
            tolerant=tolerant,
        )
        assert (found["emails"], found["displayName"]) == ([{**HOME, "value": "z@x.org"}], "two")

    def test_one_fault_undoes_everything(self, tolerant: bool) -> None:
        """X-02."""
        assert (
            refused(op("replace", "title", "x"), op("replace", "title", 5), tolerant=tolerant)
            == "invalidValue"
        )

    def test_what_changes_nothing_is_no_change(self, tolerant: bool) -> None:
        """C-06."""
        result = patch(
            USER,
            op("replace", "displayName", "Ann"),
            op("add", "emails", [WORK]),
            op("replace", "name", {"givenName": "Ann"}),
            op("add", "title", "x"),
            op("remove", "title"),
            tolerant=tolerant,
        )
        assert (result.changed, result.doc is USER) == (False, True)
