"""Users in the app: created or linked, updated, switched off; per dialect as Okta does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.okta.scim_side import bodies
from scim_bridge.sandbox.okta.scim_side.config import PATCH
from scim_bridge.sandbox.okta.scim_side.session import Session

Profile = Mapping[str, Any]


async def provision(session: Session, dialect: str, profile: Profile, okta_id: str) -> str:
    """Look the user up; create it, or link what is there (inactive or not) and switch it on. The app's id."""
    found = await session.find("Users", "userName", profile["login"])
    if found is None:
        body = bodies.create(profile, okta_id, bodies.placeholder())
        return str((await session.create_user(body))["id"])
    scim_id = str(found["id"])
    if dialect == PATCH and found.get("active") is False:
        await session.patch_user(scim_id, bodies.active(True))
    await replace(session, scim_id, profile, okta_id, active=True)
    return scim_id


async def replace(session: Session, scim_id: str, profile: Profile, okta_id: str, *, active: bool) -> None:
    """GET, lay the profile over it, PUT: profile updates in both dialects."""
    current = await session.read_user(scim_id)
    await session.replace_user(scim_id, bodies.update(current, profile, okta_id, active=active))


async def deactivate(session: Session, dialect: str, scim_id: str, profile: Profile, okta_id: str) -> None:
    """Switch the user off: by PATCH without a path, or by GET and PUT."""
    if dialect == PATCH:
        await session.patch_user(scim_id, bodies.active(False))
    else:
        await replace(session, scim_id, profile, okta_id, active=False)
