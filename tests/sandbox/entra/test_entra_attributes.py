"""Promises of custom security attributes: defined before assigned, in their shapes, within their limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.sandbox.entra.graph import attribute_rules as rules
from scim_bridge.sandbox.entra.graph.errors import GraphError
from tests.sandbox.entra.world import ATTRIBUTE_VALUE, Api, World

SETS = "directory/attributeSets"
DEFINITIONS = "directory/customSecurityAttributeDefinitions"


def definition(name: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    """The body of a definition in the set AgentGov."""
    return {
        "attributeSet": "AgentGov",
        "name": name,
        "description": "of an agent",
        "type": kind,
        "isCollection": False,
        "isSearchable": True,
        "status": "Available",
        "usePreDefinedValuesOnly": False,
        **more,
    }


def prepared(world: World) -> tuple[Api, str]:
    """An admin, and an agent identity in a tenant with the attributes of these tests."""
    api, ana = world.admin(), world.user("ana")
    api.ok("POST", SETS, {"id": "AgentGov", "description": "governance", "maxAttributesPerSet": 25})
    for body in (
        definition("Purpose"),
        definition("Owners", isCollection=True),
        definition("Risk", "Integer"),
        definition("Ports", "Integer", isCollection=True),
        definition("Attested", "Boolean"),
        definition("Tier", usePreDefinedValuesOnly=True, allowedValues=[{"id": "high", "isActive": True}]),
    ):
        api.ok("POST", DEFINITIONS, body)
    return api, world.identity(api, world.blueprint(api, ana), ana)


def patch(**values: Any) -> dict[str, Any]:
    """A PATCH of the set AgentGov; `Name__type` writes the annotation of Name."""
    named = {name.replace("__type", "@odata.type"): value for name, value in values.items()}
    return {"customSecurityAttributes": {"AgentGov": {"@odata.type": ATTRIBUTE_VALUE, **named}}}


def read(api: Api, own: str) -> Any:
    """The attributes of an agent identity."""
    return api.ok("GET", f"servicePrincipals/{own}?$select=customSecurityAttributes")[
        "customSecurityAttributes"
    ]


def test_values_of_every_type_come_back_as_they_were_assigned(world: World) -> None:
    api, own = prepared(world)
    values = patch(
        Purpose="triage",
        Owners=["a", "b"],
        Owners__type="#Collection(String)",
        Risk=3,
        Risk__type="#Int32",
        Attested=True,
    )
    assert api.call("PATCH", f"servicePrincipals/{own}", values).status == 204
    found = read(api, own)["AgentGov"]
    assert (found["Purpose"], found["Owners"], found["Risk"], found["Attested"]) == (
        "triage",
        ["a", "b"],
        3,
        True,
    )
    assert found["Owners@odata.type"] == "#Collection(String)"


def test_what_a_patch_does_not_name_stays_and_null_removes(world: World) -> None:
    api, own = prepared(world)
    path = f"servicePrincipals/{own}/microsoft.graph.agentIdentity"
    api.ok(
        "PATCH", path, patch(Purpose="x", Attested=False, Owners=["a"], Owners__type="#Collection(String)")
    )
    api.ok("PATCH", path, patch(Purpose=None, Owners=[], Owners__type="#Collection(String)"))
    assert {k: v for k, v in read(api, own)["AgentGov"].items() if "@" not in k} == {"Attested": False}
    api.ok("PATCH", path, patch(Attested=None))
    assert read(api, own) is None


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (patch(Colour="red"), "not defined"),
        (patch(Purpose="x" * 65), "Invalid value"),
        (patch(Purpose=""), "Invalid value"),
        (patch(Purpose=3), "Invalid value"),
        (patch(Purpose=["x"]), "Invalid value"),
        (patch(Risk=3), "#Int32"),
        (patch(Risk=True, Risk__type="#Int32"), "Invalid value"),
        (patch(Risk=2**31, Risk__type="#Int32"), "Invalid value"),
        (patch(Owners=["a"]), "#Collection(String)"),
        (patch(Owners=["a", "a"], Owners__type="#Collection(String)"), "not distinct"),
        (patch(Owners="a", Owners__type="#Collection(String)"), "Invalid value"),
        (patch(Ports=[1], Ports__type="#Collection(String)"), "#Collection(Int32)"),
        (patch(Attested="true"), "Invalid value"),
        (patch(Tier="low"), "predefined"),
        ({"customSecurityAttributes": {"AgentGov": {"Purpose": "x"}}}, "@odata.type"),
        ({"customSecurityAttributes": {"AgentGov": None}}, "Invalid value"),
        ({"customSecurityAttributes": "x"}, "Invalid value"),
    ],
)
def test_a_value_that_breaks_a_rule_changes_nothing(world: World, values: dict[str, Any], why: str) -> None:
    api, own = prepared(world)
    status, code, message = api.refused("PATCH", f"servicePrincipals/{own}", values)
    assert (status, code) == (400, "Request_BadRequest") and why in message
    assert read(api, own) is None


def test_fifty_values_are_the_most_an_object_may_have(world: World) -> None:
    api, own = prepared(world)
    many = [f"o{n}" for n in range(50)]
    api.ok("PATCH", f"servicePrincipals/{own}", patch(Owners=many, Owners__type="#Collection(String)"))
    message = api.refused("PATCH", f"servicePrincipals/{own}", patch(Purpose="one more"))[2]
    assert "at most 50" in message


def test_a_deactivated_attribute_is_no_longer_assigned_but_may_be_removed(world: World) -> None:
    api, own = prepared(world)
    api.ok("PATCH", f"servicePrincipals/{own}", patch(Purpose="x"))
    api.ok("PATCH", f"{DEFINITIONS}/AgentGov_Purpose", {"status": "Deprecated"})
    assert "deactivated" in api.refused("PATCH", f"servicePrincipals/{own}", patch(Purpose="y"))[2]
    api.ok("PATCH", f"servicePrincipals/{own}", patch(Purpose=None))


def test_attributes_are_seen_only_when_selected_and_only_by_who_may(world: World) -> None:
    api, own = prepared(world)
    api.ok("PATCH", f"servicePrincipals/{own}", patch(Purpose="x"))
    assert "customSecurityAttributes" not in api.ok("GET", f"servicePrincipals/{own}")
    stranger = world.app("AgentIdentity.ReadWrite.All")
    assert stranger.refused("GET", f"servicePrincipals/{own}?$select=customSecurityAttributes")[0] == 403
    assert stranger.refused("PATCH", f"servicePrincipals/{own}", patch(Purpose="y"))[0] == 403
    alone = world.app("CustomSecAttributeAssignment.ReadWrite.All")
    assert alone.call("PATCH", f"servicePrincipals/{own}", patch(Purpose="y")).status == 204


def test_users_carry_attributes_and_are_found_by_them(world: World) -> None:
    api, _ = prepared(world)
    ana = world.user("ana")
    api.ok("PATCH", f"users/{ana}", patch(Purpose="people"))
    query = "users?$filter=customSecurityAttributes/AgentGov/Purpose eq 'people'&$select=id&$count=true"
    assert api.listed(query, consistencylevel="eventual") == [{"id": ana}]
    assert api.refused("GET", query)[1] == "Request_UnsupportedQuery"


def test_sets_and_definitions_are_unique_in_any_case_and_never_deleted(world: World) -> None:
    api, _ = prepared(world)
    assert api.refused("POST", SETS, {"id": "agentgov"})[0] == 409
    assert api.refused("POST", DEFINITIONS, definition("purpose"))[0] == 409
    assert api.refused("POST", DEFINITIONS, definition("X", attributeSet="Nowhere"))[0] == 400
    assert api.refused("DELETE", f"{SETS}/AgentGov")[0] == 405
    assert api.refused("DELETE", f"{DEFINITIONS}/AgentGov_Purpose")[0] == 405
    assert api.ok("GET", f"{DEFINITIONS}/AgentGov_Purpose")["id"] == "AgentGov_Purpose"
    assert api.refused("GET", f"{DEFINITIONS}/AgentGov_Nothing")[0] == 404
    assert world.app().refused("GET", SETS)[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        definition("1st"),
        definition("with space"),
        definition("under_score"),
        definition("x" * 33),
        definition("X", "Float"),
        definition("X", "Boolean", isCollection=True),
        definition("X", "Boolean", usePreDefinedValuesOnly=True),
        definition("X", status="Deprecated"),
        definition("X", isSearchable="yes"),
        definition("X", description="d" * 129),
        {key: value for key, value in definition("X").items() if key != "status"},
        {**definition("X"), "colour": "red"},
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(GraphError):
        rules.definition(body)


def test_a_definition_keeps_what_cannot_change() -> None:
    current = rules.definition(definition("X"))
    for body in ({"name": "Y"}, {"type": "Integer"}, {"usePreDefinedValuesOnly": True}, {"status": "Gone"}):
        with pytest.raises(GraphError):
            rules.definition_changed(current, body)
    assert rules.definition_changed(current, {"description": "new"})["description"] == "new"


_VALUES = st.fixed_dictionaries(
    {}, optional={name: st.one_of(st.none(), st.text(min_size=1, max_size=64)) for name in ("a1", "b2", "c3")}
)


@given(st.lists(_VALUES, max_size=6))
def test_patches_one_after_the_other_end_as_the_last_word_on_each_name(
    patches: list[dict[str, str | None]],
) -> None:
    known = {
        f"set_{name}": rules.definition(definition(name, attributeSet="Set")) for name in ("a1", "b2", "c3")
    }
    state: dict[str, Any] = {}
    for one in patches:
        state = rules.assigned(state, {"Set": {"@odata.type": ATTRIBUTE_VALUE, **one}}, known)
    merged: dict[str, str | None] = {}
    for one in patches:
        merged |= one
    expected = {name: value for name, value in merged.items() if value is not None}
    assert {k: v for k, v in state.get("Set", {}).items() if "@" not in k} == expected
