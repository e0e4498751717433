"""Writing one user: a stop first, then what else differs, as PATCH or as PUT; and what the server made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sync.idp.port import CREATE, ENABLED, RETIRE, IdpError, ObjectChange
from scim_bridge.sync.idp.scim.errors import ScimRefusal
from scim_bridge.sync.idp.scim.finding import Finding
from scim_bridge.sync.idp.scim.kept import Memory
from scim_bridge.sync.idp.scim.paths import Doc, operations, patch, value_at
from scim_bridge.sync.idp.scim.service import Services
from scim_bridge.sync.idp.scim.session import Session
from scim_bridge.sync.idp.scim.vocabulary import (
    ACTIVE,
    LOGIN,
    MARK,
    REMOVED,
    changed,
    new_user,
    sendable,
)
from scim_bridge.sync.sameness import same

CHANGE = "change the user"


class Writing:
    """Makes users as they are wanted. Every step may be done twice."""

    def __init__(self, session: Session, services: Services, finding: Finding, memory: Memory) -> None:
        self._session = session
        self._services = services
        self._finding = finding
        self._memory = memory

    async def write(self, change: ObjectChange) -> str:
        """Make one change; the user's id."""
        if change.action == CREATE or not change.remote_id:
            return await self._create(change)
        user_id = change.remote_id
        if change.action == RETIRE and change.wanted.get(REMOVED):
            await self._session.delete("remove the user", user_id)
            return user_id
        await self._bring(user_id, change.after)
        return user_id

    async def _create(self, change: ObjectChange) -> str:
        """Add the user; the answer to an earlier try may have been lost, so its mark is looked for first."""
        there = await self._finding.found(MARK, change.agent_id)
        if not there:
            doc = new_user(change.wanted, await self._services.known())
            try:
                made = await self._session.create(f"add the user {change.wanted[LOGIN]}", doc)
            except ScimRefusal as error:
                if not error.taken:
                    raise
                self._finding.forget_listing()
                there = await self._finding.found(MARK, change.agent_id)
                if not there:
                    raise IdpError(
                        "scim-taken",
                        error.message,
                        "Make a new plan; it adopts a user of that name unless that is another client's.",
                        transient=False,
                    ) from error
            else:
                self._finding.forget_listing()
                if made is None or "id" not in made:
                    there = await self._finding.found(MARK, change.agent_id)
                    made = there[0] if there else None
                if made is None:
                    raise IdpError("scim-answer", "The server does not say what it added.", transient=True)
                await self._read_back(str(made["id"]), change.wanted, made)
                return str(made["id"])
        user_id = min(str(user["id"]) for user in there)
        # Never switched on here: whoever switched it off since had a reason.
        wanted = {name: v for name, v in change.wanted.items() if not (name == ENABLED and v)}
        await self._bring(user_id, wanted)
        return user_id

    async def _bring(self, user_id: str, after: Mapping[str, Any]) -> None:
        if after.get(ENABLED) is False:
            await self._step(user_id, {ENABLED: False})
        rest = {name: value for name, value in after.items() if not (name == ENABLED and value is False)}
        if rest:
            await self._step(user_id, rest)

    async def _step(self, user_id: str, values: Mapping[str, Any]) -> None:
        service = await self._services.known()
        before = await self._session.read("read the user", user_id)
        if before is None:
            raise IdpError("scim-gone", "The user is gone from the server.", transient=False)
        after = changed(before, values, service)
        found = operations(before, after)
        if not found:
            return
        version = str((before.get("meta") or {}).get("version") or "") if service.etag else ""
        made: Doc | None
        if service.patch:
            try:
                made = await self._session.change(CHANGE, user_id, patch(found), version)
            except ScimRefusal as error:
                if error.answered not in (405, 501):
                    raise
                self._services.lacks(patch=True)
                made = await self._session.replace(CHANGE, user_id, sendable(after, service), version)
        else:
            made = await self._session.replace(CHANGE, user_id, sendable(after, service), version)
        if made is None or "id" not in made:
            made = await self._session.read("read it back", user_id)
        if made is not None:
            await self._read_back(user_id, values, made)

    async def _read_back(self, user_id: str, sent: Mapping[str, Any], made: Doc) -> None:
        """Learn what the server does not keep as sent; that a stop is not kept is no success."""
        if sent.get(ENABLED) is False and str(value_at(made, ACTIVE)).casefold() != "false":
            raise IdpError(
                "scim-not-stopped",
                "The server answered and did not switch the user off: it does not keep `active`.",
                "Stop the agent there by hand, or have retired ones removed: --set retire=delete.",
                transient=False,
            )
        facts = {name: value for name, value in sent.items() if name not in (ENABLED, REMOVED)}
        other = {name: (value, value_at(made, name)) for name, value in facts.items()}
        other = {name: pair for name, pair in other.items() if not same(name, *pair)}
        await self._memory.learn(user_id, await self._memory.of(user_id), facts, other)
