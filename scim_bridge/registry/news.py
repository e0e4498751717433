"""News of people at an IdP: what the doors ask, and what an IdP answers, without a word of either's language.

`sync/idp` implements it per IdP, `signals/idp` asks; the composition root hands one to the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.registry.certification import RemoteReview
from scim_bridge.registry.connections import Connection


class There(StrEnum):
    """What a person is at the IdP. Absent: it has no such person (any more)."""

    PRESENT = "present"
    SUSPENDED = "suspended"
    GONE = "gone"
    ABSENT = "absent"


class Unanswered(BridgeError):
    """The IdP refused or did not answer. `transient` says whether the same call may succeed later.

    `retry_after` is in whole seconds when the IdP said so.
    """

    status = 502

    def __init__(
        self, code: str, message: str, fix: str = "", *, transient: bool, retry_after: int | None = None
    ) -> None:
        super().__init__(code, message, fix, retry_after=retry_after)
        self.transient = transient


class CursorLost(Unanswered):
    """The IdP does not know any more where we were: what happened meanwhile has to be asked for otherwise."""

    def __init__(self, message: str) -> None:
        super().__init__("news-cursor", message, transient=False)


@dataclass(frozen=True, slots=True)
class RemotePerson:
    """One person as the IdP has them at this moment.

    `called`: the externalIds by which its provisioning may call them here. `since`: when they came into
    this state, `leave_at`: when they leave, both microseconds where the IdP tells. `manager` is whatever
    names them there (a login or an id).
    """

    remote_id: str
    there: There
    login: str = ""
    called: tuple[str, ...] = ()
    since: int | None = None
    leave_at: int | None = None
    manager: str = ""
    department: str = ""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events as the IdP writes them, in the order they were kept; `cursor` is where the next page goes on.

    `full`: there are probably more already.
    """

    events: tuple[Mapping[str, Any], ...]
    cursor: str
    full: bool


@dataclass(frozen=True, slots=True)
class ChangePage:
    """People who changed; `cursor` is where the next question goes on; `more`: this round has further pages.

    A person of whom only a removal is told is `absent` here; that is a reason to look, never a fact.
    """

    people: tuple[RemotePerson, ...]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class Subscription:
    """A standing order for notices at the IdP: its id there, when it ends (microseconds), what it calls."""

    remote_id: str
    expires: int
    url: str = ""


class PeopleNews(Protocol):
    """One tenant's news of people. Every method raises Unanswered; none of them retries for longer than seconds."""

    async def person(self, remote_id: str) -> RemotePerson:
        """One person as they are now; `absent` when there is none."""

    async def named(self, login: str) -> RemotePerson | None:
        """The person with this login there; None when there is none."""

    def is_id(self, name: str) -> bool:
        """True when a name has the form of this IdP's ids of people."""


class ReviewNews(PeopleNews, Protocol):
    """A tenant whose access reviews can be read."""

    async def review(self, review_id: str) -> RemoteReview | None:
        """One review as it stands now; None when there is none, or it may not be read."""


class LogNews(PeopleNews, Protocol):
    """A tenant that keeps a log of events."""

    def may_read_log(self) -> str:
        """Why the log cannot be read with the connection's credentials; empty when it can."""

    async def events(self, cursor: str, since: int, kinds: Sequence[str]) -> LogPage:
        """One page of these kinds of events after `cursor`, or from `since` (microseconds) on when it is empty.

        CursorLost when the cursor is not known any more.
        """


class ChangeNews(PeopleNews, Protocol):
    """A tenant that tells who changed since a cursor, and gives notice when told to."""

    async def changes(self, cursor: str) -> ChangePage:
        """One page after `cursor`, of everybody when it is empty; CursorLost when it is too old."""

    async def subscribed(self, url: str) -> tuple[str, ...]:
        """The ids of every subscription that calls this address."""

    async def subscribe(self, url: str, proof: str, expires: int) -> Subscription:
        """Have notices of people's changes sent to `url`, each with `proof` in it, until `expires`."""

    async def renew(self, remote_id: str, expires: int) -> Subscription | None:
        """Let a subscription end later; None when there is none by this id."""

    async def unsubscribe(self, remote_id: str) -> None:
        """End a subscription; one that is gone already is as good."""


NewsOf = Callable[[str], Awaitable[tuple[Connection, Any]]]
"""A connection (by id or name) and its tenant's news; NotFound, Refused or Unanswered when there are none."""


def instant(value: object) -> int | None:
    """An IdP's instant in microseconds; None for what is none (it is no reason to lose the event)."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return parse_iso(value)
    except ValueError:
        return None
