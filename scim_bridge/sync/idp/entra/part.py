"""What an agent may have in Entra besides its identity: each part reads and writes attributes of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from scim_bridge.sync.idp.entra.calls import Get, Reply
from scim_bridge.sync.idp.port import Attributes, DesiredAgent, ObjectChange

Of = Callable[[str], Mapping[str, Any]]
"""The attributes of one part, by the id of an agent identity."""


class Part(Protocol):
    """One part: a user account, memberships, app roles, an entry in the agent registry.

    `feature` is what the app must be allowed for it. `each`: a listing asks for it identity by identity, with
    `gets`, twenty to a call; else `everywhere` says it of all. All methods raise IdpError. The `remote_id` of
    a change is the identity's id, whoever made it.
    """

    feature: str
    each: bool

    async def wanted(self, agent: DesiredAgent) -> tuple[Mapping[str, Any], Sequence[str]]:
        """What the agent should have of it, and notes for people."""

    async def everywhere(self) -> Of:
        """A listing begins: what every agent identity has of it, in few reads."""

    def gets(self, remote_id: str) -> list[Get]:
        """The reads that say what one agent identity has of it; always as many."""

    async def one(self, remote_id: str, replies: Sequence[Reply]) -> Attributes:
        """What one agent identity has of it, from the answers to `gets`."""

    async def stop(self, change: ObjectChange) -> None:
        """What has to stop right after the identity was switched off."""

    async def bring(self, change: ObjectChange) -> None:
        """Make it as wanted; twice changes nothing."""
