"""What a tenant tells beside the port: our names for its attributes, the directory's audit, where an object is from.

GET /auditLogs/directoryAudits (Graph v1.0): AuditLog.Read.All and a P1 licence; five calls in ten seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.kernel.clock import MINUTE, iso, parse_iso
from scim_bridge.sync.idp.entra.attributes import key
from scim_bridge.sync.idp.entra.calls import held, literal
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.model import NAME, OWNERS, SPONSORS
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.reading import identity
from scim_bridge.sync.idp.explaining import LastChange, Origin
from scim_bridge.sync.idp.port import IdpError, Observed

AUDITS = "/auditLogs/directoryAudits"
FACTS = ("purpose", "platform", "model", "environment", "riskTier", "workloadId", "owner", "coOwners")
SKEW = 5 * MINUTE


class Telling:
    """The part of an adapter that asks the directory's audit. Needs the adapter's Graph and options."""

    _graph: Graph
    _options: Options

    def meaning(self) -> Mapping[str, str]:
        """Our names for what Entra's can be read back as. Its owners have no order, so none of them is the owner."""
        facts = {key(self._options.attribute_set, name): name for name in FACTS}
        return {NAME: "displayName", SPONSORS: "sponsors", **facts}

    async def last_change(self, remote_id: str, since: int) -> LastChange:
        """Who changed the agent identity last since then, other than our own application."""
        about = f"targetResources/any(t:t/id eq {literal(remote_id)})"
        when = f"activityDateTime ge {iso(since - SKEW)}"
        query = {"$filter": f"{when} and {about}", "$orderby": "activityDateTime desc", "$top": "20"}
        reply = await self._graph.call("read the audit log", "GET", AUDITS, query=query)
        listed = reply.body.get("value") if isinstance(reply.body, dict) else None
        for entry in listed or ():
            by, app_id = _initiator(entry.get("initiatedBy") or {})
            if by and app_id != self._options.client_id:
                return LastChange(by, _instant(entry), str(entry.get("activityDisplayName") or ""))
        return LastChange(reason="the audit log shows no change by anybody else")

    async def origin(self, observed: Observed) -> Origin:
        """The application that made the agent identity, when, and who is its owner or sponsor there."""
        query = {"$select": "id,createdByAppId,createdDateTime,agentIdentityBlueprintId"}
        place = identity(observed.remote_id)
        what = "read where an agent identity is from"
        found = held(what, await self._graph.call(what, "GET", place, query=query), "id")
        made = str(found.get("createdByAppId") or "")
        by = f"application {made}" if made else f"blueprint {found.get('agentIdentityBlueprintId')}"
        people = [*(observed.attributes.get(OWNERS) or ()), *(observed.attributes.get(SPONSORS) or ())]
        if not people:
            people = [*await self._people_on(place, OWNERS), *await self._people_on(place, SPONSORS)]
        return Origin(by, _moment(found.get("createdDateTime")), str(people[0]) if people else "")

    async def _people_on(self, place: str, relation: str) -> list[str]:
        try:
            found = await self._graph.every(f"list its {relation}", f"{place}/{relation}")
        except IdpError:
            return []
        return [str(one["userPrincipalName"]).casefold() for one in found if one.get("userPrincipalName")]


def _initiator(initiated: Mapping[str, Any]) -> tuple[str, str]:
    """(who it was in words, the application's id when it was one)."""
    user, app = initiated.get("user") or {}, initiated.get("app") or {}
    named = user.get("userPrincipalName") or user.get("displayName") or user.get("id")
    if named:
        return str(named), ""
    return str(app.get("displayName") or app.get("appId") or ""), str(app.get("appId") or "")


def _instant(entry: Mapping[str, Any]) -> int | None:
    return _moment(entry.get("activityDateTime"))


def _moment(text: Any) -> int | None:
    try:
        return parse_iso(str(text))
    except ValueError:
        return None
