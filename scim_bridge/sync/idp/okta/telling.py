"""What an Okta org tells beside the port: our names for its attributes, and its System Log on one user.

GET /api/v1/logs (System Log API): scope okta.logs.read; kept 90 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from scim_bridge.kernel.clock import MINUTE, iso, parse_iso
from scim_bridge.sync.idp.explaining import LastChange, Origin
from scim_bridge.sync.idp.okta.people import People
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.vocabulary import OWNER_LINK, text_literal
from scim_bridge.sync.idp.port import IdpError, Observed

MEANING: Mapping[str, str] = {
    "login": "userName",
    "email": "email",
    "displayName": "displayName",
    "agentPurpose": "purpose",
    "agentPlatform": "platform",
    "agentModel": "model",
    "agentEnvironment": "environment",
    "agentRiskTier": "riskTier",
    "agentWorkloadId": "workloadId",
    "agentOwnerLogin": "owner",
    "agentCoOwners": "coOwners",
    "agentSponsors": "sponsors",
}
# Events that change what an agent's user says; others about it (sign-ins, tokens) are no news here.
CHANGES = (
    "user.account.update_",
    "user.lifecycle.",
    "linkedObjects.",
    "resource.owner.",
    "workload_principal.",
)
CREATED = "user.lifecycle.create"
# Two clocks are never the same.
SKEW = 5 * MINUTE
LOOKED_AT = 50


class Telling:
    """The part of an adapter that asks the System Log. Needs the adapter's session and people."""

    _session: Session
    _people: People

    def meaning(self) -> Mapping[str, str]:
        """Our names for what Okta's can be read back as."""
        return MEANING

    async def last_change(self, remote_id: str, since: int) -> LastChange:
        """Who changed the user last since then, other than our own service app."""
        for event in await self._log(f"target.id eq {text_literal(remote_id)}", since - SKEW):
            kind, actor = str(event.get("eventType") or ""), event.get("actor") or {}
            if kind.startswith(CHANGES) and actor.get("id") != self._session.client_id:
                return LastChange(_actor(actor), _instant(event), kind)
        return LastChange(reason="the System Log shows no change by anybody else")

    async def origin(self, observed: Observed) -> Origin:
        """Who created the user, and who owns it: by the agent's own attribute, else by the linked object."""
        owner = str(observed.attributes.get("agentOwnerLogin") or "")
        linked = observed.attributes.get(OWNER_LINK)
        if not owner and linked:
            person = await self._people.user(str(linked))
            owner = "" if person is None else str(person["profile"]["login"])
        return await self.created(observed.remote_id, CREATED, owner)

    async def created(self, remote_id: str, kind: str, owner: str) -> Origin:
        """Who caused the event of this kind about an object, or why that is not known."""
        about = f"target.id eq {text_literal(remote_id)} and eventType eq {text_literal(kind)}"
        try:
            events = await self._log(about, None)
        except IdpError as error:
            return Origin(owner=owner, reason=f"the System Log is not readable: {error.message}")
        if not events:
            return Origin(owner=owner, reason="its creation is no longer in the System Log")
        return Origin(_actor(events[-1].get("actor") or {}), _instant(events[-1]), owner)

    async def _log(self, expression: str, since: int | None) -> list[dict[str, Any]]:
        """Events that fulfil an expression, the newest first."""
        query = {"filter": expression, "sortOrder": "DESCENDING", "limit": str(LOOKED_AT)}
        if since is not None:
            query["since"] = iso(since)
        reply = await self._session.send("read the System Log", "GET", f"/api/v1/logs?{urlencode(query)}")
        return [event for event in reply.content or () if isinstance(event, dict)]


def _actor(actor: Mapping[str, Any]) -> str:
    return str(actor.get("alternateId") or actor.get("displayName") or actor.get("id") or "")


def _instant(event: Mapping[str, Any]) -> int | None:
    try:
        return parse_iso(str(event.get("published")))
    except ValueError:
        return None
