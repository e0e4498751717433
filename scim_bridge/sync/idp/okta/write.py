"""Writing one agent user: a stop first, then what Okta does in one call each, a start last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from okta.models.create_user_request import CreateUserRequest
from okta.models.update_user_request import UpdateUserRequest

from scim_bridge.sync.idp.okta.errors import ALREADY_ACTIVE, INVALID, WRONG_STATUS, OktaRefusal
from scim_bridge.sync.idp.okta.links import Links
from scim_bridge.sync.idp.okta.members import Members
from scim_bridge.sync.idp.okta.options import Options
from scim_bridge.sync.idp.okta.people import People
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.tenant import Tenant
from scim_bridge.sync.idp.okta.vocabulary import (
    DEPROVISIONED,
    ON,
    OWNER_LINK,
    RETIRED,
    STAGED,
    SUSPENDED,
    TYPE,
    TYPE_NAME,
    new_profile,
    profile_part,
)
from scim_bridge.sync.idp.port import CREATE, ENABLED, GONE, RETIRE, IdpError, ObjectChange

# Who signs in elsewhere needs no password, gets no welcome mail, and can be suspended.
CREDENTIALS = {"provider": {"type": "FEDERATION", "name": "FEDERATION"}}


class Writer:
    """Makes agent users as they are wanted. Every step may be done twice."""

    def __init__(
        self,
        session: Session,
        tenant: Tenant,
        people: People,
        links: Links,
        members: Members,
        options: Options,
    ) -> None:
        self._session = session
        self._tenant = tenant
        self._people = people
        self._links = links
        self._members = members
        self._options = options

    async def write(self, change: ObjectChange) -> str:
        """Make one change; the user's id."""
        if change.action == CREATE:
            return await self._create(change)
        user_id = change.remote_id
        if not user_id:
            raise IdpError("okta-no-id", "A change without a user's id cannot be written.", transient=False)
        if change.action == RETIRE:
            await self._deactivate(user_id)
            if change.after.get(RETIRED) == GONE:
                await self._delete(user_id)
            return user_id
        if self._options.stop_by_deactivation and ENABLED in change.after:
            await self._deactivated_last(user_id, change)
            return user_id
        if change.after.get(ENABLED) is False:
            await self._suspend(user_id)
        await self._say(user_id, change)
        if change.after.get(ENABLED) is True:
            await self._start(user_id, staged=change.before.get(ENABLED) is None)
        return user_id

    async def _say(self, user_id: str, change: ObjectChange) -> None:
        """Write what a change says beside on and off."""
        after = change.after
        if after.get(TYPE) == TYPE_NAME:
            await self._adopt(user_id, change.wanted)
        elif profile := profile_part(after, empty=True):
            await self._patch(user_id, profile)
        if OWNER_LINK in after:
            await self._links.set_owner(user_id, after[OWNER_LINK])
        await self._members.write(user_id, change.before, after)

    async def _deactivated_last(self, user_id: str, change: ObjectChange) -> None:
        """The same where a stop is a deactivation: a deactivated user takes no other change.

        So it is deactivated last and activated first; whatever goes wrong before, it is stopped.
        """
        if change.after[ENABLED] is True:
            await self._start(user_id, staged=await self._status(user_id) in (STAGED, DEPROVISIONED))
            await self._say(user_id, change)
            return
        try:
            await self._say(user_id, change)
        finally:
            await self._deactivate(user_id)

    async def _create(self, change: ObjectChange) -> str:
        wanted = change.wanted
        login = str(wanted["login"])
        self._people.forget(login)
        found = await self._people.user(login)
        if found is None:
            try:
                found = await self._post(wanted)
            except OktaRefusal as error:
                # A process that was killed may have sent it: Okta acts on it after we looked.
                if not error.taken or (found := await self._people.user(login)) is None:
                    raise
                await self._go_on(change, found)
        else:
            await self._go_on(change, found)
        user_id = str(found["id"])
        if wanted.get(OWNER_LINK) is not None:
            await self._links.set_owner(user_id, wanted[OWNER_LINK])
        await self._members.write(user_id, {}, wanted)
        if wanted.get(ENABLED) is True and found["status"] == STAGED:
            await self._start(user_id, staged=True)
        return user_id

    async def _go_on(self, change: ObjectChange, found: Mapping[str, Any]) -> None:
        """Go on with a user that an attempt made whose answer was lost; refused when it is somebody else."""
        shape = await self._tenant.shape()
        if shape.typed:
            ours = shape.mark(found) == change.agent_id
        else:
            # Nothing marks an agent here; an attempt of ours would have written exactly this.
            sent = new_profile(change.wanted)
            ours = all(found["profile"].get(name) == value for name, value in sent.items())
        if not ours:
            raise IdpError(
                "okta-login-taken",
                f"Okta has a user {change.wanted['login']} that is not this agent.",
                "Make a new plan; it adopts a user of that login unless that is another agent.",
                transient=False,
            )
        await self._patch(str(found["id"]), profile_part(change.wanted, empty=True))

    async def _post(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Create the user, active at once or staged: a held agent must not be active for a moment."""
        shape = await self._tenant.shape()
        asked = {"profile": new_profile(wanted), "credentials": CREDENTIALS}
        kind = {"type": {"id": shape.agent_type}} if shape.typed else {}
        body = CreateUserRequest.from_dict(asked | kind)
        reply = await self._settled(
            lambda: self._session.call(
                f"create the user {wanted['login']}",
                self._session.client.create_user,
                body,
                activate=wanted.get(ENABLED) is True,
                provider=True,
            )
        )
        made: dict[str, Any] = reply.content
        return made

    async def _adopt(self, user_id: str, wanted: Mapping[str, Any]) -> None:
        """Give a user the agent type: only a full replacement can, so nothing it says may be left out."""
        shape = await self._tenant.shape()
        user = await self._people.user(user_id)
        if user is None:
            raise IdpError("okta-gone", f"The user {user_id} is gone from Okta.", transient=False)
        kept = {
            name: value
            for name, value in user["profile"].items()
            if name in shape.properties and name not in wanted and value is not None
        }
        profile = {**kept, **profile_part(wanted, empty=False)}
        body = UpdateUserRequest.from_dict({"profile": profile})
        # The SDK's model of an update has no type, though Okta takes one (and only here).
        sent = {**body.to_dict(), "type": {"id": shape.agent_type}}
        await self._settled(
            lambda: self._session.send(
                f"give {wanted['login']} the type {TYPE_NAME}", "PUT", f"/api/v1/users/{user_id}", sent
            )
        )

    async def _patch(self, user_id: str, profile: dict[str, Any]) -> None:
        """Change some properties; null clears one (the SDK's update_user would drop it)."""
        await self._settled(
            lambda: self._session.send(
                "update the profile", "POST", f"/api/v1/users/{user_id}", {"profile": profile}
            )
        )

    async def _settled(self, act: Any) -> Any:
        """Act; once more when Okta does not know a property yet that was just added."""
        try:
            return await act()
        except OktaRefusal as error:
            undefined = any("not defined" in cause for cause in error.causes)
            if error.okta != INVALID or not undefined:
                raise
        await asyncio.sleep(1)
        return await act()

    async def _status(self, user_id: str) -> str:
        user = await self._people.user(user_id)
        if user is None:
            return ""
        return str(user.get("transitioningToStatus") or user["status"])

    async def _suspend(self, user_id: str) -> None:
        """Stop a user. Only active ones can be suspended; others that could still act are deactivated."""
        try:
            await self._session.call("suspend the user", self._session.client.suspend_user, user_id)
        except OktaRefusal as error:
            status = await self._status(user_id)
            if status == "ACTIVE" or not status:
                raise
            if status in ON:
                await self._deactivate(user_id)
            elif error.transient:
                raise

    async def _start(self, user_id: str, *, staged: bool) -> None:
        client = self._session.client
        try:
            if staged:
                await self._session.call("activate the user", client.activate_user, user_id, send_email=False)
            else:
                await self._session.call("unsuspend the user", client.unsuspend_user, user_id)
        except OktaRefusal as error:
            status = await self._status(user_id)
            if status == STAGED and not staged:
                await self._start(user_id, staged=True)
            elif status == SUSPENDED and staged:
                await self._start(user_id, staged=False)
            elif error.okta != ALREADY_ACTIVE and status not in ON:
                raise

    async def _deactivate(self, user_id: str) -> None:
        try:
            await self._session.call(
                "deactivate the user", self._session.client.deactivate_user, user_id, send_email=False
            )
        except OktaRefusal as error:
            if error.absent:
                return
            if error.okta != WRONG_STATUS or await self._status(user_id) != DEPROVISIONED:
                raise

    async def _delete(self, user_id: str) -> None:
        """Delete a deactivated user for good."""
        try:
            await self._session.call("delete the user", self._session.client.delete_user, user_id)
        except OktaRefusal as error:
            if not error.absent:
                raise
