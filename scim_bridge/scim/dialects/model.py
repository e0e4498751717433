"""What a dialect is: named rows, each with what it matches and how it rewrites that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scim_bridge.scim.schema import ResourceType

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A shape of a whole document. `rewrite` answers None when the document does not have it.

    `of_values`: a document in which every value has the form its attribute asks for cannot have it.
    """

    name: str
    matches: str
    rewrite: Callable[[Doc, ResourceType], Doc | None]
    of_values: bool = False


@dataclass(frozen=True, slots=True)
class OperationRow:
    """A shape of one PATCH operation (keys in lower case). `rewrite` answers None when it does not match.

    The answer is the operations to put in its place: none, one or several.
    """

    name: str
    matches: str
    rewrite: Callable[[Doc, ResourceType], list[Doc] | None]


@dataclass(frozen=True, slots=True)
class FilterRow:
    """A shape of a filter's text or names; `rewrite` answers None when it does not match."""

    name: str
    matches: str
    rewrite: Callable[[Any, ResourceType], Any | None]


Row = DocumentRow | OperationRow | FilterRow


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of client speaks, and what it expects to hear.

    `documents` are tried in order on whole documents and on the values of PATCH operations, `operations`
    on operations before that. `revives`: creating what is there, deprovisioned, brings back the same id.
    `keeps_deactivation`: nothing wrong with the rest of a request keeps `active: false` from being done.
    `group_patch` is the status of a group's PATCH without `attributes`. `fills_in`: people without names or an
    address are shown with made-up ones.
    """

    name: str
    about: str
    tolerant: bool = True
    revives: bool = True
    keeps_deactivation: bool = True
    group_patch: int = 200
    fills_in: bool = False
    documents: tuple[DocumentRow, ...] = ()
    operations: tuple[OperationRow, ...] = ()
    filters: tuple[FilterRow, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row, for showing them."""
        return (*self.operations, *self.documents, *self.filters)
