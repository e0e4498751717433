"""What somebody decided about an agent in an IdP's own access review, without a word of the IdP's language.

`sync/idp` reads it, `signals/idp` finds out who and what is meant, `attestations` decides what follows;
the composition root hands one to the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scim_bridge.kernel.work import Work

APPROVE = "approve"
REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class RemoteReview:
    """One review as the IdP has it at this moment. `decision` is approve, revoke, or empty while nobody decided.

    `agent_mark` is our own mark on the object under review, empty for anybody else; `reviewer` is the IdP's id
    of who decided. `decided` in microseconds.
    """

    review: str
    campaign: str
    decision: str
    agent_mark: str
    agent_login: str
    agent_remote: str
    reviewer: str
    resource: str = ""
    note: str = ""
    decided: int | None = None


@dataclass(frozen=True, slots=True)
class Certification:
    """A decision about an agent of ours by a person we know, as it stands at the connection's IdP."""

    connection_id: str
    connection: str
    agent_id: str
    person_id: str
    review: RemoteReview


Certified = Callable[[Work, Certification], Awaitable[str]]
"""Takes a decision in a transaction of its own door; what came of it, in a few words. Twice changes nothing."""
