"""What an error looks like, and that the schemas served are the ones that are enforced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.errors import (
    BridgeError,
    Conflict,
    Invalid,
    NotFound,
    Refused,
    Stale,
    StoreUnavailable,
    Unauthenticated,
    UniqueViolation,
)
from scim_bridge.registry.model import (
    AGENT_URN,
    ENTERPRISE_URN,
    GROUP_URN,
    USER_URN,
    Attestation,
    Hold,
    Owners,
    PersonRef,
    agent_document,
)
from scim_bridge.scim.classes import written
from scim_bridge.scim.errors import ERROR_URN, ScimError, body_of, too_many
from scim_bridge.scim.schema import FILE, compiled, documents, of, resource_type
from scim_bridge.scim.validate import clean


@pytest.mark.parametrize(
    ("error", "status", "scim_type"),
    [
        (ScimError("invalidFilter", "m"), "400", "invalidFilter"),
        (ScimError("uniqueness", "m"), "409", "uniqueness"),
        (ScimError("sensitive", "m"), "403", "sensitive"),
        (too_many("m", "f"), "400", "tooMany"),
        (Conflict("name-taken", "m"), "409", "uniqueness"),
        (Conflict("external-id-taken", "m"), "409", "uniqueness"),
        (Conflict("slug-taken", "m"), "409", "uniqueness"),
        (UniqueViolation("sb_resource.key"), "409", "uniqueness"),
        (Conflict("something-else", "m"), "409", None),
        (Invalid("owner-unknown", "m"), "400", "invalidValue"),
        (Invalid("json-invalid", "m"), "400", "invalidSyntax"),
        (Unauthenticated("token-missing", "m"), "401", None),
        (NotFound("resource-unknown", "m"), "404", None),
        (Stale("version", "m"), "412", None),
        (Refused("rule", "m"), "422", None),
        (StoreUnavailable(), "503", None),
    ],
)
def test_an_error_says_status_scim_type_and_what_to_do(
    error: BridgeError, status: str, scim_type: str | None
) -> None:
    """RFC 7644 section 3.12: the status is a string."""
    body = json.loads(body_of(error))
    assert (body["schemas"], body["status"], body.get("scimType")) == ([ERROR_URN], status, scim_type)
    assert body["detail"] == error.text()


def test_a_message_with_half_a_surrogate_pair_still_has_a_body() -> None:
    assert json.loads(body_of(Invalid("x", "bad \ud800 text")))["detail"] == "bad ? text"


def served(urn: str) -> dict[str, Any]:
    (found,) = [document for document in documents() if document["id"] == urn]
    return found


@pytest.mark.parametrize(
    ("kind", "urn"), [("User", USER_URN), ("Group", GROUP_URN), ("User", ENTERPRISE_URN), ("User", AGENT_URN)]
)
def test_the_schemas_served_are_the_ones_enforced(kind: str, urn: str) -> None:
    """H-17."""
    resource = of(kind)
    enforced = resource.attributes if urn == resource.urn else resource.extensions[urn]
    said = compiled(served(urn)["attributes"])
    for name, attribute in said.items():
        held = enforced[name]
        assert (held.type, held.multi, held.required, held.case_exact) == (
            attribute.type,
            attribute.multi,
            attribute.required,
            attribute.case_exact,
        )
        assert (held.mutability, held.returned, held.uniqueness) == (
            attribute.mutability,
            attribute.returned,
            attribute.uniqueness,
        )
        assert held.subs.keys() == attribute.subs.keys()


def test_the_characteristics_clients_rely_on() -> None:
    """C-02, C-03, C-07, C-15 to C-18 of the requirements."""
    user, group = of("User").attributes, of("Group").attributes
    assert (user["id"].case_exact, user["id"].mutability, user["id"].returned) == (True, "readOnly", "always")
    assert (user["externalId"].case_exact, user["externalId"].mutability) == (True, "readWrite")
    assert (user["userName"].required, user["userName"].case_exact, user["userName"].uniqueness) == (
        True,
        False,
        "server",
    )
    assert (user["password"].mutability, user["password"].returned) == ("writeOnly", "never")
    assert user["groups"].read_only
    assert (user["title"].type, user["title"].multi, user["title"].returned) == ("string", False, "default")
    assert (group["displayName"].required, group["displayName"].uniqueness) == (True, "server")
    assert group["members"].subs["value"].mutability == "immutable"
    types = {each["name"]: each for each in served(USER_URN)["attributes"]}["emails"]["subAttributes"]
    assert next(sub for sub in types if sub["name"] == "type")["canonicalValues"] == ["work", "home", "other"]
    assert served(USER_URN)["description"] == "User Account"
    assert not any("\n" in json.dumps(document) for document in documents())


def test_every_attribute_the_registry_serves_of_an_agent_is_in_the_schema() -> None:
    person = PersonRef("p", "ann", "Ann", "ann@x.org")
    holds = [Hold("h", "okta", "idp", "deactivated", "okta activates it", SECOND, "okta")]
    written, rendered = agent_document(
        "a",
        {
            "userName": "bot",
            AGENT_URN: {"purpose": "p", "tools": ["t"], "expiresAt": "2027-01-01T00:00:00.000Z"},
        },
        False,
        Owners(person, (person,), (person,)),
        holds,
        Attestation("valid", "s", "ann", SECOND, SECOND),
        SECOND,
        SECOND,
        2 * SECOND,
    )
    extension = of("User").extensions[AGENT_URN]
    for name, value in json.loads(rendered)[AGENT_URN].items():
        held = extension[name]
        for item in value if isinstance(value, list) else [value]:
            for sub in item if isinstance(item, dict) else ():
                assert sub in held.subs
    kept = clean(written, "User", True)
    assert kept[AGENT_URN]["owner"] == {"value": "p"}
    assert "holds" not in clean(json.loads(rendered), "User", True)[AGENT_URN]


def test_an_extension_declared_elsewhere_fits_in() -> None:
    """Custom attributes come as schema documents and are enforced like ours."""
    custom = {
        "id": "urn:corp:Cost",
        "attributes": [{"name": "costCode", "required": True, "caseExact": True}],
    }
    kind = resource_type("User", served(USER_URN), [custom])
    body = {"userName": "a", "URN:CORP:COST": {"COSTCODE": "x"}}
    assert clean(body, kind, True) == {"userName": "a", "urn:corp:Cost": {"costCode": "x"}}


def test_the_kept_schemas_are_what_the_classes_declare() -> None:
    assert FILE.read_bytes() == written(), "run: python -m scim_bridge.scim.classes"
