"""One import: the app's active users become Okta users, or are linked to those they match by login."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import SYSTEM
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.parts import Parts
from scim_bridge.sandbox.okta.scim_side import answers, importing
from scim_bridge.sandbox.okta.scim_side.session import Session

IMPORTED = {"provider": {"type": "IMPORT", "name": "IMPORT"}}


async def import_users(parts: Parts, session: Session) -> dict[str, Any]:
    """Read everything, then act on it at once. Counts: scanned, created, linked, unassigned, groups."""
    users = await importing.everything(session, "Users")
    groups = []
    if parts.org.settings()["import_groups"]:
        groups = await importing.everything(session, "Groups")
    active = importing.offered(users)
    linked = {
        item["id"]: item["externalId"] for item in parts.assignments.all() if item["externalId"] is not None
    }
    gone = importing.missing(linked, users)
    result = {
        "scanned": len(active),
        "created": 0,
        "linked": 0,
        "unassigned": len(gone),
        "groups": len(groups),
    }
    refused = []
    with parts.org.store.transaction():
        for item in active:
            try:
                result[_take(parts, dict(item))] += 1
            except OktaError as error:
                refused.append(f"{item['userName']}: {'; '.join(error.causes) or error.summary}")
        for okta_id in gone:
            parts.org.store.delete("appuser", okta_id)
    if refused:
        raise answers.Failed(f"import: {len(refused)} users were refused: {'; '.join(refused[:3])}")
    return result


def _take(parts: Parts, item: dict[str, Any]) -> str:
    """Create or link one user; what was done."""
    user = parts.directory.find(item["userName"])
    if user is not None:
        if user["status"] != statuses.DEPROVISIONED:
            parts.assignments.link(user, item["id"])
        return "linked"
    staged = parts.directory.create(importing.profile(item), status=statuses.STAGED, credentials=IMPORTED)
    made = parts.lifecycle.act(staged, "activate", SYSTEM)
    targets = [events.user_target(made), events.app_target(parts.org.app())]
    events.write(parts.org, "application.provision.user.import", SYSTEM, targets)
    parts.assignments.link(made, item["id"])
    parts.groups.welcome(made, SYSTEM)
    return "created"
