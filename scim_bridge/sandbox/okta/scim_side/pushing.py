"""Group push: create or link, rename, members; the whole group by PUT or the difference by PATCH."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.sandbox.okta.scim_side import bodies
from scim_bridge.sandbox.okta.scim_side.config import PATCH
from scim_bridge.sandbox.okta.scim_side.session import Session


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the app was told of a group: its id there, its name, the ids of its members there."""

    scim_id: str | None = None
    name: str = ""
    members: tuple[str, ...] = ()


async def push(
    session: Session,
    dialect: str,
    before: Pushed,
    name: str,
    members: Sequence[Mapping[str, Any]],
    *,
    now: bool = False,
) -> Pushed:
    """Bring the app's group to this name and these members; `now` overwrites whatever is there."""
    scim_id, overwrite = before.scim_id, now
    if scim_id is None:
        scim_id, overwrite = await _first(session, name)
        overwrite = overwrite or now
    after = Pushed(scim_id, name, tuple(str(member["value"]) for member in members))
    if after == before and not overwrite:
        return after
    if dialect == PATCH:
        await _by_patch(session, before, after, members, overwrite=overwrite)
    else:
        await session.read_group(scim_id)
        await session.replace_group(scim_id, bodies.whole_group(scim_id, name, members))
    return after


async def _first(session: Session, name: str) -> tuple[str, bool]:
    """The app's id of the group, and whether it was there before."""
    found = await session.find("Groups", "displayName", name)
    if found is not None:
        return str(found["id"]), True
    return str((await session.create_group(bodies.new_group(name)))["id"]), False


async def _by_patch(
    session: Session,
    before: Pushed,
    after: Pushed,
    members: Sequence[Mapping[str, Any]],
    *,
    overwrite: bool,
) -> None:
    assert after.scim_id is not None
    gone = [key for key in before.members if key not in after.members]
    new = [member for member in members if member["value"] not in before.members]
    operations = [bodies.remove_member(key) for key in gone]
    if new:
        operations.append(bodies.add_members(new))
    if overwrite:
        operations = [bodies.replace_members(members)]
    # Okta repeats the name with every change of members, in a request of its own.
    if operations or (before.name and before.name != after.name):
        await session.patch_group(after.scim_id, bodies.patch(bodies.rename(after.scim_id, after.name)))
    if operations:
        await session.patch_group(after.scim_id, bodies.patch(*operations))
