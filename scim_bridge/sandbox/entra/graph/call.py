"""One Graph call and its answer, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.sandbox.entra.graph.errors import denied, malformed
from scim_bridge.sandbox.entra.sts.tokens import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is authenticated. `path` are the segments below the version; headers are in lower case."""

    method: str
    version: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    caller: Caller
    now: int
    root: str
    """The address of this version, as it stands in links: https://host/v1.0."""

    def needs(self, *roles: str) -> None:
        """403 unless the caller was granted one of these app roles."""
        if not self.caller.roles.intersection(roles):
            raise denied()

    def object(self) -> dict[str, Any]:
        """The body as an object; 400 otherwise."""
        if not isinstance(self.body, dict):
            raise malformed(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of "
                "valid JSON format."
            )
        return dict(self.body)

    @property
    def eventual(self) -> bool:
        """True when the caller asked for the index that serves advanced queries."""
        return self.headers.get("consistencylevel", "").lower() == "eventual"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; `body` None for 204."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


DONE = Answer(204)
