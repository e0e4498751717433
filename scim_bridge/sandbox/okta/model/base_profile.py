"""The base subschema of every user type: Okta's own 31 properties."""

from __future__ import annotations

from typing import Any

REQUIRED = ("login", "email", "firstName", "lastName")
NULLABLE_REQUIRED = ("firstName", "lastName")

# name: title, and whatever limits it has
_PROPERTIES: dict[str, tuple[str, dict[str, Any]]] = {
    "login": ("Username", {"minLength": 5, "maxLength": 100, "required": True}),
    "firstName": ("First name", {"minLength": 1, "maxLength": 50, "required": True}),
    "lastName": ("Last name", {"minLength": 1, "maxLength": 50, "required": True}),
    "middleName": ("Middle name", {}),
    "honorificPrefix": ("Honorific prefix", {}),
    "honorificSuffix": ("Honorific suffix", {}),
    "email": ("Primary email", {"minLength": 5, "maxLength": 100, "format": "email", "required": True}),
    "title": ("Title", {}),
    "displayName": ("Display name", {}),
    "nickName": ("Nickname", {}),
    "profileUrl": ("Profile Url", {"format": "uri"}),
    "secondEmail": ("Secondary email", {"minLength": 5, "maxLength": 100, "format": "email"}),
    "mobilePhone": ("Mobile phone", {"maxLength": 100}),
    "primaryPhone": ("Primary phone", {"maxLength": 100}),
    "streetAddress": ("Street address", {"maxLength": 1024}),
    "city": ("City", {"maxLength": 128}),
    "state": ("State", {"maxLength": 128}),
    "zipCode": ("Zip code", {"maxLength": 50}),
    "countryCode": ("Country code", {"maxLength": 2, "format": "country-code"}),
    "postalAddress": ("Postal Address", {"maxLength": 4096}),
    "preferredLanguage": ("Preferred language", {"format": "language-code"}),
    "locale": ("Locale", {"format": "locale"}),
    "timezone": ("Time zone", {"format": "timezone"}),
    "userType": ("User type", {}),
    "employeeNumber": ("Employee number", {}),
    "costCenter": ("Cost center", {}),
    "organization": ("Organization", {}),
    "division": ("Division", {}),
    "department": ("Department", {}),
    "managerId": ("ManagerId", {}),
    "manager": ("Manager", {}),
}


def properties() -> dict[str, dict[str, Any]]:
    """The definitions of the base properties, as a schema shows them."""
    shown = {}
    for name, (title, limits) in _PROPERTIES.items():
        shown[name] = {
            "title": title,
            "type": "string",
            **limits,
            "mutability": "READ_WRITE",
            "scope": "NONE",
            "permissions": [{"principal": "SELF", "action": "READ_ONLY"}],
            "master": {"type": "PROFILE_MASTER"},
        }
    return shown


def base() -> dict[str, Any]:
    """The base subschema."""
    return {
        "id": "#base",
        "type": "object",
        "properties": properties(),
        "required": list(REQUIRED),
    }


def custom() -> dict[str, Any]:
    """A custom subschema nobody added to yet."""
    return {"id": "#custom", "type": "object", "properties": {}, "required": []}
