"""One call of Microsoft Graph and its answer, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from scim_bridge.sync.idp.entra.refusals import error_of
from scim_bridge.sync.idp.port import IdpError

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


def held(what: str, reply: Reply, *needed: str) -> Mapping[str, Any]:
    """The object in an answer, with what it must say of itself; IdpError where it is none.

    A proxy's page in the middle, or an answer without a body, is no object without attributes.
    """
    body = reply.body
    if not isinstance(body, Mapping) or not all(isinstance(body.get(name), str) for name in needed):
        lacking = needed[0] if needed else "object"
        raise IdpError(
            "entra-broken", f"Entra did not {what}: its answer holds no {lacking}.", transient=True
        )
    return body


def listed_in(found: Mapping[str, Any], name: str) -> list[Any]:
    """A list in an object; empty where there is none."""
    value = found.get(name)
    return value if isinstance(value, list) else []


def answers_in(reply: Reply) -> dict[int, Reply]:
    """The answers in the answer to a batch, by number; one without a number or a status is none.

    Those whose headers have no date were given when the whole was.
    """
    found = {}
    answers = reply.body.get("responses") if isinstance(reply.body, Mapping) else None
    given = {name: text for name in ("date",) if (text := reply.headers.get(name))}
    for one in answers if isinstance(answers, list) else ():
        number = str(one.get("id")) if isinstance(one, Mapping) else ""
        if number.isascii() and number.isdigit() and isinstance(one.get("status"), int):
            told = one.get("headers")
            more = told if isinstance(told, Mapping) else {}
            headers = {**given, **{str(k).lower(): str(v) for k, v in more.items()}}
            found[int(number[:9])] = Reply(one["status"], one.get("body"), headers)
    return found
