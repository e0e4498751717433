"""What a reply of the target means to the provisioning service. Pure.

Source: Microsoft Learn "Application provisioning in quarantine status": bad credentials and replies that are
not SCIM put a job into quarantine at any count; 404 in answer to the test query is the named cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from scim_bridge.sandbox.kit.scim_client import ScimReply

Kind = Literal["credentials", "incompatible", "refused", "unreachable", "gone"]
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
MIN_FAILURES = 5000
MAX_FAILURES = 40000
MAX_SHARE = 0.4


class Failed(Exception):
    """An operation on one object failed. `kind` says what the service makes of it."""

    def __init__(self, operation: str, status: int, kind: Kind, reason: str) -> None:
        super().__init__(f"{operation}: {reason}")
        self.operation = operation
        self.status = status
        self.kind: Kind = kind

    @property
    def quarantines(self) -> bool:
        """True when one such reply is enough for quarantine."""
        return self.kind in ("credentials", "incompatible")


def check(operation: str, reply: ScimReply, wanted: tuple[int, ...]) -> ScimReply:
    """The reply when its status is one of `wanted`; Failed otherwise."""
    if reply.status in wanted:
        return reply
    if reply.status == 0:
        raise Failed(operation, 0, "unreachable", reply.error)
    if reply.status in (401, 403):
        raise Failed(operation, reply.status, "credentials", f"InvalidCredentials ({reply.status})")
    kind: Kind = "gone" if reply.status == 404 else "refused"
    detail = reply.body.get("detail") if isinstance(reply.body, Mapping) else reply.text[:200]
    raise Failed(operation, reply.status, kind, f"{reply.status} {detail or ''}".strip())


def resources(operation: str, reply: ScimReply) -> list[dict[str, Any]]:
    """The resources of a list; Failed when it is not a SCIM ListResponse."""
    body = reply.body
    schemas = body.get("schemas") if isinstance(body, Mapping) else None
    good = isinstance(schemas, list) and LIST in schemas and isinstance(body.get("totalResults"), int)
    found = body.get("Resources", []) if good else None
    if not isinstance(found, list) or not all(isinstance(one, dict) and one.get("id") for one in found):
        raise _incompatible(operation, reply, "a ListResponse")
    return found


def resource(operation: str, reply: ScimReply) -> dict[str, Any]:
    """A single resource with its id; Failed when it is something else."""
    body = reply.body
    if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not body["id"]:
        raise _incompatible(operation, reply, "a resource with an id")
    return body


def single(operation: str, found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one match, or None; Failed when several resources match one source object."""
    if len(found) > 1:
        raise Failed(operation, 200, "refused", f"DuplicateTargetEntries: {len(found)} resources match.")
    return found[0] if found else None


def threshold_reached(failures: int, events: int) -> bool:
    """True when so many failures among so many events put a job into quarantine."""
    if failures < MIN_FAILURES:
        return False
    return failures > MAX_FAILURES or failures > MAX_SHARE * events


def _incompatible(operation: str, reply: ScimReply, wanted: str) -> Failed:
    reason = (
        "SystemForCrossDomainIdentityManagementServiceIncompatible: "
        f"{wanted} expected, received {reply.text[:200]!r}"
    )
    return Failed(operation, reply.status, "incompatible", reason)
