"""PATCH as RFC 7644 section 3.5.2 says it, requirement by requirement: the message, and its three operations."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.limits import MAX_PATCH_OPERATIONS
from scim_bridge.scim.operations import MAX_STEPS, PATCH_URN, refuse_too_many
from scim_bridge.scim.patch import read_operations
from tests.scim.patched_user import HOME, USER, WORK, both, refused
from tests.scim.patching import op, patch, patched


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
