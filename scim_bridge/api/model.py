"""What an operation of the API is: declared once, as data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from scim_bridge.access.budget_model import Budget
from scim_bridge.api.callers import Caller, FindSession
from scim_bridge.api.shapes import LONGEST, Schema, text, whole
from scim_bridge.departures.rules import Rules
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.settings.model import Settings

T = TypeVar("T")
BASE = "/api/v1"
PAGE = 100
MAX_PAGE = 500

FindAgents = Callable[[Reader, str, str, int], Awaitable[tuple[list[str], str | None]]]
"""(reader, search as typed, after this slug, how many) → ids of agents by slug, and the slug the next page follows."""
Components = Callable[[], Awaitable[list[dict[str, str]]]]


@dataclass(frozen=True, slots=True)
class House:
    """What the composition root hands to the API."""

    ctx: Context
    settings: Settings
    rules: Rules
    find: FindAgents
    components: Components
    budgets: Sequence[Budget] = ()
    signed_in: FindSession | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that passed every check of form, by somebody who may. `after` is the key of the page's beginning.
    `reader` is the transaction in a change."""

    house: House
    reader: Reader
    now: int
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    after: Sequence[Any] | None = None

    @property
    def actor(self) -> Actor:
        """Who calls, as the audit names them."""
        return self.caller.actor

    @property
    def limit(self) -> int:
        """How many items a page may have."""
        return int(self.query.get("limit", PAGE))

    @property
    def reach(self) -> int:
        """How many rows a list reads: one more than its page shows, which tells whether another page follows."""
        return self.limit + 1

    def cut(
        self, found: Sequence[T], key: Callable[[T], Sequence[Any]]
    ) -> tuple[list[T], Sequence[Any] | None]:
        """Of `reach` rows those of the page, and the key of the last of them (None: nothing follows)."""
        kept = list(found[: self.limit])
        return kept, key(kept[-1]) if len(found) > self.limit else None


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, and the key after which the next page begins; None at the end."""

    items: Sequence[Any]
    key: Sequence[Any] | None = None


Read = Callable[[Asked], Awaitable[Any]]
Change = Callable[[Work, Asked], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something in the query."""

    name: str
    schema: Schema
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address below BASE.

    It either reads, or changes: then in one transaction, with its audit row. `shown` is how what it changes is
    read: with it If-Match is honoured, and the answer is what it reads afterwards. `paged`: the answer is a Page.
    `beside`: it reads by means of its own, not on a snapshot.
    """

    id: str
    tag: str
    method: str
    path: str
    summary: str
    answer: Schema | None
    read: Read | None = None
    change: Change | None = None
    shown: Read | None = None
    query: tuple[Parameter, ...] = ()
    body: Schema | None = None
    status: int = 200
    paged: bool = False
    beside: bool = False
    about: str = ""
    path_schemas: Mapping[str, Schema] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The whole path."""
        return f"{BASE}{self.path}"


LIMIT = Parameter(
    "limit", whole(least=1, most=MAX_PAGE), f"items of a page, 1 to {MAX_PAGE} (default {PAGE})"
)
CURSOR = Parameter(
    "cursor", text(most=4096), "`next` of the page before; the other parameters stay as they were"
)
PATH: Mapping[str, str] = {
    "agent": "slug, userName, id or workload id of an agent",
    "person": "userName, e-mail or id of a person",
    "group": "id or displayName of a group",
    "connection": "name or id of a connection",
    "token": "id of a token",
    "id": "id of a case, or of a brake",
    "campaign": "id of a campaign, or its name (then the newest of that name)",
    "plan": "id of a plan",
    "run": "id of a run",
    "decision": "id of a decision: context.id of its answer",
    "version": "number of an activated version",
    "budget": "name of a budget",
    "credential": "id of a credential, or of a rotation",
    "door": "name of a door",
    "effect": "id of an outward call",
    "alert": "id of an alert",
    "mute": "id of a mute",
    "bulk": "id of a change of many agents",
}
PATH_SHAPE = text(most=LONGEST)


def reads(
    tag: str,
    name: str,
    path: str,
    summary: str,
    read: Read,
    answer: Schema,
    *query: Parameter,
    beside: bool = False,
    about: str = "",
    path_schemas: Mapping[str, Schema] | None = None,
) -> Operation:
    """An operation that looks at something."""
    return Operation(
        *(name, tag, "GET", path, summary, answer, read),
        query=query,
        beside=beside,
        about=about,
        path_schemas=path_schemas or {},
    )


def lists(
    tag: str,
    name: str,
    path: str,
    summary: str,
    read: Read,
    answer: Schema,
    *query: Parameter,
    about: str = "",
) -> Operation:
    """An operation that lists, page by page."""
    asked = (*query, LIMIT, CURSOR)
    return Operation(*(name, tag, "GET", path, summary, answer, read), query=asked, paged=True, about=about)


def changes(
    tag: str,
    name: str,
    method: str,
    path: str,
    summary: str,
    change: Change,
    answer: Schema | None,
    body: Schema | None = None,
    *,
    status: int = 200,
    shown: Read | None = None,
    about: str = "",
) -> Operation:
    """An operation that changes something."""
    return Operation(
        *(name, tag, method, path, summary, answer, None, change, shown),
        body=body,
        status=status,
        about=about,
    )
