"""The bodies of the Postman collection: the same shapes and oddities, with names and addresses of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scim_bridge.conformance.expect import ENTERPRISE, GROUP, PATCH_OP, USER

WORK: Final = "emailName357{run}"


def small(
    number: int,
    name: str,
    *,
    display: str = "Bob{run}",
    formatted: str = "Robin Lee",
    work: str = "testing@example.com",
    enterprise: bool = True,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A user with `Primary` in capitals, an externalId of its own, and two addresses."""
    return {
        "userName": f"{name}{{run}}",
        "active": True,
        "displayName": display,
        "schemas": [ENTERPRISE, USER] if enterprise else [USER],
        "externalId": f"{number}-{{run}}",
        "name": {"formatted": formatted, "familyName": "Lee", "givenName": "Robin"},
        "emails": [
            {"Primary": True, "type": "work", "value": work},
            {"Primary": False, "type": "home", "value": "home@example.com"},
        ],
        **(more or {}),
    }


def full(
    number: int,
    name: str | None,
    *,
    family: str = "Employee{run}",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A user with everything: explicit nulls, an empty list, `meta` of the client's own, two work addresses."""
    second = {"type": "work" if family != "OMalley" else "other", "primary": False, "value": "b@example.com"}
    made: dict[str, Any] = {
        "userName": f"{name}{{run}}",
        "active": True,
        "addresses": [_address("Bermuda"), {**_address(None), "formatted": "2 Hill Lane", "type": "other"}],
        "displayName": "Kim Baker",
        "emails": [{"type": "work", "primary": True, "value": "a@example.com"}, second],
        "meta": {
            "created": "2019-09-18T18:15:26.5788954+00:00",
            "lastModified": "2019-09-18T18:15:26.5788976+00:00",
            "resourceType": "User",
        },
        "name": {
            "formatted": "Dana Gray",
            "familyName": family,
            "givenName": "Dana",
            "honorificPrefix": None,
            "honorificSuffix": None,
        },
        "phoneNumbers": [
            {"type": "fax", "primary": False, "value": "312-320-0500"},
            {"type": "mobile", "primary": False, "value": "312-320-1707"},
            {"type": "work", "primary": True, "value": "312-320-0932"},
        ],
        "preferredLanguage": "xh",
        "roles": [],
        "title": "Site engineer",
        "externalId": f"{number}-{{run}}",
        "schemas": [USER],
        **(more or {}),
    }
    if name is None:
        del made["userName"]
    return made


def _address(country: str | None) -> dict[str, Any]:
    there = country is not None
    return {
        "country": country,
        "formatted": "1 Hill Lane\nSouthtown 55645",
        "locality": "Southtown" if there else None,
        "postalCode": "99265" if there else None,
        "region": "Hills" if there else None,
        "streetAddress": "1 Hill Lane" if there else None,
        "type": "work",
        "primary": False,
    }


def moved(name: str, spelt: str = "addresses") -> dict[str, Any]:
    """The PUT of the first full user: inactive, in another country, with a key possibly misspelt."""
    made = full(44, "OMalley", family="OMalley", more={"active": False, "id": "{u1}"})
    user_name, addresses = made.pop("userName"), made.pop("addresses")
    return {**made, name: user_name, spelt: [{**addresses[0], "country": "Germany"}, addresses[1]]}


def group(number: int, name: str, *members: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A group with an externalId of its own."""
    listed = [{"value": value, "display": display} for value, display in members]
    head = {"schemas": [GROUP], "externalId": f"{number}-{{run}}", "displayName": f"{name}{{run}}"}
    return {**head, "members": listed, **more}


def patch(*operations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A PatchOp."""
    return {"schemas": [PATCH_OP], "Operations": list(operations), **more}


JUNK: Final = b'{ "acve": tre, "adresses": [ { "coutry": null, les": [], "title": "Site engineer" }'
