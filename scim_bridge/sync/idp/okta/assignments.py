"""Which applications agent users are assigned to: read by application, written one assignment each."""

from __future__ import annotations

from collections.abc import Sequence

from okta.models.app_user_assign_request import AppUserAssignRequest

from scim_bridge.sync.idp.okta.errors import ALREADY_ASSIGNED, OktaRefusal
from scim_bridge.sync.idp.okta.patience import pages
from scim_bridge.sync.idp.okta.session import Session

PAGE = 500


class Assignments:
    """Assignments to the applications a connection's setting names, by their ids."""

    def __init__(self, session: Session, applications: Sequence[str]) -> None:
        self._session = session
        self._applications = applications
        self._absent: set[str] = set()

    @property
    def applications(self) -> list[str]:
        """The applications agents belong to; those a listing did not find are left out."""
        return [app for app in self._applications if app not in self._absent]

    @property
    def notes(self) -> list[str]:
        """What to say of applications that are not there."""
        return [
            f"Okta has no application {app}: agents are not assigned to it." for app in sorted(self._absent)
        ]

    async def assigned(self) -> dict[str, set[str]]:
        """The ids of everybody assigned to each application, by themselves or through a group."""
        self._absent.clear()
        return {app: await self._assigned(app) for app in self._applications}

    async def _assigned(self, app: str) -> set[str]:
        what, method = f"list who is assigned to {app}", self._session.client.list_application_users
        found: set[str] = set()
        try:
            first = lambda: self._session.call(what, method, app, limit=PAGE)  # noqa: E731
            async for users, _ in pages(self._session, what, first):
                found |= {str(user["id"]) for user in users}
        except OktaRefusal as error:
            if not error.absent:
                raise
            self._absent.add(app)
        return found

    async def of(self, user_id: str) -> list[str]:
        """Those of our applications a user is assigned to."""
        found = []
        method = self._session.client.get_application_user
        for app in self.applications:
            try:
                await self._session.call(f"read the assignment to {app}", method, app, user_id)
                found.append(app)
            except OktaRefusal as error:
                if not error.absent:
                    raise
        return found

    async def change(self, user_id: str, before: set[str], after: set[str]) -> None:
        """Assign a user and take assignments away; each may be done twice."""
        client = self._session.client
        for app in sorted(after - before):
            body = AppUserAssignRequest.from_dict({"id": user_id, "scope": "USER"})
            try:
                await self._session.call(
                    f"assign the user to {app}", client.assign_user_to_application, app, body
                )
            except OktaRefusal as error:
                if error.okta != ALREADY_ASSIGNED:
                    raise
        for app in sorted(before - after):
            method = client.unassign_user_from_application
            try:
                await self._session.call(f"take the assignment to {app} away", method, app, user_id)
            except OktaRefusal as error:
                if not error.absent:
                    raise
