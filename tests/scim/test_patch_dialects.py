"""The PATCH bodies Okta and Entra send, before any dialect rewrites them, and what stops somebody goes through."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.errors import ScimError
from tests.scim.patching import op, patch, patched

USER: dict[str, Any] = {
    "userName": "ann",
    "active": True,
    "title": "Dr",
    "emails": [{"value": "ann@x.org", "type": "work", "primary": True}],
    ENTERPRISE_URN: {"manager": {"value": "m1", "$ref": "../Users/m1", "displayName": "Max"}},
}


class TestOkta:
    def test_deactivating_without_a_path(self) -> None:
        assert patched(USER, op("replace", value={"active": False}))["active"] is False

    def test_a_password_beside_it(self) -> None:
        assert patched(USER, op("replace", value={"active": False, "password": "x"})) == {
            **USER,
            "active": False,
        }

    def test_renaming_a_group_with_its_id(self) -> None:
        result = patch(
            {"displayName": "Old"}, op("replace", value={"id": "g1", "displayName": "New name"}), kind="Group"
        )
        assert (result.doc, result.member_changes, result.ignored) == ({"displayName": "New name"}, (), ())


class TestEntra:
    @pytest.mark.parametrize("value", ["False", "false", False])
    def test_disabling_in_every_spelling(self, value: Any) -> None:
        """Vector 5."""
        assert patched(USER, op("Replace", "active", value))["active"] is False

    def test_a_value_that_is_neither_is_refused(self) -> None:
        """Vector 5."""
        with pytest.raises(ScimError) as refusal:
            patch(USER, op("Replace", "active", "maybe"))
        assert refusal.value.scim_type == "invalidValue"

    def test_several_attributes_flattened_into_one_value(self) -> None:
        value = {"displayName": "A", "name.givenName": "G", f"{ENTERPRISE_URN}:employeeNumber": "1"}
        found = patched(USER, op("replace", value=value))
        assert (found["displayName"], found["name"]) == ("A", {"givenName": "G"})
        assert found[ENTERPRISE_URN]["employeeNumber"] == "1"

    @pytest.mark.parametrize(
        ("path", "made"),
        [
            ('emails[type eq "other"].Value', {"emails": {"type": "other", "value": "x"}}),
            ('phoneNumbers[type eq "mobile"].value', {"phoneNumbers": {"type": "mobile", "value": "x"}}),
            ('addresses[type eq "work"].Formatted', {"addresses": {"type": "work", "formatted": "x"}}),
            ('roles[primary eq "True"].value', {"roles": {"primary": True, "value": "x"}}),
        ],
    )
    @pytest.mark.parametrize("name", ["Add", "Replace"])
    def test_an_element_that_is_chosen_and_not_there_is_made(
        self, path: str, made: dict[str, Any], name: str
    ) -> None:
        """X-07."""
        ((attribute, element),) = made.items()
        assert element in patched(USER, op(name, path, "x"))[attribute]

    def test_an_element_may_come_in_parts_in_any_order(self) -> None:
        found = patched(
            USER,
            op("Add", 'roles[primary eq "True"].type', "App"),
            op("Add", 'roles[primary eq "True"].display', "Admin"),
            op("Add", 'roles[primary eq "True"].value', "admin"),
        )
        assert found["roles"] == [{"primary": True, "type": "App", "display": "Admin", "value": "admin"}]

    @pytest.mark.parametrize("path", ["manager", f"{ENTERPRISE_URN}:manager", f"{ENTERPRISE_URN}.manager"])
    @pytest.mark.parametrize(
        "value",
        ["m2", {"value": "m2"}, [{"value": "m2"}], {"value": "m2", "$ref": None, "displayName": None}],
    )
    def test_a_manager_in_every_form(self, path: str, value: Any) -> None:
        for name in ("Add", "Replace"):
            assert patched(USER, op(name, path, value))[ENTERPRISE_URN] == {"manager": {"value": "m2"}}

    @pytest.mark.parametrize(
        "operation", [op("Replace", "manager", ""), op("Remove", "manager", [{"value": "m1"}])]
    )
    def test_a_manager_taken_away(self, operation: dict[str, Any]) -> None:
        assert ENTERPRISE_URN not in patched(USER, operation)

    @pytest.mark.parametrize("value", ["", None])
    def test_clearing_attributes_of_every_kind(self, value: Any) -> None:
        """The validator's null update: afterwards they are gone."""
        paths = (
            "title",
            "nickName",
            "name.givenName",
            'emails[type eq "work"].value',
            'emails[type eq "home"].value',
        )
        found = patched(
            USER, *(op("replace", path, value) for path in (*paths, "manager", f"{ENTERPRISE_URN}:division"))
        )
        assert found == {"userName": "ann", "active": True}

    def test_a_role_taken_away_by_its_value(self) -> None:
        doc = {"userName": "a", "roles": [{"value": "x", "display": "X"}, {"value": "y"}]}
        assert patched(doc, op("Remove", "roles", [{"value": "X"}]))["roles"] == [{"value": "y"}]
        assert not patch(doc, op("Remove", "roles", [])).changed
        assert "roles" not in patched(doc, op("Remove", "roles"))
        for value in ([{}], [None], [{"value": None}], ""):
            with pytest.raises(ScimError):
                patch(doc, op("Remove", "roles", value))
        with pytest.raises(ScimError):
            patch(doc, op("Remove", "roles", [{"value": "x"}]), tolerant=False)


ODD = [
    op("replace", "emails[", "x"),
    op("replace", "title", 5),
    op("replace", 'emails[type ne "work"].value', "x"),
    op("remove", "userName"),
    op("remove"),
    op("replace", value="x"),
    op("replace", value={"emails": 5, "nobodyKnows": 1}),
    op("add", "title"),
]


STOPS = [op("replace", "active", False), op("Replace", value={"active": "False"})]


@pytest.mark.parametrize("odd", ODD, ids=repr)
class TestNothingStandsInTheWayOfStoppingSomebody:
    @pytest.mark.parametrize(
        "stop", [op("replace", "active", False), op("Replace", value={"active": "False"})], ids=repr
    )
    def test_an_odd_operation_beside_a_deactivation_is_passed_over_and_said(
        self, odd: dict[str, Any], stop: dict[str, Any]
    ) -> None:
        for operations in ((odd, stop), (stop, odd)):
            result = patch(USER, *operations)
            assert result.doc == {**USER, "active": False}
            assert result.ignored
            assert all(str(operations.index(odd) + 1) in said for said in result.ignored)

    def test_also_when_the_user_is_stopped_already(self, odd: dict[str, Any]) -> None:
        stopped = {**USER, "active": False}
        assert patch(stopped, odd, op("replace", "active", "false")).doc == stopped

    def test_but_not_beside_an_activation_or_in_the_letter(self, odd: dict[str, Any]) -> None:
        for operations in (
            [odd],
            [odd, op("replace", "active", True)],
            [op("replace", "active", False), odd, op("replace", "active", True)],
        ):
            with pytest.raises(ScimError):
                patch(USER, *operations)
        with pytest.raises(ScimError):
            patch(USER, odd, op("replace", "active", False), tolerant=False)


def test_an_odd_key_beside_a_deactivation_in_one_value_is_passed_over() -> None:
    value = {"emails[": 1, "title": 5, ENTERPRISE_URN: {"department": {}, "Department": "x"}, "active": False}
    result = patch(USER, op("replace", value=value))
    assert result.doc == {**USER, "active": False}
    assert len(result.ignored) == 3
