"""The port every IdP adapter implements: read, say what is wanted there, write one object exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from scim_bridge.registry.model import Attestation, PersonRef
from scim_bridge.registry.news import Unanswered

Attributes = Mapping[str, Any]
"""One object at the IdP as flat attributes in the IdP's own words; values are JSON."""

CREATE = "create"
UPDATE = "update"
RETIRE = "retire"

ENABLED = "enabled"
"""The one attribute name every adapter shares: may the object act? true, false, or None when it never was
switched on (staged). The rules decide by it; all other names are the IdP's own."""


GROUPS = "groups"
APPLICATIONS = "applications"
SHARED = frozenset({GROUPS, APPLICATIONS})
"""Attributes that are sorted lists of which only what we added is ours: what others put there stays there."""

GONE = "deleted"
"""The value an adapter wants of a deleted agent's object that is to be deleted as well: gone is then done."""


class IdpError(Unanswered):
    """The IdP refused or did not answer. `transient` says whether the same call may succeed later.

    `retry_after` is in whole seconds when the IdP said so. `refuses_us`: our credentials, whatever the
    object; no other call would fare better until somebody renews them.
    """

    def __init__(
        self,
        code: str,
        message: str,
        fix: str = "",
        *,
        transient: bool,
        retry_after: int | None = None,
        refuses_us: bool = False,
    ) -> None:
        super().__init__(code, message, fix, transient=transient, retry_after=retry_after)
        self.refuses_us = refuses_us


class ListingLost(IdpError):
    """The IdP no longer knows the place in a listing that its next link names: it is read from its beginning."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, transient=False)


@dataclass(frozen=True, slots=True)
class DesiredAgent:
    """What the registry says of one agent, before an IdP's words are put to it.

    `enabled` leaves out holds that this very connection placed: an IdP is never told its own hold.
    `held_there` says that it placed one: what the IdP switched off is never switched on by us.
    A `deleted` agent is wanted disabled and nothing else about it is touched. `groups` are the names of
    those it is in, without those this very connection put it into. `more` is what else its document
    says, by path, for mappings. `outside`: it left the connection's scope after it was written.
    """

    agent_id: str
    slug: str
    user_name: str
    display_name: str
    email: str
    purpose: str
    platform: str
    model: str
    environment: str
    risk_tier: str
    workload_id: str
    enabled: bool
    holds: tuple[str, ...] = ()
    owner: PersonRef | None = None
    co_owners: tuple[PersonRef, ...] = ()
    sponsors: tuple[PersonRef, ...] = ()
    attestation: Attestation = field(default_factory=Attestation)
    deleted: bool = False
    held_there: bool = False
    groups: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """One object found at the IdP. `agent_id` is empty when it carries no mark of ours.

    `frozen` says why the IdP takes no change of it as it is now (a deactivated user); else empty. It
    `thaws` when switching it on again, where we switched it off, is such a change that the IdP takes.
    `notes` are warnings for people ("the server keeps userName in a form of its own").
    """

    remote_id: str
    agent_id: str
    name: str
    attributes: Attributes
    frozen: str = ""
    thaws: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; `last` is True on the page after which there is none.

    `others` are objects of the same kind that no agent of ours can be: only told to people. `kindred` is False
    where `objects` may be people as well, since the IdP cannot tell: none of them is nobody's agent then.
    """

    objects: tuple[Observed, ...]
    last: bool
    others: tuple[Observed, ...] = ()
    kindred: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one agent should look like at the IdP, and what could not be said there.

    `match` are names by which an object that carries no mark of ours may be this agent (a login);
    `notes` are warnings for people ("owner has no account there"). `withdrawn` are attributes that only rows
    of a mapping wrote which are gone since.
    """

    attributes: Attributes
    match: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One attribute an object at the IdP can have, as the IdP's schema defines it.

    `kind` is string, boolean, integer or number; `longest` in characters, 0 for no limit; `default` is
    what is written there when no mapping says otherwise; `fixed` says why no mapping may set it; `needed`
    that no object may be without it.
    """

    name: str
    kind: str = "string"
    several: bool = False
    longest: int = 0
    choices: tuple[str, ...] = ()
    default: str = ""
    fixed: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One change of one object: `action` is create, update or retire.

    `before` and `after` hold only the attributes that differ; `wanted` is the whole.
    """

    agent_id: str
    slug: str
    action: str
    remote_id: str | None
    before: Attributes = field(default_factory=dict)
    after: Attributes = field(default_factory=dict)
    wanted: Attributes = field(default_factory=dict)

    @property
    def stops(self) -> bool:
        """True when it switches off an object that may act now."""
        return self.action == RETIRE or (self.action == UPDATE and self.after.get(ENABLED) is False)


@dataclass(frozen=True, slots=True)
class SetupStep:
    """Something the tenant lacks before agents can be written: a user type, a schema property, a blueprint."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Feature:
    """Something of a tenant that we use: can it be used, and why not (or only in part)."""

    name: str
    usable: bool
    reason: str = ""


@runtime_checkable
class Probing(Protocol):
    """An adapter that can say what of its tenant it can use."""

    async def features(self) -> tuple[Feature, ...]:
        """Each feature by a read of it; IdpError only when nobody answers. Reads only."""


class Idp(Protocol):
    """One tenant, opened. Every method raises IdpError; none of them retries for longer than seconds."""

    kind: str

    async def missing(self) -> tuple[SetupStep, ...]:
        """What the tenant lacks; reads only."""

    async def make_ready(self) -> None:
        """Create what `missing` names; doing it twice changes nothing."""

    def listing(self) -> AsyncIterator[Page]:
        """Every object that is or may be an agent of ours, page by page, to the end."""

    async def targets(self) -> Mapping[str, Target]:
        """The attributes its objects can have, by the names `Wanted` uses; reads only."""

    async def wanted(self, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
        """What these agents should look like there, by agent id. Looks people up by login; reads only."""

    async def observe(self, agent: DesiredAgent, remote_id: str | None) -> Observed | None:
        """One agent as it is there now: by remote id, else by our mark, else by name; None when absent.

        What a remote id names is told whatever mark it carries: the rules know what another agent's mark means.
        """

    async def write(self, change: ObjectChange) -> str:
        """Make one object as wanted; its remote id.

        Looks before it creates, so that a create whose answer was lost makes no second object.
        """

    async def close(self) -> None:
        """Let go of connections."""
