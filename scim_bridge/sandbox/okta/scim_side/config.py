"""The app's provisioning settings: where the app's SCIM API is, and in which dialect Okta speaks to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

PUT = "okta-put"
PATCH = "okta-patch"
DIALECTS = (PUT, PATCH)
AUTH = ("bearer", "header")


class BadConfig(ValueError):
    """Settings Okta would not save; the message says why."""


@dataclass(frozen=True, slots=True)
class Config:
    """`auth` is bearer ("Bearer " before the token) or header (the bare token, as catalog apps may)."""

    base_url: str
    token: str
    dialect: str = PUT
    ca_file: str = ""
    auth: str = "bearer"

    @property
    def authorization(self) -> str:
        """The value of the Authorization header."""
        return self.token if self.auth == "header" else f"Bearer {self.token}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values, the token among them: for the store only."""
        return asdict(self)


def read_config(body: Mapping[str, Any]) -> Config:
    """Settings from a control call; BadConfig when Okta would refuse them."""
    known = {name: body[name] for name in Config.__dataclass_fields__ if name in body}
    for name, value in known.items():
        if not isinstance(value, str):
            raise BadConfig(f"{name!r} is text.")
    if not known.get("base_url") or not known.get("token"):
        raise BadConfig("'base_url' and 'token' are needed.")
    config = Config(**known)
    address = urlsplit(config.base_url)
    if address.scheme != "https" or not address.hostname:
        raise BadConfig("The base URL must be https.")
    if "_" in config.base_url:
        raise BadConfig("The base URL must not contain an underscore.")
    if config.dialect not in DIALECTS:
        raise BadConfig(f"'dialect' is one of {', '.join(DIALECTS)}.")
    if config.auth not in AUTH:
        raise BadConfig(f"'auth' is one of {', '.join(AUTH)}.")
    return config
