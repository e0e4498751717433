"""What never gets into a journal or a listing: credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MASK = "***"
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "dpop"})
_SECRET_MEMBERS = frozenset(
    {
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
        "client_assertion",
        "clientSecret",
        "secretText",
        "password",
        "token",
        "secret",
    }
)


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that carry credentials."""
    return {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}


def without_secrets(value: Any) -> Any:
    """The same JSON value with the text of every credential member masked."""
    if isinstance(value, dict):
        return {
            key: MASK if key in _SECRET_MEMBERS and isinstance(item, str) else without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
