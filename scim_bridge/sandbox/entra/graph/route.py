"""Which operation a Graph path names: literal segments, ids, type casts, alternate keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import GraphError, unknown_segment
from scim_bridge.sandbox.entra.tenant import Tenant

Ids = Mapping[str, str]
Run = Callable[[Tenant, Call, Ids], Answer]

_KEYED = re.compile(r"([A-Za-z]+)\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: "GET users/{id}"; segments in braces are ids, `microsoft.graph.x` are type casts."""

    method: str
    template: str
    run: Run

    @property
    def segments(self) -> tuple[str, ...]:
        """The template's segments."""
        return tuple(self.template.split("/"))


def segments(path: str) -> tuple[str, ...]:
    """A path below the version as segments; `users('x')` is users and x, `graph.T` is microsoft.graph.T."""
    found: list[str] = []
    for part in path.strip("/").split("/"):
        keyed = _KEYED.fullmatch(part)
        if keyed is not None:
            key = keyed.group(2)
            found.append(keyed.group(1))
            if key:
                found.append(key.strip("'") if "=" not in key else key)
        elif part.lower().startswith("graph."):
            found.append(f"microsoft.{part}")
        elif part:
            found.append(part)
    return tuple(found)


class Routes:
    """Every operation, the most literal template first."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = sorted(operations, key=lambda one: one.template.count("{"))
        self._tops = {one.segments[0].lower() for one in self._operations}

    def find(self, method: str, path: tuple[str, ...]) -> tuple[Operation, Ids]:
        """The operation and the ids in its path; 400 for an unknown segment, 405 for another method."""
        other_method = False
        for operation in self._operations:
            ids = _fit(operation.segments, path)
            if ids is not None:
                if operation.method == method:
                    return operation, ids
                other_method = True
        if other_method:
            raise GraphError(
                405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."
            )
        last = path[-1] if path and path[0].lower() in self._tops else (path[0] if path else "")
        raise unknown_segment(last)


def _fit(template: tuple[str, ...], path: tuple[str, ...]) -> Ids | None:
    if len(template) != len(path):
        return None
    ids = {}
    for wanted, given in zip(template, path, strict=True):
        if wanted.startswith("{"):
            if given.startswith(("microsoft.graph.", "$")):
                return None
            ids[wanted[1:-1]] = given
        elif wanted.lower() != given.lower():
            return None
    return ids
