"""One call of Microsoft Graph and its answer, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from scim_bridge.sync.idp.entra.refusals import error_of

V1 = "v1.0"
BETA = "beta"


@dataclass(frozen=True, slots=True)
class Reply:
    """What Graph said; `body` is the parsed JSON or None."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True for a success."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Get:
    """One read of a batch: a path below the version, with its query."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address as a batch names it."""
        return address(self.path, self.query)


def address(path: str, query: Mapping[str, str]) -> str:
    """A path with its query; OData reads %20, not +."""
    return f"{path}?{urlencode(query, quote_via=quote, safe='$,')}" if query else path


def literal(text: str) -> str:
    """A text as an OData literal."""
    return "'" + text.replace("'", "''") + "'"


def absent(reply: Reply) -> bool:
    """It is not there."""
    return reply.status == 404


def there(reply: Reply) -> bool:
    """It is there, or it is not: an answer either way."""
    return reply.ok or reply.status == 404


def made_before(reply: Reply) -> bool:
    """Somebody made it a moment before us."""
    code, message = error_of(reply.body)
    return reply.status == 409 or (reply.status == 400 and "already exists" in f"{code} {message}".lower())


def full(reply: Reply) -> bool:
    """The blueprint holds as many agent identities as Microsoft allows."""
    return reply.status == 400 and error_of(reply.body)[0] == "AgentIdentity_LimitExceeded"
