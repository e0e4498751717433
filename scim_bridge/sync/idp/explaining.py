"""What an adapter may tell beside the port: what its words mean here, who changed an object, who made it.

All of it is optional. What cannot be read is said with its reason and never fails a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from scim_bridge.sync.idp.port import Idp, IdpError, Observed


@dataclass(frozen=True, slots=True)
class LastChange:
    """Who changed an object last, as the IdP's audit log says; `reason` says why that is not known.

    `at` is in microseconds; `what` is the IdP's own name of the event.
    """

    by: str = ""
    at: int | None = None
    what: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object came from and who answers for it there; empty is what the IdP does not say."""

    by: str = ""
    at: int | None = None
    owner: str = ""
    reason: str = ""


@runtime_checkable
class Means(Protocol):
    """An adapter whose words have meanings here."""

    def meaning(self) -> Mapping[str, str]:
        """Our name (`registry.drift_rules`) for each attribute of the IdP's that can be read back as ours."""


@runtime_checkable
class TellsChanges(Protocol):
    """An adapter that can read the IdP's audit log."""

    async def last_change(self, remote_id: str, since: int) -> LastChange:
        """Who changed an object last since an instant, ourselves left out; IdpError when it cannot be read."""


@runtime_checkable
class TellsOrigins(Protocol):
    """An adapter that can say where an object came from."""

    async def origin(self, observed: Observed) -> Origin:
        """Who made an object, and who answers for it there; IdpError when it cannot be read."""


NOT_YET = "not asked yet: too many at once"


async def last_change(idp: Idp, remote_id: str, since: int) -> LastChange:
    """Who changed an object last, or why nobody can say."""
    if not isinstance(idp, TellsChanges):
        return LastChange(reason="this IdP has no audit log that is read here")
    try:
        return await idp.last_change(remote_id, since)
    except IdpError as error:
        return LastChange(
            reason=NOT_YET if error.transient else f"the audit log is not readable: {error.message}"
        )


async def origin(idp: Idp, observed: Observed) -> Origin:
    """Where an object came from, or why nobody can say."""
    if not isinstance(idp, TellsOrigins):
        return Origin(reason="this IdP does not say")
    try:
        return await idp.origin(observed)
    except IdpError as error:
        return Origin(reason=NOT_YET if error.transient else f"not readable: {error.message}")
