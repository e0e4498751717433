"""Finding people and agents in Okta by login: many at once by search, one exactly by reading it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from scim_bridge.sync.idp.okta.errors import OktaRefusal
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.vocabulary import text_literal

# Logins in one search: an expression must stay well under the longest address Okta reads.
AT_ONCE = 25
# Up to this many are read one by one, exactly; a search lags behind.
FEW = 4
BELIEVED = 300.0
ABSENCE_BELIEVED = 60.0


class People:
    """The ids of users by login, remembered for a while."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, tuple[float, str | None]] = {}

    async def user(self, name: str) -> dict[str, Any] | None:
        """The user with this id or login as Okta has it now; None when there is none."""
        try:
            reply = await self._session.call(f"read the user {name}", self._session.client.get_user, name)
        except OktaRefusal as error:
            if error.absent:
                return None
            raise
        found: dict[str, Any] = reply.content
        # Okta also takes the part before the @ for a login, when only one user has it.
        if name != found["id"] and str(found["profile"]["login"]).casefold() != name.casefold():
            return None
        return found

    def absent(self, login: str) -> bool:
        """True when a search just now found nobody with this login."""
        known = self._known.get(login.casefold())
        return known is not None and known[1] is None and self._fresh(known)

    def know(self, login: str, user_id: str) -> None:
        """Remember a user that a listing showed."""
        self._known[login.casefold()] = (time.monotonic(), user_id)

    def forget(self, login: str) -> None:
        """Believe nothing of a login any more: something is written under it."""
        self._known.pop(login.casefold(), None)

    async def look_up(self, logins: Iterable[str]) -> None:
        """Learn who exists of many logins, in few searches; what a search does not know may still exist."""
        unknown = [
            login
            for login in dict.fromkeys(name.casefold() for name in logins)
            if not self._fresh(self._known.get(login))
        ]
        for start in range(0, len(unknown), AT_ONCE):
            part = unknown[start : start + AT_ONCE]
            expression = " or ".join(f"profile.login eq {text_literal(login)}" for login in part)
            reply = await self._session.call(
                "search users by login", self._session.client.list_users, search=expression, limit=200
            )
            now = time.monotonic()
            self._known |= dict.fromkeys(part, (now, None))
            for user in reply.content:
                self._known[str(user["profile"]["login"]).casefold()] = (now, str(user["id"]))

    async def ids(self, logins: Iterable[str]) -> dict[str, str | None]:
        """The Okta id of each login, None where there is no such user. Keys as they were given."""
        asked = list(dict.fromkeys(logins))
        unknown = [login for login in asked if not self._fresh(self._known.get(login.casefold()))]
        if len(unknown) > FEW:
            await self.look_up(unknown)
        # What a search missed is read itself: a new owner must not pass for somebody without an account.
        for login in unknown:
            known = self._known.get(login.casefold())
            if known is None or known[1] is None:
                user = await self.user(login)
                found = None if user is None else str(user["id"])
                self._known[login.casefold()] = (time.monotonic(), found)
        return {login: self._known[login.casefold()][1] for login in asked}

    @staticmethod
    def _fresh(known: tuple[float, str | None] | None) -> bool:
        if known is None:
            return False
        return time.monotonic() - known[0] < (ABSENCE_BELIEVED if known[1] is None else BELIEVED)
