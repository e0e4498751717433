"""What of an org this app can use: asked by one read each, with the reason where it cannot."""

from __future__ import annotations

import time
from typing import NamedTuple

from scim_bridge.sync.idp.okta.errors import NOT_ENABLED, NOT_PERMITTED, OktaRefusal
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.port import Feature, IdpError

SIGN_IN = "sign-in"
USERS = "users"
TYPES = "user types"
SCHEMA = "schema"
LINKS = "linked objects"
GROUPS = "groups"
APPS = "apps"
LOG = "system log"
AI_AGENTS = "AI agents"
OWNERS = "resource owners"

# How long what was found is believed; it changes when an admin changes it.
BELIEVED = 600.0


class _Asked(NamedTuple):
    """A feature: the scopes it goes by (before .read and .manage), a read of it, whether we write to it."""

    scope: str
    path: str
    written: bool = True


ASKED = {
    USERS: _Asked("okta.users", "/api/v1/users?limit=1"),
    TYPES: _Asked("okta.userTypes", "/api/v1/meta/types/user"),
    SCHEMA: _Asked("okta.schemas", "/api/v1/meta/schemas/user/default"),
    LINKS: _Asked("okta.linkedObjects", "/api/v1/meta/schemas/user/linkedObjects"),
    GROUPS: _Asked("okta.groups", "/api/v1/groups?limit=1"),
    APPS: _Asked("okta.apps", "/api/v1/apps?limit=1"),
    LOG: _Asked("okta.logs", "/api/v1/logs?limit=1", written=False),
    AI_AGENTS: _Asked("okta.aiAgents", "/workload-principals/api/v1/ai-agents?limit=1"),
    OWNERS: _Asked("okta.governance.resourceOwner", "/governance/api/v1/resource-owners?limit=1"),
}

SSWS = (
    "an SSWS token acts with every right of the admin who made it, until that account goes;"
    " a service app with private_key_jwt has scopes of its own"
)


class Features:
    """Asks an org what it has, and remembers the answers for a while."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[str, tuple[float, Feature]] = {}

    async def all(self) -> tuple[Feature, ...]:
        """How we sign in, then every feature in a fixed order. IdpError when nobody answers."""
        found = [await self.one(name) for name in ASKED]
        return (self._sign_in(), *found)

    async def one(self, name: str) -> Feature:
        """One feature: as it was found a while ago, or asked now."""
        known = self._found.get(name)
        if known is not None and time.monotonic() - known[0] < BELIEVED:
            return known[1]
        try:
            if (unasked := self._without_scope(name)) is not None:
                return self._told(unasked)
            await self._session.send(f"look at {name}", "GET", ASKED[name].path)
            return self.usable(name)
        except OktaRefusal as error:
            return self.refused(name, error)

    def usable(self, name: str) -> Feature:
        """Remember that a feature answered; its reason says so when it may only be read."""
        scopes, asked = self._session.scopes, ASKED[name]
        manage = f"{asked.scope}.manage"
        only_read = asked.written and scopes is not None and manage not in scopes
        reason = f"read only: the scope {manage} is not granted" if only_read else ""
        return self._told(Feature(name, True, reason))

    def refused(self, name: str, error: OktaRefusal) -> Feature:
        """Remember why a feature cannot be used; raises what is not about the feature."""
        if error.http == 400 and error.okta.startswith("E"):
            # It only did not like how it was asked: it is there.
            return self.usable(name)
        if (reason := self.why_not(name, error)) == "":
            raise error
        return self._told(Feature(name, False, reason))

    def why_not(self, name: str, error: IdpError) -> str:
        """Why a refusal means that a feature cannot be used; empty when it does not mean that."""
        if not isinstance(error, OktaRefusal):
            return ""
        scope = ASKED[name].scope
        if error.okta == NOT_PERMITTED or error.http == 403:
            scopes = self._session.scopes
            if scopes is not None and not {f"{scope}.read", f"{scope}.manage"} & scopes:
                return f"the scope {scope}.manage is not granted"
            return "the admin role of this app does not allow it"
        if error.okta == NOT_ENABLED:
            return "not enabled in this org (E0000015)"
        return "this org has no such feature (404)" if error.absent else ""

    def _without_scope(self, name: str) -> Feature | None:
        """A feature that need not be asked for: no token of ours could have it."""
        scopes, asked = self._session.scopes, ASKED[name]
        if scopes is None or {f"{asked.scope}.read", f"{asked.scope}.manage"} & scopes:
            return None
        verb = "manage" if asked.written else "read"
        return Feature(
            name, False, f"the scope {asked.scope}.{verb} is not among the scopes of the connection"
        )

    def _told(self, feature: Feature) -> Feature:
        self._found[feature.name] = (time.monotonic(), feature)
        return feature

    def _sign_in(self) -> Feature:
        if self._session.scopes is None:
            return Feature(SIGN_IN, True, f"warning: {SSWS}")
        bound = ", tokens bound to a key (DPoP)" if self._session.proves_possession else ""
        return Feature(SIGN_IN, True, f"service app, private_key_jwt{bound}")
